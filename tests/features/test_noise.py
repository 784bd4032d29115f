"""What is noise in a beat's window, and what is not however large it is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.features.history import NAMES
from edge.features.noise import LEVEL_BEATS, UNLIKE, Noise
from edge.features.window import BEFORE, LEADS, WINDOW, WINDOW_HZ

LIKE, UNLIKE_ALL = UNLIKE / 2, UNLIKE * 2


def complex_(width_s: float = 0.02, size_mv: float = 2.0) -> NDArray[np.float32]:
    """A QRS complex on an isoelectric line, in both leads."""
    time = (np.arange(WINDOW) - BEFORE) / WINDOW_HZ
    return np.repeat((size_mv * np.exp(-((time / width_s) ** 2)))[:, None], LEADS, axis=1).astype(np.float32)


def moving(mv: float, leads: tuple[int, ...] = (0, 1), hz: float = 9) -> NDArray[np.float32]:
    """A beat in waves, as large from peak to peak."""
    time = np.arange(WINDOW) / WINDOW_HZ
    window = complex_()
    for lead in leads:
        window[:, lead] += (mv / 2 * np.sin(2 * np.pi * hz * time + lead)).astype(np.float32)
    return window


def features(angle: float) -> NDArray[np.float32]:
    told = np.zeros(len(NAMES), np.float32)
    told[NAMES.index("qrs_angle_best")] = angle
    return told


def judged(noise: Noise, window: NDArray[np.float32], told: NDArray[np.float32]) -> bool:
    return noise.judge(window[None], told[None])[0]


def after_clean(beats: int = 20) -> Noise:
    noise = Noise()
    for _ in range(beats):
        assert not judged(noise, complex_(), features(LIKE))
    return noise


@pytest.mark.parametrize("size_mv", [-9, 0.2, 9])
def test_complexes_on_a_quiet_line_are_not_noisy_however_unlike(size_mv: float) -> None:
    noise = Noise()
    assert not any(judged(noise, complex_(size_mv=size_mv), features(UNLIKE_ALL)) for _ in range(3 * LEVEL_BEATS))


def test_small_noise_is_none() -> None:
    noise = Noise()
    assert not any(judged(noise, moving(0.2), features(UNLIKE_ALL)) for _ in range(3 * LEVEL_BEATS))


def test_a_ventricular_beat_of_a_new_shape_is_not_noisy() -> None:
    assert not judged(after_clean(), complex_(width_s=0.06, size_mv=-4), features(UNLIKE_ALL))


def test_noise_in_both_leads_is_told_at_once() -> None:
    assert judged(after_clean(), moving(2), features(UNLIKE_ALL))


def test_a_run_of_one_shape_is_not_noise_however_large() -> None:
    """Ventricular tachycardia moves both leads all the time, as noise does."""
    noise = after_clean()
    judged(noise, moving(4), features(UNLIKE_ALL))
    assert not any(judged(noise, moving(4), features(LIKE)) for _ in range(3 * LEVEL_BEATS))


def test_flutter_is_smooth_and_not_noise() -> None:
    """No wave is like the other, but the line moves slowly."""
    noise = after_clean()
    assert not any(judged(noise, moving(3, (0,), hz=4), features(UNLIKE_ALL)) for _ in range(3 * LEVEL_BEATS))


@pytest.mark.parametrize("leads", [(0,), (1,)])
def test_noise_in_one_lead_is_told_when_it_lasts_and_over_when_it_is(leads: tuple[int, ...]) -> None:
    noise = after_clean()
    told = [judged(noise, moving(2, leads), features(UNLIKE_ALL)) for _ in range(LEVEL_BEATS)]
    assert not told[0]
    assert told[-1]
    assert told == sorted(told)
    assert not [judged(noise, complex_(), features(UNLIKE_ALL)) for _ in range(LEVEL_BEATS)][-1]


def test_a_lead_that_cannot_be_read_does_not_hide_the_other() -> None:
    noise = after_clean()
    window = moving(2)
    window[:, 1] = 0
    assert [judged(noise, window, features(UNLIKE_ALL)) for _ in range(LEVEL_BEATS)][-1]
