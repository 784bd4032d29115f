"""What a score is worth."""

from __future__ import annotations

import math

import numpy as np

from edge.inference.card import Confidence
from training.calibration import calibrate, logits
from training.score import SHARES


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
