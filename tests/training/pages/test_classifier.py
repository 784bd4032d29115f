"""How pages are told: protocols that keep patients apart, figures, and that only the better model stays."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge.features.page import LEADS, NAMES, WINDOW
from edge.inference.beat_model import models_dir
from edge.inference.card import read_page_card, write_card
from training.pages import classifier
from training.pages.classifier import Told
from training.pages.examples import CLASSES, Examples


def pages(n: int = 120, *, told_by: float = 0.0, seed: int = 1) -> Examples:
    """Make pages of random beats; `told_by` is added to one number of each class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(CLASSES)
    numbers = rng.normal(0, 1, (n, len(NAMES))).astype(np.float32)
    numbers[np.arange(n), 20 + labels] += told_by
    return Examples(
        names=np.array([f"ecg_images/x/x_{i}" for i in range(n)]),
        labels=labels.astype(np.int64),
        beats=rng.normal(0, 0.3, (n, WINDOW, len(LEADS))).astype(np.float32),
        numbers=numbers,
        groups=(np.arange(n) // 8).astype(np.int64),
        refused=np.zeros((0, 2), np.str_),
    )


def by_memory(learnt: Examples, others: Examples, seed: int) -> np.ndarray:
    """Say of a page what the most similar one was: all memory, no knowledge."""
    del seed
    far = ((others.numbers[:, None] - learnt.numbers[None]) ** 2).sum(axis=2)
    return np.eye(len(CLASSES), dtype=np.float32)[learnt.labels[far.argmin(axis=1)]]


def test_groups_are_whole_and_every_page_is_told_once() -> None:
    made = pages()
    told = np.zeros(len(made), int)
    for others, own in classifier.folds_of(made, 0):
        assert not set(made.groups[others]) & set(made.groups[own])
        told[own] += 1
    assert (told == 1).all()


def test_a_random_split_with_copies_praises_memory_and_cross_validation_does_not() -> None:
    made = pages(200)
    honest = classifier.cross_validate(made, by_memory, 1, lambda _: None).figures()
    praised = classifier.as_published(made, by_memory, lambda _: None).figures()
    assert honest["balanced"] < 45
    assert praised["accuracy"] > 80


def test_trees_learn_what_can_be_learnt() -> None:
    made = pages(240, told_by=4.0)
    told = classifier.cross_validate(made, classifier.by_trees, 1, lambda _: None).figures()
    assert told["balanced"] > 85


def test_figures_are_those_of_the_counts() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 3])
    said = np.array([[0, 0, 0, 1, 1, 1, 3, 3]])
    told = Told(labels, said, np.arange(8)).figures()
    assert told["balanced"] == pytest.approx(100 * (0.75 + 1 + 0 + 1) / 4, abs=0.06)
    assert told["accuracy"] == pytest.approx(75)
    assert told["se_normal"] == 75
    assert told["ppv_past_mi"] == 50
    assert "ppv_mi" not in told  # it was never said
    assert told["balanced_low"] <= told["balanced"] <= told["balanced_high"]


def test_only_the_better_model_stays(tmp_path: Path) -> None:
    card, content = read_page_card(models_dir() / "page.json"), (models_dir() / "page.tflite").read_bytes()
    told = card.metrics["cross_validation"]
    worse = {**card.metrics, "cross_validation": {**told, "balanced": told["balanced"] - 1}}
    assert classifier.release(card, content, tmp_path) is None
    kept = classifier.release(msgspec.structs.replace(card, metrics=worse), content, tmp_path)
    assert kept is not None
    assert "kept" in kept
    assert read_page_card(tmp_path / "page.json") == card
    write_card(msgspec.structs.replace(card, sha256="0" * 64), tmp_path / "page.json")
    assert classifier.release(card, content, tmp_path) is None  # what cannot be used is no better


@pytest.mark.filterwarnings("ignore")  # tensorflow's own, while it converts
def test_the_network_learns_and_becomes_a_small_file_of_integers() -> None:
    made = pages(64, told_by=4.0)
    figures = {"cross_validation": {"balanced": 50.0, "balanced_low": 40.0, "balanced_high": 60.0}}
    card, content = classifier.make(made, figures, seed=1, epochs=8)
    assert len(content) < 1_000_000
    assert card.metrics["int8"]["agreement"] >= 80
    assert "64 pages" in card.learnt_from
