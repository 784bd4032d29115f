"""Linear-phase FIR filters: one design and one way to apply them, the same bit for bit however the samples are cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def low_pass(half: int, fs_hz: float, pass_hz: float, stop_hz: float, nulls_hz: tuple[float, ...]) -> Floats:
    """Design a linear-phase low-pass by constrained least squares.

    The squared error is least over pass and stop band, while the gain is exactly 1 at 0 Hz and exactly 0, with zero
    slope, at each null, so that mains that drifts by some tenths of a hertz is removed as well.

    Parameters
    ----------
    half : int
        Delay in samples; the filter has ``2 * half + 1`` taps.
    fs_hz : float
        Sampling rate.
    pass_hz, stop_hz : float
        Edges of pass and stop band.
    nulls_hz : tuple of float
        Frequencies to be removed.

    Returns
    -------
    float64 array, shape (2 * half + 1,)
        Symmetric taps.
    """
    orders = np.arange(half + 1)
    grid = np.linspace(0.0, 0.5, 16 * (half + 1))
    band = (grid <= pass_hz / fs_hz) | (grid >= stop_hz / fs_hz)
    cosines = np.cos(2 * np.pi * np.outer(grid[band], orders))
    wanted = (grid[band] <= pass_hz / fs_hz).astype(np.float64)
    angles = 2 * np.pi * np.asarray(nulls_hz) / fs_hz
    hard = np.vstack([np.ones(half + 1), np.cos(np.outer(angles, orders)), -orders * np.sin(np.outer(angles, orders))])
    goal = np.zeros(len(hard))
    goal[0] = 1.0
    system = np.block([[cosines.T @ cosines, hard.T], [hard, np.zeros((len(hard), len(hard)))]])
    gains = np.linalg.solve(system, np.concatenate([cosines.T @ wanted, goal]))[: half + 1]
    taps = np.concatenate([gains[:0:-1] / 2, gains[:1], gains[1:] / 2])
    return np.asarray(taps / taps.sum(), np.float64)


def filtered(samples: Floats, taps: Floats) -> Floats:
    """Apply a filter to each column, only where all its taps have a sample.

    Parameters
    ----------
    samples : float64 array, shape (n, n_leads)
        With ``len(taps) - 1`` samples of history in front.
    taps : float64 array, shape (m,)
        Filter.

    Returns
    -------
    float64 array, shape (max(0, n - m + 1), n_leads)
    """
    n_out = max(0, len(samples) - len(taps) + 1)
    out = np.empty((n_out, samples.shape[1]))
    if n_out:
        for lead in range(samples.shape[1]):
            out[:, lead] = np.convolve(np.ascontiguousarray(samples[:, lead]), taps, mode="valid")
    return out
