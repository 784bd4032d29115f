"""What a network is fed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import make_beats

from edge.beat_features import LEADS, NAMES, WINDOW
from training import features
from training.features import LIMIT, WINDOW_LIMIT


def test_only_usable_and_matched_beats_are_learnt_from() -> None:
    beats = make_beats(n=50)
    beats.usable[:10] = False
    beats.labels[10:15] = -1
    assert len(features.table([beats])) == 35
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


def test_normalized_features_are_centred_and_clipped() -> None:
    data = features.table([make_beats(n=500)])
    data.features[0] = 1e6
    data.features[:, 5] = 3.0
    normal = features.normalization(data)
    values = normal.apply(data.features)
    assert np.abs(values).max() <= LIMIT
    assert np.isfinite(values).all()
    assert np.abs(np.median(values, axis=0)).max() < 1


def test_knots_rise_with_each_feature() -> None:
    data = features.table([make_beats(n=500)])
    knots = features.knots(data, features.normalization(data), 6)
    assert knots.shape == (len(NAMES), 7)
    assert (np.diff(knots, axis=1) > 0).all()


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
