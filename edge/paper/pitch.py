"""How far the grid's lines lie apart, on both axes separately, from the spectrum of its ink."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from edge.paper.page import Image
from edge.paper.result import no_grid

PATCH = 256
"""Side of the patches whose spectra are looked at, in pixels."""

_LEAST_PX, _MOST_PX = 2.1, 32.0
"""Pixels per millimetre that can be told."""
_FAN_DEG = 7
_STEPS = 4
"""Steps per bin of a spectrum."""
_SIDES = (0.86, 1.16)
"""How far the two axes' pitches may differ."""
_PEN_MM, _PEN_FACTOR = 0.35, 1.7
"""A trace is about as wide as this: tells a grid of millimetres from one of five."""
_CAP = 4.0
_LINES = np.array([1, 2, 3, 4, 5, 10, 15, 20])
"""Lines to five millimetres, and their harmonics."""
_BETWEEN = (np.array([0.5, 1.5]), np.array([1, 2]) / 3, np.array([1, 2, 3, 4]) / 5)
"""Where lines are seen here, the true pitch is twice, three times or five times as large."""
_LEAST_SCORE = 1.0


@dataclass(frozen=True)
class Pitch:
    """Of one axis.

    Attributes
    ----------
    px_per_mm : float
        Pixels per millimetre, within 2 %.
    harmonic : int
        Lines per 5 mm that are seen best.
    score : float
        How clearly the lines stand out.
    """

    px_per_mm: float
    harmonic: int
    score: float


@dataclass(frozen=True)
class Patches:
    """Pieces of a picture and their spectra.

    Attributes
    ----------
    x, y : int array
        Left and upper edges.
    size : (int, int)
        Width and height.
    spectra : complex64 array, shape (len(y) * len(x), PATCH, PATCH // 2 + 1)
        Row by row.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    size: tuple[int, int]
    spectra: NDArray[np.complex64]


def cut(ink: Image, stride: int) -> Patches:
    """Cut a picture into patches, smaller ones where it is smaller, and transform them."""
    height, width = ink.shape
    w, h = min(PATCH, width), min(PATCH, height)
    x, y = _places(width - w, stride), _places(height - h, stride)
    window = np.outer(np.hanning(h + 2)[1:-1], np.hanning(w + 2)[1:-1]).astype(np.float32)
    pieces = np.zeros((len(y) * len(x), PATCH, PATCH), np.float32)
    for k, (top, left) in enumerate((top, left) for top in y for left in x):
        pieces[k, :h, :w] = ink[top : top + h, left : left + w] * window
    return Patches(x, y, (w, h), np.asarray(scipy.fft.rfft2(pieces, overwrite_x=True), np.complex64))


def _places(room: int, stride: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, room, -(-room // stride) + 1).astype(np.int64))


def measure(ink: Image, patches: Patches, angle: float, pen_px: float) -> tuple[Pitch, Pitch]:
    """Return the pitch along the axis at `angle` (radians) and across it.

    Parameters
    ----------
    ink : Image
        The grid's ink.
    patches : Patches
        Of it.
    angle : float
        Tilt of the grid.
    pen_px : float
        Width of the traces.

    Raises
    ------
    RefusedError
        If nothing is periodic as a grid is.
    """
    coarse = cv2.resize(ink, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    far = cut(np.asarray(coarse, np.float32), 128) if min(coarse.shape) >= 32 else None
    pitches = np.exp(np.arange(np.log(_LEAST_PX), np.log(_MOST_PX), 0.004))
    near_power, far_power = _mean_power(patches), _mean_power(far) if far else None
    spectra = [_spectrum(near_power, far_power, angle + axis * np.pi / 2) for axis in (0, 1)]
    combs = [_comb(spectrum, _LINES, pitches) for spectrum in spectra]
    prior = 0.7 * (np.log(pen_px / pitches / _PEN_MM) / np.log(_PEN_FACTOR)) ** 2
    scores = [_score(spectrum, comb, pitches) - prior for spectrum, comb in zip(spectra, combs, strict=True)]
    best = _best_pair(pitches, scores)
    found = [_pitch(pitches, comb, k, float(score[k])) for comb, score, k in zip(combs, scores, best, strict=True)]
    if max(pitch.score for pitch in found) < _LEAST_SCORE:
        raise no_grid()
    return found[0], found[1]


def _mean_power(patches: Patches) -> NDArray[np.float32]:
    return np.asarray(
        np.fft.fftshift((np.abs(patches.spectra) ** 2).mean(axis=0, dtype=np.float64), axes=0), np.float32
    )


def _fan(power: NDArray[np.float32], angle: float) -> NDArray[np.float64]:
    """Return how far power stands out (log) along a direction, the most over a fan of some degrees, at quarter bins."""
    radius = np.arange(_STEPS, PATCH // 2 * _STEPS) / _STEPS
    best = np.zeros(len(radius), np.float32)
    for turn in np.radians(np.arange(-_FAN_DEG, _FAN_DEG + 0.1)):
        x, y = np.cos(angle + turn) * radius, np.sin(angle + turn) * radius
        sign = np.where(x < 0, -1, 1)
        at = (sign * x).astype(np.float32)[None], (sign * y + PATCH // 2).astype(np.float32)[None]
        best = np.maximum(best, cv2.remap(power, *at, cv2.INTER_LINEAR)[0])
    level = np.log(best + 1e-12)
    out = np.empty(len(level))
    for i in range(len(level)):
        reach = max(12, i // 4)
        out[i] = level[i] - np.median(level[max(0, i - reach) : i + reach + 1])
    return out


@dataclass(frozen=True)
class _Spectrum:
    """How far power stands out along one axis, at quarter bins: of the picture, and of it at a quarter of its size."""

    near: NDArray[np.float64]
    far: NDArray[np.float64] | None


def _spectrum(near: NDArray[np.float32], far: NDArray[np.float32] | None, angle: float) -> _Spectrum:
    return _Spectrum(_fan(near, angle), None if far is None else _fan(far, angle))


def _comb(spectrum: _Spectrum, lines: NDArray[np.float64], pitches: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how so many lines to five millimetres stand out, shape (len(lines), len(pitches))."""
    bins = np.arange(_STEPS, PATCH // 2 * _STEPS) / _STEPS
    per_px = lines[:, None] / (5 * pitches)[None, :]
    out = np.interp(per_px * PATCH, bins, spectrum.near, left=0, right=0)
    if spectrum.far is not None:
        slow = np.interp(per_px * PATCH * 4, bins, spectrum.far, left=0, right=0)
        out = np.where(per_px < 1 / 24, slow, out)
    return np.clip(out, 0, _CAP)


def _score(spectrum: _Spectrum, comb: NDArray[np.float64], pitches: NDArray[np.float64]) -> NDArray[np.float64]:
    between = np.max([_comb(spectrum, lines, pitches).mean(axis=0) for lines in _BETWEEN], axis=0)
    return np.asarray(1.5 * comb[4] + comb[:4].sum(axis=0) + 0.5 * comb[5:].sum(axis=0) - 1.5 * between)


def _best_pair(pitches: NDArray[np.float64], scores: list[NDArray[np.float64]]) -> tuple[int, int]:
    reach = int(np.log(_SIDES[1]) / 0.004)
    padded = np.pad(scores[1], reach, constant_values=-99.0)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    # Squares are square unless the picture says otherwise clearly.
    toll = np.abs(np.arange(-reach, reach + 1)) * 0.02
    other = (windows - toll).argmax(axis=1)
    total = scores[0] + (windows - toll).max(axis=1)
    k = int(total.argmax())
    return k, int(np.clip(k + other[k] - reach, 0, len(pitches) - 1))


def _pitch(pitches: NDArray[np.float64], comb: NDArray[np.float64], k: int, score: float) -> Pitch:
    seen = comb[:5, k] * (1, 1, 1.2, 1.2, 1.6)
    return Pitch(float(pitches[k]), 1 + int(seen.argmax()), score)
