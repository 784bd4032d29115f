"""What a network is fed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import make_beats

from edge.features.history import NAMES
from edge.features.window import LEADS, WINDOW
from training import features
from training.features import BINS, WINDOW_LIMIT, Levels


def test_only_usable_and_matched_beats_are_learnt_from() -> None:
    beats = make_beats(n=50)
    beats.usable[:10] = False
    beats.labels[10:15] = -1
    beats.labels[15:20] = 4
    assert len(features.table([beats])) == 30
    assert len(features.everything(beats)) == 40


def test_patients_and_classes_are_drawn_by_the_root_of_their_number() -> None:
    few, many = make_beats("101", n=100), make_beats("106", n=10_000, seed=1)
    for beats in (few, many):
        beats.labels[:] = 0
    data = features.table([few, many])
    weights = features.draw_weights(data)
    assert weights.sum() == pytest.approx(1)
    assert weights[100:].sum() / weights[:100].sum() == pytest.approx(10)


def test_one_lead_alone_counts_less() -> None:
    data = features.table([make_beats("101"), make_beats("106", variant="0")])
    weights = features.draw_weights(data)
    assert weights[200:].sum() / weights[:200].sum() == pytest.approx(features.SHARES["0"], rel=0.05)


def test_levels_are_empty_below_and_full_above() -> None:
    knots = np.tile(np.linspace(-2, 2, BINS + 1, dtype=np.float32), (len(NAMES), 1))
    values = np.zeros((3, len(NAMES)), np.float32)
    values[:, 4] = (-3, 0, 3)
    levels = Levels(knots).apply(values)[:, 4 * BINS : 5 * BINS]
    np.testing.assert_allclose(levels, [[0] * 6, [1, 1, 1, 0, 0, 0], [1] * 6], atol=1e-6)


def test_levels_rise_whatever_a_feature_is_like() -> None:
    data = features.table([make_beats(n=500)])
    data.features[0] = 1e6
    data.features[:, 5] = 3.0
    levels = features.levels(data)
    assert levels.knots.shape == (len(NAMES), BINS + 1)
    assert (np.diff(levels.knots, axis=1) > 0).all()
    seen = levels.apply(data.features)
    assert seen.shape == (len(data), len(NAMES) * BINS)
    assert (seen.min(), seen.max()) == (0, 1)


def test_levels_also_lie_where_few_beats_differ() -> None:
    data = features.table([make_beats(n=2000)])
    data.features[:, 7] = 0
    data.features[:40, 7] = np.linspace(1, 2, 40)
    knots = features.levels(data).knots[7]
    assert (knots > 1).sum() >= 2


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_variation_keeps_shape_range_and_empty_leads(seed: int) -> None:
    rng = np.random.default_rng(seed)
    windows = rng.normal(0, 0.5, (8, WINDOW, LEADS)).astype(np.float32)
    windows[:4, :, 1] = 0
    varied = features.vary(windows, rng)
    assert varied.shape == windows.shape
    assert varied.dtype == np.float32
    assert np.abs(varied).max() <= WINDOW_LIMIT
    assert not varied[:4, :, 1].any()
    assert (varied[:4, :, 0] != windows[:4, :, 0]).any()


def test_variation_depends_on_its_seed_alone() -> None:
    windows = np.random.default_rng(0).normal(0, 0.5, (8, WINDOW, LEADS)).astype(np.float32)
    once, again, other = (features.vary(windows, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_joined_tables_keep_their_patients_apart() -> None:
    first = features.table([make_beats("101", n=100), make_beats("106", n=100, seed=1)])
    second = features.table([make_beats("114", n=50, seed=2)])
    both = features.join(first, second)
    assert len(both) == len(first) + len(second)
    assert not set(both.cells[: len(first)]) & set(both.cells[len(first) :])
    np.testing.assert_array_equal(both.records[len(first) :], second.records)
    together = features.table(
        [make_beats("101", n=100), make_beats("106", n=100, seed=1), make_beats("114", n=50, seed=2)]
    )
    np.testing.assert_allclose(features.draw_weights(both), features.draw_weights(together))
