"""The page model, its card, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge.errors import ModelError
from edge.features.page import LEADS, NAMES, WINDOW, Measured
from edge.inference.beat_model import BeatModel, model_names, models_dir
from edge.inference.card import PageCard, Tree, read_page_card, write_card
from edge.inference.page_model import TITLES, PageModel, blended
from edge.inference.runtime import tensors

LIMIT_BYTES = 1_000_000


@pytest.fixture
def copy(tmp_path: Path) -> Callable[..., Path]:
    """Copy the shipped model, its card changed."""

    def make(content: bytes | None = None, **changes: Any) -> Path:
        card = read_page_card(models_dir() / "page.json")
        target = tmp_path / "page.tflite"
        target.write_bytes((models_dir() / "page.tflite").read_bytes() if content is None else content)
        write_card(msgspec.structs.replace(card, **changes), target.with_suffix(".json"))
        return target

    return make


def broken(card: PageCard) -> Tree:
    tree = card.trees[-1][0]
    return msgspec.structs.replace(tree, low=(0, *tree.low[1:]))


def flat() -> Measured:
    return Measured(np.zeros((WINDOW, len(LEADS)), np.float32), np.zeros(len(NAMES), np.float32))


def test_it_is_shipped_small_and_in_integers() -> None:
    content = (models_dir() / "page.tflite").read_bytes()
    assert len(content) <= LIMIT_BYTES
    inputs, outputs = tensors(content)
    assert {tensor.dtype for tensor in (*inputs, *outputs)} == {"int8"}


def test_it_gives_probabilities_and_the_same_ones_again() -> None:
    model = PageModel.load()
    said = model.predict(flat())
    assert said.shape == (len(TITLES),)
    assert said.sum() == pytest.approx(1, abs=1e-5)
    other = Measured(flat().beats + 1, flat().numbers + 100)
    model.predict(other)
    np.testing.assert_array_equal(model.predict(flat()), said)


def test_it_says_what_it_has_learnt_from_and_how_often_it_is_right() -> None:
    card = read_page_card(models_dir() / "page.json")
    told = card.metrics["cross_validation"]
    assert told["balanced_low"] <= told["balanced"] <= told["balanced_high"]
    assert f"{told['balanced']:.0f} %" in card.learnt_from
    assert str(sum(map(len, card.origin.databases.values()))) in card.learnt_from


def test_it_is_no_beat_model() -> None:
    assert "page" not in model_names()
    with pytest.raises(ModelError, match="not a model card"):
        BeatModel.load("page")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda card: {"sha256": "0" * 64}, "sha256"),
        (lambda card: {"features": card.features[1:]}, "rate"),
        (lambda card: {"features": card.features[::-1]}, "order"),
        (lambda card: {"example": (*card.example[:-1], card.example[-1] + 0.1)}, "other measurements"),
        (lambda card: {"classes": ("normal", "cat", *card.classes[2:])}, "classes"),
        (lambda card: {"offsets": card.offsets[1:]}, "offsets"),
        (lambda card: {"output": msgspec.structs.replace(card.output, shape=(1, 9))}, "shape"),
        (lambda card: {"trees": card.trees[1:]}, "trees"),
        (lambda card: {"trees": (((card.trees[0][0],)), *card.trees[1:-1], (broken(card),))}, "hold together"),
        (lambda card: {"schema": 99}, "schema"),
    ],
    ids=["hash", "missing", "order", "example", "classes", "offsets", "shape", "trees", "broken", "schema"],
)
def test_a_model_that_does_not_fit_is_refused(
    copy: Callable[..., Path], change: Callable[[PageCard], dict[str, Any]], why: str
) -> None:
    path = copy(**change(read_page_card(models_dir() / "page.json")))
    with pytest.raises(ModelError, match=why) as caught:
        PageModel.load(path)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        PageModel.load(tmp_path / "page.tflite")


def test_network_trees_and_offsets_have_a_voice() -> None:
    even, none = np.full(4, 0.25, np.float32), np.zeros(4, np.float32)
    second = np.array([0, 1, 0, 0], np.float32)
    np.testing.assert_allclose(blended(even, none, none), even, atol=1e-6)
    for said in (blended(even, none, second), blended(even, second, none), blended(even + second, none, none)):
        assert said.argmax() == 1
        assert said.sum() == pytest.approx(1, abs=1e-6)
