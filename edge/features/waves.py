"""What the waves of a stretch of signal are like, whatever beats are in it: what tells ventricular fibrillation.

A fibrillating ventricle gives waves of one kind, three to eight a second, without a quiet line between them. Where a
QRS complex stands the signal changes most within a few hundredths of a second and hardly at all between; that is what
most of the measures ask, of the signal and of its change.

All is made of sums of whole numbers over seconds, so that it does not depend on how the samples were cut into blocks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.messages import FS_HZ

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

STEP = 3
"""Samples that are averaged into one."""
WAVE_HZ = FS_HZ // STEP
WINDOW_S = 4
"""Seconds looked at together."""
HISTORY = WAVE_HZ // 2 + 2
"""Values before a second that its sums need."""

SUMS = 7
"""What is summed over each second and lead."""

_SLOW = WAVE_HZ // 2
_LIMIT = 20_000
"""Units of a third of a microvolt beyond which a value is cut: some 6 mV."""

NAMES = (
    "change_evenness",  # (mean size of change)² over its mean square: 0.81 in a sine, 0.1 to 0.3 where QRS stand
    "evenness",  # the same of the signal
    "peakedness",  # fourth moment over the square of the second: 1.5 in a sine, 3 in noise, 10 and more with QRS
    "frequency",  # root mean square of the change over that of the signal, Hz
    "bandwidth",  # the same of the change of change over the change, over frequency: 1 in a sine
    "crossings",  # through zero, a second
    "height",  # logarithm of the root mean square, mV
    "least_evenness",  # change_evenness in the second where it is least
    "most_evenness",  # where it is most
    "steadiness",  # root mean square of the weakest second over that of the strongest
)


def thin(mv: NDArray[np.float32]) -> Integers:
    """Return the signal at `WAVE_HZ` in thirds of a microvolt.

    Parameters
    ----------
    mv : float32 array, shape (n, n_leads)
        n a multiple of `STEP`, at `FS_HZ`.

    Returns
    -------
    int64 array, shape (n_leads, n // STEP)
    """
    whole = np.rint(np.clip(mv, -100, 100) * np.float32(1000)).astype(np.int64)
    return np.ascontiguousarray(whole.reshape(-1, STEP, mv.shape[1]).sum(axis=1).T)


def sums(thinned: Integers) -> Floats:
    """Return the sums of each whole second.

    Parameters
    ----------
    thinned : int64 array, shape (n_leads, HISTORY + seconds * WAVE_HZ)
        From `thin`, with `HISTORY` values before the first second.

    Returns
    -------
    float64 array, shape (seconds, n_leads, 7)
    """
    total = np.cumsum(thinned, axis=1)
    total = np.concatenate([np.zeros((len(thinned), 1), np.int64), total], axis=1)
    slow = total[:, _SLOW:] - total[:, :-_SLOW]  # of the _SLOW values up to each
    middle = thinned[:, _SLOW - 1 - _SLOW // 2 : thinned.shape[1] - _SLOW // 2]
    wave = np.clip(middle - slow // _SLOW, -_LIMIT, _LIMIT)
    change = np.diff(wave, axis=1)
    bend = np.diff(change, axis=1)
    n = wave.shape[1] - (wave.shape[1] % WAVE_HZ)
    wave, change, bend = (part[:, -n:].reshape(len(thinned), -1, WAVE_HZ) for part in (wave, change, bend))
    before = np.concatenate([wave[:, :, :1], wave[:, :, :-1]], axis=2)
    square = wave * wave
    columns = (
        np.abs(wave).sum(axis=2),
        square.sum(axis=2),
        (square.astype(np.float64) ** 2).sum(axis=2),
        np.abs(change).sum(axis=2),
        (change * change).sum(axis=2),
        (bend * bend).sum(axis=2),
        ((wave >= 0) != (before >= 0)).sum(axis=2),
    )
    return np.asarray(np.stack(columns, axis=-1), np.float64).swapaxes(0, 1)


def example() -> Floats:
    """Return what is measured of artificial waves, by which a model's program is known to measure as this one."""
    at = np.arange(HISTORY * STEP + WINDOW_S * FS_HZ) / FS_HZ
    wave = 0.7 * np.sin(2 * np.pi * 4.3 * at) * (1 + 0.4 * np.sin(1.7 * at)) + 0.2 * np.sin(2 * np.pi * 11.1 * at)
    return measure(sums(thin(wave.astype(np.float32)[:, None]))[:, 0])


def measure(of_seconds: Floats) -> Floats:
    """Return what is measured of `WINDOW_S` seconds.

    Parameters
    ----------
    of_seconds : float64 array, shape (..., WINDOW_S, 7)
        From `sums`.

    Returns
    -------
    float64 array, shape (..., len(NAMES))
        By `NAMES`.
    """
    size, square, fourth, change, change_square, bend, crossings = np.moveaxis(of_seconds.sum(axis=-2), -1, 0)
    n = of_seconds.shape[-2] * WAVE_HZ
    each_square = of_seconds[..., 1] + 1.0
    evenness = of_seconds[..., 3] ** 2 / (WAVE_HZ * (of_seconds[..., 4] + 1.0))
    square, change_square = square + 1.0, change_square + 1.0
    frequency = np.sqrt(change_square / square)
    rows = (
        change**2 / (n * change_square),
        size**2 / (n * square),
        np.minimum(n * fourth / square**2, 60.0),
        frequency * WAVE_HZ / (2 * np.pi),
        np.sqrt((bend + 1.0) / change_square) / frequency,
        crossings / of_seconds.shape[-2],
        np.log(np.sqrt(square / n) / 3000),
        evenness.min(axis=-1),
        evenness.max(axis=-1),
        np.sqrt(each_square.min(axis=-1) / each_square.max(axis=-1)),
    )
    return np.stack(rows, axis=-1)
