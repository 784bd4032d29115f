"""The sheet itself: uneven light taken away, darkness told apart into any ink and black ink, its tilt."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.paper.picture import Picture

Image = NDArray[np.float32]
"""Shape (height, width)."""

_CLOSE_PX = 17
"""Wider than any line or stroke, narrower than a shadow's edge."""

_AROUND_MM = 12
_OFF = 0.6
"""Of the paper's brightness nearby: a shadow leaves more, a table or a black block less."""


@dataclass(frozen=True)
class Sheet:
    """A picture without its light.

    Attributes
    ----------
    any_ink : Image
        Darkness 0 to 1 in the channel that sees most of it: grid and traces.
    black : Image
        Darkness in the channel that sees least of it: coloured grids are pale there, traces are not.
    """

    any_ink: Image
    black: Image


def without_light(image: Picture) -> Sheet:
    """Divide each channel by the brightness of the paper around."""
    darkest = _divided(np.ascontiguousarray(image[..., 0]))
    lightest = darkest.copy()
    for channel in (1, 2):
        reflectance = _divided(np.ascontiguousarray(image[..., channel]))
        np.minimum(darkest, reflectance, out=darkest)
        np.maximum(lightest, reflectance, out=lightest)
    return Sheet(any_ink=1 - darkest, black=1 - lightest)


def _divided(plane: NDArray[np.uint8]) -> Image:
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (_CLOSE_PX, _CLOSE_PX))
    paper = cv2.morphologyEx(cv2.blur(plane, (3, 3)), cv2.MORPH_CLOSE, kernel)
    height, width = plane.shape
    small = cv2.resize(paper, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 4)
    paper32 = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.minimum(plane / np.maximum(paper32, 4), 1), np.float32)


def tilt(ink: Image) -> tuple[float, float]:
    """Return the angle of the grid in radians, within ±45°, and how clearly it is seen, 0 to 1.

    The angle of ``Σ|g|² e^{4iθ}`` over the gradients g: lines along two axes at right angles all point the same way.
    """
    small = cv2.resize(ink, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) if min(ink.shape) > 400 else ink
    dx, dy = cv2.Scharr(small, cv2.CV_32F, 1, 0), cv2.Scharr(small, cv2.CV_32F, 0, 1)
    power = dx * dx + dy * dy
    z = dx + 1j * dy
    fourth = (z**2) ** 2 / np.maximum(power, 1e-9)
    total = complex(fourth.sum())
    return float(np.angle(total) / 4), float(abs(total) / max(float(power.sum()), 1e-9))


def off_paper(brightness: Image, px_per_mm: int) -> NDArray[np.bool_]:
    """Return what is not paper, on straightened paper: far darker than the brightest around, and its edges.

    Parameters
    ----------
    brightness : Image
        Of straightened paper, 0 to 255.
    px_per_mm : int
        Of it; a few are enough.
    """
    stroke = np.ones((2 * px_per_mm + 1, 2 * px_per_mm + 1), np.uint8)
    level = cv2.morphologyEx(brightness, cv2.MORPH_CLOSE, stroke, borderType=cv2.BORDER_REPLICATE)
    small = cv2.resize(level, None, fx=1 / px_per_mm, fy=1 / px_per_mm, interpolation=cv2.INTER_AREA)
    brightest = cv2.dilate(small, np.ones((2 * _AROUND_MM + 1, 2 * _AROUND_MM + 1), np.uint8))
    around = cv2.resize(brightest, (level.shape[1], level.shape[0]), interpolation=cv2.INTER_LINEAR)
    dark = (level < _OFF * around).astype(np.uint8)
    edge = np.ones((2 * px_per_mm + 1, 2 * px_per_mm + 1), np.uint8)
    return np.asarray(cv2.dilate(cv2.morphologyEx(dark, cv2.MORPH_OPEN, stroke), edge) > 0)
