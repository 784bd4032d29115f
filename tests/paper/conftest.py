from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

FS_HZ = 500.0
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
Ecg = dict[str, np.ndarray]


def wave(t: np.ndarray, at_s: float, width_s: float, height_mv: float) -> np.ndarray:
    return height_mv * np.exp(-(((t - at_s) / width_s) ** 2))


def heart(duration_s: float, rr_s: float = 0.83) -> tuple[np.ndarray, np.ndarray]:
    """Two limb leads' potentials: P, Q, R, S, T each along its own direction of the frontal plane."""
    t = np.arange(round(duration_s * FS_HZ)) / FS_HZ
    first = np.zeros_like(t)
    second = np.zeros_like(t)
    for beat in np.arange(0.35, duration_s + 1, rr_s):
        for at, width, one, two in (
            (-0.16, 0.03, 0.08, 0.12),
            (-0.03, 0.010, -0.05, -0.1),
            (0.0, 0.014, 0.6, 1.1),
            (0.03, 0.012, -0.1, -0.2),
            (0.28, 0.055, 0.15, 0.25),
        ):
            first += wave(t, beat + at, width, one)
            second += wave(t, beat + at, width, two)
    return first, second


@pytest.fixture(scope="session")
def ecg() -> Callable[..., Ecg]:
    """Twelve leads that obey Einthoven's law, a beat every 0.83 s."""

    def make(duration_s: float = 10.0) -> Ecg:
        one, two = heart(duration_s)
        leads = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
        leads += [share * two - 0.4 * one for share in (-0.6, -0.3, 0.3, 0.9, 0.9, 0.7)]
        return {name: lead.astype(np.float32) for name, lead in zip(LEADS, leads, strict=True)}

    return make
