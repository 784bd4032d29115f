"""Scores models are chosen by."""

from __future__ import annotations

import numpy as np
import pytest

from training import score


def test_offsets_decide_close_calls() -> None:
    said = np.array([[0.5, 0.45, 0.05, 0, 0], [0.1, 0.1, 0.8, 0, 0]], np.float32)
    assert score.decide(said, np.zeros(5, np.float32)).tolist() == [0, 2]
    assert score.decide(said, np.array([0, 1, 0, 0, 0], np.float32)).tolist() == [1, 2]


def test_offsets_take_back_what_drawing_did() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 4000, p=[0.9, 0.05, 0.05]).astype(np.int8)
    said = np.full((4000, 5), 0.001, np.float32)
    said[:, :3] = 0.1
    said[np.arange(4000), labels] = 0.3
    rare = (labels == 0) & (rng.random(4000) < 0.3)
    said[rare, 1] = 0.5
    offsets = score.choose_offsets(labels, said, np.full(len(labels), "mitdb/101"))
    assert offsets[0] - offsets[1] > 0.5
    plain = score.count(labels, score.decide(said, np.zeros(5, np.float32)))
    assert score.quality(score.count(labels, score.decide(said, offsets))) > score.quality(plain)


def test_a_large_database_does_not_outvote_a_small_one() -> None:
    rng = np.random.default_rng(1)
    labels = rng.choice(3, 6000, p=[0.8, 0.1, 0.1]).astype(np.int8)
    small = np.arange(6000) >= 5000
    said = np.full((6000, 5), 0.001, np.float32)
    said[np.arange(6000), labels] = 0.6
    said[labels < 2, 0] = 0.3
    said[labels == 1, 1] = 0.45
    # At the threshold that finds those of the small one, a quarter of the large one's N beats would be S.
    said[small & (labels == 1), 1] = 0.2
    said[~small & (labels == 0) & (rng.random(6000) < 0.25), 1] = 0.2
    together = score.choose_offsets(labels, said, np.full(6000, "svdb/800"))
    apart = score.choose_offsets(labels, said, np.where(small, "mitdb/100", "svdb/800"))
    assert apart[1] - apart[0] > together[1] - together[0]


def test_pairs_are_counted_with_missed_and_extra_beats() -> None:
    table = score.count(np.array([0, 1, -1, 2], np.int8), np.array([0, 0, 2, -1], np.int8))
    assert table.sum() == 4
    assert (table[0, 0], table[1, 0], table[5, 2], table[2, 5]) == (1, 1, 1, 1)


def test_figures_are_percent_and_leave_out_what_is_undefined() -> None:
    truth = np.array([0] * 8 + [2] * 4, np.int8)
    said = np.array([0] * 7 + [2] + [2] * 3 + [0], np.int8)
    figures = score.figures(score.count(truth, said))
    assert figures["v_se"] == 75
    assert figures["v_ppv"] == 75
    assert figures["n_se"] == pytest.approx(87.5)
    assert not any(name.startswith("s_se") for name in figures)


def test_quality_weighs_s_and_v_alike_and_is_defined_without_them() -> None:
    truth = np.array([0] * 90 + [1] * 2 + [2] * 8, np.int8)
    assert score.quality(score.count(truth, truth)) == 1
    said = np.where(truth == 1, 0, truth).astype(np.int8)
    assert score.quality(score.count(truth, said)) == 0.5
    assert score.quality(score.count(truth[:90], truth[:90])) == 0
