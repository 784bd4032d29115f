"""Trees as plain numbers: what they say, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.errors import ModelError
from edge.features import irregularity
from edge.inference.beat_model import models_dir
from edge.inference.card import Origin, Tree
from edge.inference.trees import SCHEMA, TreeCard, TreeModel, log_odds, probability, read_trees, write_trees

ORIGIN = Origin(databases={"ltafdb_ann": ("01",)}, split="none", seed=1, revision="abc", date="2026-01-01")
STUMP = Tree(feature=(1,), at=(0.5,), low=(-1,), high=(-2,), leaf=(-1.5, 2.0))
DEEP = Tree(feature=(0, 1), at=(3.0, 0.25), low=(1, -2), high=(-1, -3), leaf=(0.5, 0.1, 0.2))


def a_card(**changes: Any) -> TreeCard:
    card = TreeCard(
        schema=SCHEMA, name="x", features=("a", "b"), example=(1.0, 2.0), origin=ORIGIN, metrics={}, trees=(STUMP, DEEP)
    )
    return msgspec.structs.replace(card, **changes)


def test_the_leaves_that_are_reached_are_added() -> None:
    model = TreeModel(a_card(), ("a", "b"), (1.0, 2.0))
    assert model.log_odds((9.0, 0.5)) == pytest.approx(-1.5 + 0.5)
    assert model.log_odds((3.0, 0.2)) == pytest.approx(-1.5 + 0.1)
    assert model.log_odds((3.0, 0.6)) == pytest.approx(2.0 + 0.2)
    assert model.probability((3.0, 0.6)) == pytest.approx(probability(2.2))


def test_odds_and_probability_are_each_others_inverse_and_bounded() -> None:
    assert probability(log_odds(0.97)) == pytest.approx(0.97)
    assert 0 < probability(-1e9) < probability(1e9) <= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"features": ("a", "c")},
        {"example": (1.0, 2.1)},
        {"example": (1.0,)},
        {"trees": (msgspec.structs.replace(STUMP, feature=(2,)),)},
        {"trees": (msgspec.structs.replace(DEEP, low=(0, -2)),)},
        {"trees": (msgspec.structs.replace(DEEP, high=(-1, -4)),)},
        {"trees": (msgspec.structs.replace(DEEP, at=(3.0,)),)},
    ],
)
def test_a_model_that_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="x"):
        TreeModel(a_card(**changes), ("a", "b"), (1.0, 2.0))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_trees(a_card(), tmp_path / "x.json")
    assert read_trees(tmp_path / "x.json") == a_card()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema": 1}', b"\xff\xfe"])
def test_what_is_no_model_is_refused_in_a_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ModelError, match="is no model of trees"):
        read_trees(tmp_path / "x.json")


def test_a_missing_model_and_another_schema_are_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read_trees(tmp_path / "none.json")
    write_trees(a_card(schema=SCHEMA + 1), tmp_path / "x.json")
    with pytest.raises(ModelError, match="schema"):
        read_trees(tmp_path / "x.json")


def test_the_shipped_model_of_fibrillation_fits_what_is_measured() -> None:
    card = read_trees(models_dir() / "af.json")
    TreeModel(card, irregularity.NAMES, irregularity.example())
    assert not {"100", "202", "219"} & set(card.origin.databases["mitdb"]), "learnt from who is reported on"
