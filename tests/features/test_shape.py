"""Shape features."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from edge.features.shape import SHAPE_NAMES, Shapes
from edge.features.window import BEFORE, LEADS, WINDOW, WINDOW_HZ


def beat(width_s: float = 0.015, sign: float = 1.0, leads: int = LEADS) -> NDArray[np.float32]:
    time = (np.arange(WINDOW) - BEFORE) / WINDOW_HZ
    window = np.zeros((WINDOW, LEADS), np.float32)
    window[:, :leads] = (sign * np.exp(-((time / width_s) ** 2)))[:, None]
    return window


def told(shapes: Shapes, window: NDArray[np.float32], late: bool = True) -> dict[str, float]:
    return dict(zip(SHAPE_NAMES, described(shapes, window, late)[1], strict=True))


def described(
    shapes: Shapes, window: NDArray[np.float32], late: bool = True
) -> tuple[NDArray[np.float32], list[float]]:
    scaled, features = shapes.describe(window[None], [late])
    return scaled[0], features[0]


def test_a_wide_beat_among_narrow_ones() -> None:
    shapes = Shapes()
    for _ in range(20):
        narrow = told(shapes, beat())
    wide = told(shapes, beat(width_s=0.06, sign=-1))
    assert narrow["qrs_angle"] < 0.1
    assert wide["qrs_angle"] > 0.8
    assert wide["width_change"] > 0.4
    assert wide["width_first"] > narrow["width_first"] * 1.5
    assert wide["qrs_share"] == 0


def test_the_usual_shape_stays_the_usual_in_bigeminy_with_a_few_more_of_it() -> None:
    shapes = Shapes()
    for i in range(60):
        features = told(shapes, beat(width_s=0.06, sign=-1) if i % 3 == 2 else beat())
    assert features["qrs_angle"] > 0.8
    assert features["qrs_angle_best"] < 0.1
    assert 0.2 < features["qrs_share"] < 0.45


def test_windows_are_scaled_by_the_usual_size() -> None:
    shapes = Shapes()
    for _ in range(12):
        scaled, _features = described(shapes, beat() * np.float32(3))
    assert np.ptp(scaled[:, 0]) == np.float32(1)
    larger, features = described(shapes, beat() * np.float32(6))
    assert np.ptp(larger[:, 0]) == np.float32(2)
    assert features[SHAPE_NAMES.index("size_first")] > 0.6


def test_an_empty_lead_stays_empty() -> None:
    shapes = Shapes()
    for _ in range(5):
        scaled, features = described(shapes, beat(leads=1))
    assert not scaled[:, 1].any()
    assert features[SHAPE_NAMES.index("width_second")] == 0
    assert features[SHAPE_NAMES.index("size_second")] == 0


def with_p_wave(at_s: float) -> NDArray[np.float32]:
    time = (np.arange(WINDOW) - BEFORE) / WINDOW_HZ
    return beat() + np.float32(0.1) * np.exp(-(((time + at_s) / 0.02) ** 2)).astype(np.float32)[:, None]


def test_where_ectopic_beats_are_the_usual_ones_the_late_beats_are_the_norm() -> None:
    shapes = Shapes()
    for i in range(60):
        sinus = i % 5 == 0
        features = told(shapes, with_p_wave(0.2 if sinus else 0.12), late=sinus)
    assert features["p_angle"] < 0.3
    assert features["p_angle_late"] > 1.0
    assert features["p_time_late"] < -0.03
    assert features["p_late_usual"] > 0.8
    assert features["qrs_angle_late"] < 0.1


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(np.float32, (3, WINDOW, LEADS), elements=st.floats(-20, 20, width=32)),
    st.booleans(),
)
def test_anything_finite_gives_finite_features(windows: NDArray[np.float32], flat: bool) -> None:
    shapes = Shapes()
    for window in (np.zeros_like(windows[0]) if flat else windows[0], *windows):
        scaled, features = described(shapes, window, not flat)
        assert np.isfinite(scaled).all()
        assert np.isfinite(features).all()


def test_it_makes_no_difference_in_how_many_pieces_beats_are_given() -> None:
    rng = np.random.default_rng(1)
    windows = np.stack([beat(width_s=0.02 + 0.05 * (i % 5 == 4)) for i in range(30)])
    windows += rng.normal(0, 0.05, windows.shape).astype(np.float32)
    late = [i % 3 == 0 for i in range(30)]
    scaled, features = Shapes().describe(windows, late)
    shapes = Shapes()
    singly = [shapes.describe(windows[i : i + 1], late[i : i + 1]) for i in range(30)]
    assert np.array_equal(np.concatenate([piece for piece, _ in singly]), scaled)
    assert [row for _, rows in singly for row in rows] == features
