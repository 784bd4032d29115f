"""The map from a picture's pixels to millimetres on its paper, and the picture as if the paper had lain flat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pixels = TypeVar("Pixels", NDArray[np.float32], NDArray[np.uint8])

STEP_MM = 4.0
"""Between the points where displacements are known."""
_MESH_PX = 12
_MOST_ROUNDS = 8
_NEAR_MM = 0.01


@dataclass(frozen=True)
class PaperMap:
    """The map from pixels of a picture to millimetres on its paper.

    A polynomial of the second degree and, in millimetres of that, displacements on a lattice.

    Attributes
    ----------
    centre, scale : float64 array, shape (2,)
        What the polynomial's arguments are relative to.
    terms : float64 array, shape (6, 2)
        Of 1, u, v, u², uv, v²; to x and y.
    origin : (float, float)
        Of the lattice, mm.
    moved : float32 array, shape (rows, columns, 2), or None
        What to add to x and y at the lattice's points.
    step : float
        Between these points, mm.
    """

    centre: Floats
    scale: float
    terms: Floats
    origin: tuple[float, float] = (0.0, 0.0)
    moved: NDArray[np.float32] | None = None
    step: float = STEP_MM

    def plain(self, points: Floats) -> Floats:
        """Return the polynomial's millimetres of pixels, shape (n, 2)."""
        u, v = ((points - self.centre) / self.scale).T
        return np.asarray(np.column_stack([np.ones_like(u), u, v, u * u, u * v, v * v]) @ self.terms)

    def jacobian(self, points: Floats) -> Floats:
        """Return the polynomial's derivatives, shape (n, 2, 2): d(x, y)/d(u, v)."""
        u, v = ((points - self.centre) / self.scale).T
        one, zero = np.ones_like(u), np.zeros_like(u)
        du = np.column_stack([zero, one, zero, 2 * u, v, zero]) @ self.terms
        dv = np.column_stack([zero, zero, one, zero, u, 2 * v]) @ self.terms
        return np.asarray(np.stack([du, dv], axis=2) / self.scale)

    def to_mm(self, points: Floats) -> Floats:
        """Return millimetres of pixels, shape (n, 2)."""
        plain = self.plain(points)
        return plain if self.moved is None else np.asarray(plain + self.moved_at(plain))

    def moved_at(self, mm: Floats) -> Floats:
        """Return the displacements at the polynomial's millimetres, shape (n, 2)."""
        assert self.moved is not None  # noqa: S101
        at = ((mm - self.origin) / self.step).astype(np.float32)
        rows = []
        for part in np.array_split(at, len(at) // 30_000 + 1):  # remap takes at most 32,767 a side
            x, y = part[:, :1].copy(), part[:, 1:].copy()
            rows.append(cv2.remap(self.moved, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0])
        return np.asarray(np.concatenate(rows), np.float64)

    def to_px(self, mm: Floats) -> Floats:
        """Return pixels of millimetres, shape (n, 2)."""
        points = np.tile(self.centre, (len(mm), 1))
        for _ in range(_MOST_ROUNDS):
            miss = mm - self.to_mm(points)
            points = points + np.linalg.solve(self.jacobian(points), miss[..., None])[..., 0]
            if np.abs(miss).max() < _NEAR_MM:
                break
        return points


@dataclass(frozen=True)
class Frame:
    """A rectangle of the paper as a raster.

    Attributes
    ----------
    origin : (float, float)
        Millimetres of the first pixel.
    size : (int, int)
        Pixels across and down.
    px_per_mm : int
        On both axes.
    """

    origin: tuple[float, float]
    size: tuple[int, int]
    px_per_mm: int


def straighten(image: Pixels, paper: PaperMap, frame: Frame, *, smooth: bool = True, spread: bool = False) -> Pixels:
    """Return a picture as if the paper had lain flat under the camera, upright.

    Parameters
    ----------
    image : float32 or uint8 array
        The picture, or a plane of it.
    paper : PaperMap
        Where its pixels lie on the paper.
    frame : Frame
        What to return.
    smooth : bool
        Whether to interpolate by cubics.
    spread : bool
        Whether the picture's edge goes on where it ends; else there is zero.
    """
    mesh = _MESH_PX
    columns, rows = frame.size[0] // mesh + 2, frame.size[1] // mesh + 2
    x, y = np.meshgrid(np.arange(columns) * mesh, np.arange(rows) * mesh)
    mm = np.column_stack([x.ravel(), y.ravel()]) / frame.px_per_mm + frame.origin
    px = paper.to_px(mm).reshape(rows, columns, 2).astype(np.float32)
    turned = np.array([[1 / mesh, 0, 0], [0, 1 / mesh, 0]], np.float32)
    maps = [
        cv2.warpAffine(
            np.ascontiguousarray(px[..., k]), turned, frame.size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        for k in (0, 1)
    ]
    how = cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR
    edge = cv2.BORDER_REPLICATE if spread else cv2.BORDER_CONSTANT
    flat = cv2.remap(image, maps[0], maps[1], how, borderMode=edge, borderValue=[0, 0, 0])
    return np.asarray(flat, image.dtype)
