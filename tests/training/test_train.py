"""Training: patients kept apart, the best weights kept, no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import make_beats

from edge.errors import EcgEdgeError
from edge.features.history import NAMES
from training import features, score, train
from training.datasets import CLASSES
from training.features import BINS, Levels
from training.teacher import Teacher
from training.train import Checkpoints, Recipe

LEVELS = Levels(np.tile(np.arange(BINS + 1, dtype=np.float32), (len(NAMES), 1)))
OFFSETS = np.zeros(len(CLASSES), np.float32)
TINY = Recipe(epochs=3, drawn=6000, mixed=1000, batch=64, rate=3e-3, blind=0.1)


def tables() -> tuple[features.Table, features.Table]:
    learn = features.table([make_beats("101", n=400), make_beats("106", n=400, seed=1)])
    return learn, features.table([make_beats("114", n=300, seed=2)])


def weights(value: float) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    return [np.full((2, 3), value, np.float32)]


def test_worse_weights_are_never_kept_and_older_ones_are_deleted(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "cnn")
    assert checkpoints.best is None
    kept = [checkpoints.offer(value, weights(value), LEVELS, OFFSETS, 1) for value in (0.5, 0.4, 0.7, 0.7, 0.6, 0.71)]
    assert kept == [True, False, True, False, False, True]
    (path,) = tmp_path.iterdir()
    assert checkpoints.best == (0.71, path)
    with np.load(path) as arrays:
        assert arrays["w000"][0, 0] == np.float32(0.71)


def test_older_weights_stay_until_a_new_training_keeps_its_own(tmp_path: Path) -> None:
    """They may be of other beats, code or recipe, so their score does not count."""
    Checkpoints(tmp_path, "cnn").offer(0.8, weights(0.8), LEVELS, OFFSETS, 1)
    Checkpoints(tmp_path, "lstm").offer(0.1, weights(0.1), LEVELS, OFFSETS, 1)
    today = Checkpoints(tmp_path, "cnn")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cnn-0.800000.npz", "lstm-0.100000.npz"]
    assert today.offer(0.7, weights(0.7), LEVELS, OFFSETS, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cnn-0.700000.npz", "lstm-0.100000.npz"]


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_one_file_is_left_and_it_is_the_best(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    folder = tmp_path_factory.mktemp("weights")
    checkpoints = Checkpoints(folder, "cnn")
    for value in values:
        checkpoints.offer(value, weights(value), LEVELS, OFFSETS, 1)
    assert checkpoints.best is not None
    assert checkpoints.best[0] == pytest.approx(max(values), abs=2e-6)
    assert len(list(folder.iterdir())) == 1


def test_without_weights_the_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(EcgEdgeError, match="ecg-train fit"):
        Checkpoints(tmp_path, "cnn").load("cnn")


def test_weights_of_another_network_are_refused(tmp_path: Path, keras: Any) -> None:
    checkpoints = Checkpoints(tmp_path, "cnn")
    checkpoints.offer(0.9, weights(1), LEVELS, OFFSETS, 1)
    with pytest.raises(EcgEdgeError, match="another network"):
        checkpoints.load("cnn")


def test_weights_of_other_features_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path, "cnn")
    with monkeypatch.context() as before:
        before.setattr(train, "FINGERPRINT", "0123456789ab")
        checkpoints.offer(0.9, weights(1), LEVELS, OFFSETS, 1)
    with pytest.raises(EcgEdgeError, match="other features"):
        checkpoints.load("cnn")


def test_a_patient_on_both_sides_is_refused(tmp_path: Path) -> None:
    learn, _ = tables()
    others = features.table([make_beats("106", n=50, seed=3)])
    with pytest.raises(EcgEdgeError, match="mitdb/106"):
        train.fit("cnn", learn, others, Checkpoints(tmp_path, "cnn"))


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_what_can_be_learnt_is_learnt_and_the_best_epoch_kept(tmp_path: Path, keras: Any, kind: Any) -> None:
    learn, others = tables()
    lines: list[str] = []
    checkpoints = Checkpoints(tmp_path, kind)
    trained = train.fit(kind, learn, others, checkpoints, recipe=TINY, progress=lines.append)
    assert len(lines) == TINY.epochs
    assert trained.score > 0.8
    assert checkpoints.best is not None
    assert trained.score == checkpoints.best[0]
    again = checkpoints.load(kind)
    said = score.decide(train.predict(again.model, again.levels, others), again.offsets)
    assert score.quality(score.count(others.labels, said)) == pytest.approx(trained.score, abs=1e-5)
    assert len(list(tmp_path.iterdir())) == 1


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, keras: Any) -> None:
    learn, others = tables()
    recipe = Recipe(epochs=1, drawn=512, mixed=256, batch=64)
    one, two = (
        train.fit("cnn", learn, others, Checkpoints(tmp_path / name, "cnn"), recipe=recipe, progress=lambda _: None)
        for name in "ab"
    )
    for first, second in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_refit_learns_from_everybody_and_keeps_what_was_chosen(tmp_path: Path, keras: Any) -> None:
    learn, others = tables()
    lines: list[str] = []
    recipe = Recipe(epochs=2, drawn=2048, mixed=512, batch=64, rate=3e-3, blind=0.1)
    chosen = train.fit("cnn", learn, others, Checkpoints(tmp_path, "cnn"), recipe=recipe, progress=lambda _: None)
    everybody = features.join(learn, others)
    final = train.refit(chosen, everybody, Teacher(everybody), recipe=recipe, progress=lines.append)
    assert len(lines) == recipe.epochs
    np.testing.assert_array_equal(final.offsets, chosen.offsets)
    assert final.score == chosen.score
    first, last = (trained.model.get_weights()[0] for trained in (chosen, final))
    assert not np.array_equal(first, last)
