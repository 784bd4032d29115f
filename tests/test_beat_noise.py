"""What is noise in a beat's window, and what is not however large it is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.beat_features import BEFORE, LEADS, NAMES, WINDOW, WINDOW_HZ
from edge.beat_noise import LEVEL_BEATS, UNLIKE, Noise, level

LIKE, UNLIKE_ALL = UNLIKE / 2, UNLIKE * 2


def complex_(width_s: float = 0.02, size_mv: float = 2.0) -> NDArray[np.float32]:
    """A QRS complex on an isoelectric line, in both leads."""
    time = (np.arange(WINDOW) - BEFORE) / WINDOW_HZ
    return np.repeat((size_mv * np.exp(-((time / width_s) ** 2)))[:, None], LEADS, axis=1).astype(np.float32)


def moving(mv: float, leads: tuple[int, ...] = (0, 1)) -> NDArray[np.float32]:
    """A beat in waves of 5 Hz, as large from peak to peak."""
    time = np.arange(WINDOW) / WINDOW_HZ
    window = complex_()
    for lead in leads:
        window[:, lead] += (mv / 2 * np.sin(2 * np.pi * 5 * time + lead)).astype(np.float32)
    return window


def features(angle: float) -> NDArray[np.float32]:
    told = np.zeros(len(NAMES), np.float32)
    told[NAMES.index("qrs_angle_best")] = angle
    return told


def after_clean(beats: int = 20) -> Noise:
    noise = Noise()
    for _ in range(beats):
        assert not noise.judge(complex_(), features(LIKE))
    return noise


def test_the_level_is_that_of_the_line_not_of_the_complex() -> None:
    assert level(complex_(size_mv=5)) == pytest.approx([0, 0], abs=0.01)
    quiet, loud = level(moving(0.3, leads=(1,)))
    assert quiet < 0.01
    assert 0.1 < loud < 0.3


def test_levels_are_in_mv() -> None:
    np.testing.assert_allclose(level(moving(1) * np.float32(3)), np.multiply(3, level(moving(1))), rtol=1e-5)


def test_a_ventricular_beat_of_a_new_shape_is_not_noisy() -> None:
    assert not after_clean().judge(complex_(width_s=0.06, size_mv=-4), features(UNLIKE_ALL))


def test_noise_in_both_leads_is_told_at_once() -> None:
    assert after_clean().judge(moving(2), features(UNLIKE_ALL))


def test_a_run_of_one_shape_is_not_noise_however_large() -> None:
    """Ventricular tachycardia moves both leads all the time, as noise does."""
    noise = after_clean()
    noise.judge(moving(4), features(UNLIKE_ALL))
    assert not any(noise.judge(moving(4), features(LIKE)) for _ in range(3 * LEVEL_BEATS))


@pytest.mark.parametrize("leads", [(0,), (1,)])
def test_noise_in_one_lead_is_told_when_it_lasts_and_over_when_it_is(leads: tuple[int, ...]) -> None:
    noise = after_clean()
    told = [noise.judge(moving(2, leads), features(UNLIKE_ALL)) for _ in range(LEVEL_BEATS)]
    assert not told[0]
    assert told[-1]
    assert told == sorted(told)
    assert not [noise.judge(complex_(), features(UNLIKE_ALL)) for _ in range(LEVEL_BEATS)][-1]


def test_a_lead_that_cannot_be_read_does_not_hide_the_other() -> None:
    noise = after_clean()
    window = moving(2)
    window[:, 1] = 0
    assert [noise.judge(window, features(UNLIKE_ALL)) for _ in range(LEVEL_BEATS)][-1]
