"""Where on the paper each pixel lies, from the phase of the grid: tilt, perspective and curl at once."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import scipy.interpolate
from numpy.typing import NDArray

from edge.paper.flatten import STEP_MM, Frame, PaperMap, straighten
from edge.paper.page import Image
from edge.paper.pitch import PATCH, Patches, Pitch
from edge.paper.result import no_grid

Floats = NDArray[np.float64]

_FREE = 0.12
"""How much a patch's pitch may differ from the page's."""
_TURN = np.radians(11)
_LEAST_CLARITY = 1.9
_LEAST_TYPICAL = 2.8
"""How far a grid's lines stand out (log) in a patch, and in the middle one of the patches."""
_BEYOND_MM = 15.0
"""How far beyond the grid a pulse or a trace's end may stand."""
_STIFF = 0.5
_SEEN = 0.3
"""Of what is usual: where the grid is said to be."""


@dataclass(frozen=True)
class Fitted:
    """A map, and of what.

    Attributes
    ----------
    paper : PaperMap
        From pixels to millimetres.
    middles : float64 array, shape (n, 2)
        Of the patches in which a grid was seen, pixels.
    lines : (int, int)
        How many lines to 5 mm were followed, by axis.
    """

    paper: PaperMap
    middles: Floats
    lines: tuple[int, int]


def fit(patches: Patches, pitches: tuple[Pitch, Pitch], angle: float) -> Fitted:
    """Fit a map to the grid's phase in patches.

    Raises
    ------
    RefusedError
        If it is seen almost nowhere.
    """
    w, h = patches.size
    grid = np.array([(x + (w - 1) / 2, y + (h - 1) / 2) for y in patches.y for x in patches.x])
    shape = (len(patches.y), len(patches.x))
    axes = [_clearest(patches, pitch.px_per_mm, angle + axis * np.pi / 2) for axis, pitch in enumerate(pitches)]
    seen = (axes[0].clarity > _LEAST_CLARITY) & (axes[1].clarity > _LEAST_CLARITY)
    seen = _largest(seen.reshape(shape), axes[0].clarity + axes[1].clarity).ravel()
    centre, scale = grid.mean(axis=0), float(max(grid.max() - grid.min(), PATCH)) / 2
    if np.mean([np.median(axis.clarity[seen]) for axis in axes]) < _LEAST_TYPICAL:
        raise no_grid()
    cycles = [_unwrap(grid, axis, seen, shape) for axis in axes]
    seen = np.isfinite(cycles[0]) & np.isfinite(cycles[1])
    columns = [_polynomial(grid, axis, at, (centre, scale)) for axis, at in zip(axes, cycles, strict=True)]
    plain = PaperMap(centre, scale, np.column_stack(columns))
    mm = np.column_stack([at / axis.per_mm for axis, at in zip(axes, cycles, strict=True)])
    return Fitted(_bent(plain, grid[seen], mm[seen]), grid[seen], (axes[0].harmonic, axes[1].harmonic))


def _bent(plain: PaperMap, grid: Floats, mm: Floats) -> PaperMap:
    """Add what is left between the polynomial and the patches, smoothly."""
    at = plain.plain(grid)
    left = mm - at
    spread = np.abs(left - np.median(left, axis=0))
    keep = (spread < 6 * np.median(spread, axis=0) + 0.3).all(axis=1)
    if keep.sum() < 6:
        return plain
    low, high = at.min(axis=0) - 2 * STEP_MM, at.max(axis=0) + 2 * STEP_MM
    x, y = (np.arange(a, b + STEP_MM, STEP_MM) for a, b in zip(low, high, strict=True))
    points = np.stack(np.meshgrid(x, y), axis=2)
    # One row of patches says nothing of what lies across it: there the bend of the row is taken.
    wide = np.linalg.svd(at[keep] - at[keep].mean(axis=0), compute_uv=False)[1] > STEP_MM
    how: dict[str, Any] = {"kernel": "thin_plate_spline"} if wide else {"kernel": "linear", "degree": 0}
    bend = scipy.interpolate.RBFInterpolator(at[keep], left[keep], smoothing=_STIFF, **how)
    most = np.abs(left[keep]).max() + 1.0
    moved = np.clip(bend(points.reshape(-1, 2)).reshape(points.shape), -most, most)
    return replace(plain, origin=(float(low[0]), float(low[1])), moved=moved.astype(np.float32))


@dataclass
class _Waves:
    """One axis' grid in every patch: its frequency in cycles per pixel, phase at the middle, how clear it is."""

    harmonic: int
    frequency: Floats
    phase: Floats
    clarity: Floats

    @property
    def per_mm(self) -> float:
        """Its lines a millimetre."""
        return self.harmonic / 5


def _clearest(patches: Patches, px_per_mm: float, angle: float) -> _Waves:
    """Return the waves of that many lines to 5 mm which stand out in most of the patches; finer ones are better."""
    every = [_waves(patches, lines, px_per_mm, angle) for lines in (5, 4, 3, 2, 1)]
    return max(every, key=lambda waves: float(np.minimum(waves.clarity, 4).mean()) + 0.08 * waves.harmonic)


def _waves(patches: Patches, lines: int, px_per_mm: float, angle: float) -> _Waves:
    radius = lines / 5 / px_per_mm * PATCH
    ky, kx = np.meshgrid(np.fft.fftfreq(PATCH, 1 / PATCH), np.arange(PATCH // 2 + 1), indexing="ij")
    length = np.hypot(kx, ky)
    turn = np.abs((np.arctan2(ky, kx) - angle + np.pi / 2) % np.pi - np.pi / 2)
    near = (np.abs(length - radius) <= max(_FREE * radius, 1.5)) & (turn <= max(_TURN, 1.5 / radius))
    near &= (kx > 0) | (ky > 0)
    around = (length > 0.4 * radius) & (length < 1.8 * radius) & (turn < 3 * _TURN)
    rows, columns = np.nonzero(near)
    power = np.abs(patches.spectra[:, rows, columns])
    best = power.argmax(axis=1)
    level = np.percentile(np.abs(patches.spectra[:, around]), 30, axis=1)
    clarity = np.log(power.max(axis=1) / (level + 1e-9) + 1e-9)
    frequency = np.empty((len(best), 2))
    phase = np.empty(len(best))
    for i, k in enumerate(best):
        r, c = int(rows[k]), int(columns[k])
        fy, fx = _vertex(patches.spectra[i], r, c, 0), _vertex(patches.spectra[i], r, c, 1)
        f = np.array([c + fx, ky[r, c] + fy]) / PATCH
        if f @ (np.cos(angle), np.sin(angle)) < 0:
            f = -f
        frequency[i] = f
        phase[i] = _phase(patches, i, (r, c), f)
    return _Waves(lines, frequency, phase, clarity)


def _vertex(spectrum: NDArray[np.complex64], row: int, column: int, axis: int) -> float:
    """Return where, within ±½ bin, the peak's vertex lies."""
    a, b, c = (
        np.log(
            abs(spectrum[(row + d) % PATCH, column] if axis == 0 else spectrum[row, min(abs(column + d), PATCH // 2)])
            + 1e-9
        )
        for d in (-1, 0, 1)
    )
    curve = a - 2 * b + c
    return float(np.clip(0.5 * (a - c) / curve, -0.5, 0.5)) if curve < 0 else 0.0


def _phase(patches: Patches, i: int, at: tuple[int, int], f: Floats) -> float:
    """Return the phase in cycles at the middle of the patch."""
    (w, h), (row, column) = patches.size, at
    bin_f = np.array([column, (row + PATCH // 2) % PATCH - PATCH // 2]) / PATCH
    middle = np.array([(w - 1) / 2, (h - 1) / 2])
    # A symmetric window's transform is real about its middle, so that the nearest bin has the peak's phase there.
    phase = np.angle(patches.spectra[i, row, column]) / (2 * np.pi) + bin_f @ middle
    return float(phase if bin_f @ f >= 0 else -phase)


def _largest(seen: NDArray[np.bool_], clarity: Floats) -> NDArray[np.bool_]:
    count, labels = cv2.connectedComponents(seen.astype(np.uint8), connectivity=8)
    if count <= 1:
        raise no_grid()
    weight = np.bincount(labels.ravel(), clarity.ravel() * (labels.ravel() > 0), minlength=count)
    return np.asarray(labels == weight[1:].argmax() + 1)


def _polynomial(grid: Floats, waves: _Waves, cycles: Floats, frame: tuple[Floats, float]) -> Floats:
    """Fit the terms of `PaperMap` to unwrapped phases and their slopes."""
    at = np.flatnonzero(np.isfinite(cycles))
    u, v = ((grid[at] - frame[0]) / frame[1]).T
    one, zero = np.ones_like(u), np.zeros_like(u)
    value = np.column_stack([one, u, v, u * u, u * v, v * v])
    slope_u = np.column_stack([zero, one, zero, 2 * u, v, zero])
    slope_v = np.column_stack([zero, zero, one, zero, u, 2 * v])
    # Slopes are known to about a thirtieth of a bin; over a patch that is about as well as phases are.
    reach = PATCH / frame[1]
    design = np.concatenate([value, slope_u * reach, slope_v * reach])
    wanted = np.concatenate([cycles[at], *(waves.frequency[at].T * PATCH)]) / waves.per_mm
    weight = np.ones(len(design))
    ridge = np.diag([0, 0, 0, 1, 1, 1]) * (1e-3 * len(at) + 0.3)
    terms = np.zeros(6)
    for _ in range(8):
        scaled = design * weight[:, None]
        terms = np.linalg.solve(scaled.T @ design + ridge, scaled.T @ wanted)
        miss = np.abs(design @ terms - wanted)
        weight = 1 / (1 + (miss / max(2 * float(np.median(miss)), 0.05)) ** 2)
    return np.asarray(terms)


def _unwrap(grid: Floats, waves: _Waves, seen: NDArray[np.bool_], shape: tuple[int, int]) -> Floats:
    """Return phases in cycles that go on from patch to patch, the clearest first; NaN where none is seen."""
    cycles = np.full(len(grid), np.nan)
    start = int(np.where(seen, waves.clarity, -1).argmax())
    cycles[start] = waves.phase[start]
    queue: list[tuple[float, int, int]] = []

    def spread(i: int) -> None:
        r, c = divmod(i, shape[1])
        for dr, dc in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            if 0 <= r + dr < shape[0] and 0 <= c + dc < shape[1]:
                j = (r + dr) * shape[1] + c + dc
                if seen[j] and np.isnan(cycles[j]):
                    heapq.heappush(queue, (-float(waves.clarity[j]), i, j))

    spread(start)
    while queue:
        _, i, j = heapq.heappop(queue)
        if np.isnan(cycles[j]):
            ahead = cycles[i] + (waves.frequency[i] + waves.frequency[j]) / 2 @ (grid[j] - grid[i])
            cycles[j] = waves.phase[j] + round(ahead - waves.phase[j])
            spread(j)
    return cycles


def bounds(fitted: Fitted, shape: tuple[int, ...], reach_px: float) -> Floats:
    """Return the rectangle of the paper, mm, that holds every patch with a grid and is in the picture.

    Returns
    -------
    float64 array, shape (2, 2)
        Least and greatest x and y.
    """
    height, width = shape[:2]
    around = np.array([(dx, dy) for dx in (-reach_px, reach_px) for dy in (-reach_px, reach_px)])
    near = (fitted.middles[:, None, :] + around).reshape(-1, 2)
    edge = np.linspace(0, 1, 9)
    ends = [(t * (width - 1), y) for t in edge for y in (0, height - 1)]
    ends += [(x, t * (height - 1)) for t in edge for x in (0, width - 1)]
    inside, picture = fitted.paper.to_mm(near), fitted.paper.to_mm(np.array(ends, np.float64))
    low = np.maximum(inside.min(axis=0) - _BEYOND_MM, picture.min(axis=0))
    high = np.minimum(inside.max(axis=0) + _BEYOND_MM, picture.max(axis=0))
    middle = fitted.paper.to_mm(np.array([[(width - 1) / 2, (height - 1) / 2]]))[0]
    px = 1 / np.sqrt(abs(np.linalg.det(fitted.paper.jacobian(np.array([[(width - 1) / 2, (height - 1) / 2]]))[0])))
    half = 0.75 * float(np.hypot(width, height)) / px
    return np.stack([np.maximum(low, middle - half), np.minimum(high, middle + half)])


def refine(ink: Image, fitted: Fitted, frame: Frame) -> tuple[PaperMap, Floats]:
    """Add the displacements that the grid's phase still shows once the paper is straightened.

    Parameters
    ----------
    ink : Image
        The grid's ink, in the picture.
    fitted : Fitted
        The map so far.
    frame : Frame
        Of the whole paper, at a few pixels per millimetre.

    Returns
    -------
    PaperMap
        With them.
    float64 array, shape (2, 2)
        Least and greatest x and y, mm, between which there is a grid.
    """
    paper = fitted.paper
    flat = straighten(ink, paper, frame, smooth=False)
    cell = max(2, round(STEP_MM * frame.px_per_mm))
    small = (max(1, frame.size[0] // cell), max(1, frame.size[1] // cell))
    step = cell / frame.px_per_mm
    origin = (frame.origin[0] + (cell - 1) / 2 / frame.px_per_mm, frame.origin[1] + (cell - 1) / 2 / frame.px_per_mm)
    moved = np.zeros((small[1], small[0], 2), np.float32)
    strength = np.ones((small[1], small[0]), np.float32)
    for axis, lines in enumerate(fitted.lines):
        per_mm = lines / 5
        mm = np.arange(frame.size[axis]) / frame.px_per_mm + frame.origin[axis]
        wave = np.exp(-2j * np.pi * per_mm * mm)
        wave = wave[None, :] if axis == 0 else wave[:, None]
        z = np.zeros((small[1], small[0]), np.complex64)
        for unit, part in ((1, wave.real), (1j, wave.imag)):
            product = (flat * part.astype(np.float32))[: small[1] * cell, : small[0] * cell]
            z += unit * cv2.resize(product, small, interpolation=cv2.INTER_AREA)
        moved[..., axis] = _phase_of(z) / (2 * np.pi * per_mm)
        strength *= np.hypot(_blurred(z.real, 1.5), _blurred(z.imag, 1.5))  # noise has no phase to agree on
    box = _box(np.sqrt(strength)) * step + np.array(frame.origin)
    return _moved_further(paper, PaperMap(paper.centre, paper.scale, paper.terms, origin, moved, step)), box


def _box(strength: Image) -> Floats:
    """Return first and last column and row, in cells, of the rectangle that is filled with grid."""
    seen = strength > _SEEN * np.percentile(strength, 80)
    ends = []
    for axis in (0, 1):
        share = seen.mean(axis=axis)
        filled = np.flatnonzero(share > 0.4 * np.percentile(share, 80))
        ends.append((filled[0], filled[-1] + 1) if len(filled) else (0, len(share)))
    return np.array(ends, np.float64).T


def _moved_further(paper: PaperMap, more: PaperMap) -> PaperMap:
    """Return a map with displacements that were found in what another straightened."""
    assert more.moved is not None  # noqa: S101
    if paper.moved is None:
        return more
    x, y = (np.arange(n) * more.step + o for n, o in zip(more.moved.shape[1::-1], more.origin, strict=True))
    at = np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
    before = paper.moved_at(at)
    moved = before + more.moved_at(at + before)
    return replace(more, moved=moved.astype(np.float32).reshape(more.moved.shape))


def _phase_of(z: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Return phases, where the grid is weak those of its surroundings."""
    total = np.zeros_like(z)
    for sigma, share in ((1.0, 1.0), (3.0, 0.1), (9.0, 0.01)):
        total += share * (_blurred(z.real, sigma) + 1j * _blurred(z.imag, sigma))
    return np.asarray(np.angle(total), np.float32)


def _blurred(plane: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(np.ascontiguousarray(plane), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))
