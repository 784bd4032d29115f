"""How paper lies before a camera: bent, folded, turned, in perspective; exact both ways."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.pages.look import Look

Points = NDArray[np.float64]
"""Pixels (x, y), shape (n, 2); the centre of the first pixel is (0, 0)."""


@dataclass(frozen=True)
class Surface:
    """A map from the flat page to the picture.

    The paper is bent along one axis only, as paper bends: along it, positions come closer where it slopes, and
    everything grows and shifts with its height. Then a homography takes it into the picture.

    Attributes
    ----------
    axis : int
        0 if it is bent along x, 1 along y.
    flat : float64 array
        Positions along that axis, increasing.
    seen : float64 array
        Where these are seen, increasing.
    grown, shifted : float64 array
        Scale across, about the middle, and shift across, at these positions.
    middle : float
        Of the other axis.
    homography : float64 array, shape (3, 3)
        From the bent page to the picture.
    """

    axis: int
    flat: NDArray[np.float64]
    seen: NDArray[np.float64]
    grown: NDArray[np.float64]
    shifted: NDArray[np.float64]
    middle: float
    homography: NDArray[np.float64]

    def to_picture(self, points: Points) -> Points:
        """Map points of the flat page into the picture."""
        along, across = points[:, self.axis], points[:, 1 - self.axis]
        bent = np.empty((len(points), 2))
        bent[:, self.axis] = np.interp(along, self.flat, self.seen)
        grown, shifted = np.interp(along, self.flat, self.grown), np.interp(along, self.flat, self.shifted)
        bent[:, 1 - self.axis] = self.middle + (across - self.middle) * grown + shifted
        return _project(self.homography, bent)

    def to_page(self, points: Points) -> Points:
        """Map points of the picture onto the flat page."""
        bent = _project(np.linalg.inv(self.homography), points)
        flat = np.empty((len(points), 2))
        along = np.interp(bent[:, self.axis], self.seen, self.flat)
        # beyond the paper the map goes on straight, so that what lies outside stays outside
        along += np.minimum(bent[:, self.axis] - self.seen[0], 0) + np.maximum(bent[:, self.axis] - self.seen[-1], 0)
        flat[:, self.axis] = along
        grown, shifted = np.interp(along, self.flat, self.grown), np.interp(along, self.flat, self.shifted)
        flat[:, 1 - self.axis] = self.middle + (bent[:, 1 - self.axis] - self.middle - shifted) / grown
        return flat

    def slope(self, points: Points) -> NDArray[np.float64]:
        """Return how steeply the paper slopes at points of the page, as the change of what shifts."""
        return np.asarray(np.interp(points[:, self.axis], self.flat, np.gradient(self.shifted, self.flat)))


def lay(look: Look, size: tuple[int, int], rng: np.random.Generator) -> tuple[Surface, tuple[int, int]]:
    """Lay a page of `size` (width, height) before the camera.

    Returns
    -------
    Surface
        The map.
    (int, int)
        Width and height of the picture.
    """
    width, height = size
    axis = int(rng.random() < 0.3)
    extent, other = (width, height) if axis == 0 else (height, width)
    flat = np.linspace(0, extent - 1, 801)
    rise = _height(flat / extent, look, rng) * extent
    slope = np.gradient(rise, flat)
    seen = np.concatenate([[0.0], np.cumsum(np.diff(flat) * np.sqrt(np.maximum(0.1, 1 - _between(slope) ** 2)))])
    seen += (extent - seen[-1]) / 2
    distance = 1.6 * max(size)
    grown = 1 + rise / distance
    centre = extent / 2
    seen = centre + (seen - centre) * grown
    seen = np.maximum.accumulate(seen + np.arange(len(seen)) * 1e-9)
    shifted = rise * rng.uniform(-0.5, 0.5)
    homography, picture = _stand(look, size, rng)
    return Surface(axis, flat, seen, grown, shifted, other / 2, homography), picture


def _height(u: NDArray[np.float64], look: Look, rng: np.random.Generator) -> NDArray[np.float64]:
    """Height of the paper along 0 to 1, as a fraction of its extent."""
    rise = np.zeros_like(u)
    if look.curl:
        kind = rng.random()
        if kind < 0.7:
            rise += look.curl * rng.uniform(0.4, 1) * (2 * u - 1 + rng.uniform(-0.3, 0.3)) ** 2
        if kind > 0.4:
            waves, phase = rng.uniform(0.7, 1.8), rng.uniform(0, 2 * np.pi)
            rise += 0.3 * look.curl * rng.uniform(0.3, 1) * np.sin(2 * np.pi * waves * u + phase)
    for _ in range(look.folds):
        at, kink = rng.uniform(0.2, 0.8), rng.uniform(-0.06, 0.06)
        rise += kink * (np.sqrt((u - at) ** 2 + 1e-5) - 0.5)
    return rise


def _stand(look: Look, size: tuple[int, int], rng: np.random.Generator) -> tuple[NDArray[np.float64], tuple[int, int]]:
    width, height = size
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    angle = np.radians(rng.uniform(-look.rotation_deg, look.rotation_deg)) if look.rotation_deg else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = corners.mean(axis=0)
    shifts = rng.uniform(-1, 1, (4, 2)) * look.perspective * min(size)
    placed = (corners + shifts - middle) @ turn.T + middle
    margin = {"none": 0.0, "table": rng.uniform(0.02, 0.08), "scan": rng.uniform(0.0, 0.03), "cropped": -0.015}
    edge = margin[look.surroundings] * max(size)
    low, high = placed.min(axis=0) - edge, placed.max(axis=0) + edge
    homography = cv2.getPerspectiveTransform(corners.astype(np.float32), (placed - low).astype(np.float32))
    picture = (int(np.ceil(high[0] - low[0])) + 1, int(np.ceil(high[1] - low[1])) + 1)
    return np.asarray(homography, np.float64), picture


def _between(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((values[1:] + values[:-1]) / 2)


def _project(matrix: NDArray[np.float64], points: Points) -> Points:
    ahead = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(ahead[:, :2] / ahead[:, 2:], np.float64)
