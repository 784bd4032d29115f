"""What a score is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic import make_beats

from edge.inference.beat_model import BeatModel
from edge.inference.card import Confidence
from training import calibration, features
from training.calibration import calibrate, logits
from training.datasets import LabelledBeats, Labels
from training.score import SHARES
from training.sets import Sets
from training.train import Recipe


def test_an_overconfident_class_is_taken_down_to_how_often_it_is_right() -> None:
    rng = np.random.default_rng(0)
    n = 40_000
    logit = rng.uniform(0, 6, n)
    weighed = np.full((n, 5), -20, np.float32)
    weighed[:, 2], weighed[:, 0] = logit, 0
    right = rng.random(n) < 1 / (1 + np.exp(-(0.5 * logit - 0.4)))
    labels = np.where(right, 2, 0).astype(np.int8)
    confidence = calibrate(labels, weighed)
    rarer = math.log(SHARES["V"] / right.sum() / (SHARES["N"] / (~right).sum()))  # V has not half of the beats of DS1
    assert rarer < -2
    assert abs(confidence[2].slope - 0.5) < 0.06
    assert abs(confidence[2].intercept - (rarer - 0.4)) < 0.15


def test_a_class_with_hardly_a_label_is_taken_at_its_word() -> None:
    weighed = np.zeros((10, 5), np.float32)
    weighed[:, 1] = 1
    assert calibrate(np.zeros(10, np.int8), weighed) == (Confidence(slope=1.0, intercept=0.0),) * 5


def test_logits_are_of_the_largest() -> None:
    weighed = np.log(np.array([[0.9, 0.05, 0.03, 0.01, 0.01], [0.2, 0.2, 0.4, 0.1, 0.1]], np.float32))
    np.testing.assert_allclose(logits(weighed), np.log([0.9 / 0.1, 0.4 / 0.6]), rtol=1e-4)


def test_a_beat_that_is_none_makes_its_label_less_credible() -> None:
    weighed = np.full((4000, 5), -20, np.float32)
    weighed[:, 0] = np.random.default_rng(0).uniform(0, 3, 4000)
    weighed[:, 1] = 0
    labels = np.zeros(4000, np.int8)
    sure = calibrate(labels, weighed)[0]
    labels[::4] = -1
    assert calibrate(labels, weighed)[0].intercept < sure.intercept - 1


def test_nobody_is_predicted_by_a_model_that_has_seen_him(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = [make_beats(str(number), n=60, seed=number) for number in range(101, 108)]
    never = make_beats("201", n=30, seed=9)
    recorded[0].usable[:7] = False
    recorded[0].noisy[7:20] = True
    table = features.table(recorded)
    sets = Sets(
        features.take(table, table.cells < 25), table, features.take(table, table.cells >= 25), (*recorded, never), ()
    )
    seen: list[tuple[set[str], set[str]]] = []
    trained_on: set[str] = set()

    def teacher(data: features.Table) -> None:
        trained_on.clear()
        trained_on.update(data.records.tolist())

    def model(*_: object) -> BeatModel:
        return BeatModel.load("cnn")

    def scored(model: BeatModel, records: Sequence[LabelledBeats]) -> tuple[Labels, NDArray[np.float32]]:
        seen.append((set(trained_on), {f"{beats.database}/{beats.record}" for beats in records}))
        return real(model, records)

    real = calibration.scored
    monkeypatch.setattr(calibration, "Teacher", teacher)
    monkeypatch.setattr(calibration, "_without_fold", model)
    monkeypatch.setattr(calibration, "scored", scored)
    design = calibration.Design("cnn", np.zeros(5, np.float32), 1, Recipe())
    found = calibration.cross_fit([design], sets, lambda _: None)["cnn"]
    assert all(not known & asked for known, asked in seen)
    assert sorted(record for _, asked in seen for record in asked if "201" not in record) == [
        f"mitdb/{number}" for number in range(101, 108)
    ]
    assert len(found.unseen) == 5 * len(never.labels)
    lost = 7 * 60 - len(found.labels)  # unusable, or noisy and not called N
    assert 7 <= lost <= 20
