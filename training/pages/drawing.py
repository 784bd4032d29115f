"""Ink on paper: grid, traces, pulses, texts, handwriting and stamps, anti-aliased."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.pages.look import Look

Picture = NDArray[np.float32]
"""Reflectance 0 to 1, shape (height, width, 3), BGR."""
Mask = NDArray[np.float32]
"""How much of a pixel is covered, 0 to 1, shape (height, width)."""

Axis = tuple[int, float, float, float]
"""Pixels of a picture along one axis, then first and last line of the grid and their distance, in pixels."""

FINER = 3
"""Strokes are drawn on a raster this much finer and averaged."""
_SHIFT = 4

_GRID_INK = {
    # BGR of the major lines on white paper; the minor ones are paler.
    "red": (0.25, 0.25, 0.85),
    "pink": (0.68, 0.58, 0.95),
    "orange": (0.35, 0.6, 0.95),
    "green": (0.45, 0.72, 0.35),
    "blue": (0.85, 0.6, 0.4),
    "grey": (0.6, 0.6, 0.6),
}


def paint(picture: Picture, mask: Mask, ink: tuple[float, float, float], strength: float = 1.0) -> None:
    """Lay ink over a picture, in place; ink multiplies what is below as printed colours do."""
    cover = (mask * strength)[..., None]
    picture *= 1 - cover * (1 - np.array(ink, np.float32))


def grid(
    picture: Picture,
    box: tuple[float, float, float, float],
    pitch: tuple[float, float],
    look: Look,
    rng: np.random.Generator,
) -> None:
    """Print the grid into a box (x0, y0, x1, y1), with `pitch` pixels per millimetre along x and y."""
    style, colour = look.grid_style, str(look.grid)
    if style == "none":
        return
    x0, y0, x1, y1 = box
    height, width = picture.shape[:2]
    ink = np.clip(np.array(_GRID_INK[colour]) + rng.normal(0, 0.03, 3), 0, 1)
    fine, bold = rng.uniform(0.08, 0.14), rng.uniform(0.16, 0.28)
    pale = rng.uniform(0.35, 0.6)
    strength = 0.35 if style == "faint" else 1.0
    axes = ((width, x0, x1, pitch[0]), (height, y0, y1, pitch[1]))
    inside = _inside(height, y0, y1)[:, None] * _inside(width, x0, x1)[None, :]
    ones = [_combs(axis, fine, 1) for axis in axes]
    fives = [_combs(axis, bold, 5) for axis in axes]
    major = _either(fives)
    minor = np.zeros_like(major)
    if style == "dots":
        wide = [_combs(axis, 0.3, 1) for axis in axes]
        minor = wide[1][:, None] * wide[0][None, :]
        pale = min(1.0, pale * 1.6)
    elif style != "5mm":
        minor = _either(ones)
    paint(picture, (minor * inside).astype(np.float32), tuple(ink), pale * strength)
    paint(picture, (major * inside).astype(np.float32), tuple(ink), strength)


def polyline(shape: tuple[int, int], lines: list[NDArray[np.float64]], width_px: float) -> Mask:
    """Return the mask of open lines of points (x, y) in pixels; a pixel's centre has whole coordinates."""
    raster = np.zeros((shape[0] * FINER, shape[1] * FINER), np.uint8)
    stroke(raster, lines, width_px)
    return coarse(raster, shape)


def stroke(raster: NDArray[np.uint8], lines: list[NDArray[np.float64]], width_px: float) -> None:
    """Draw lines on the finer raster, in place."""
    thickness = max(1, round(width_px * FINER))
    points = [np.round(((line + 0.5) * FINER - 0.5) * (1 << _SHIFT)).astype(np.int32) for line in lines]
    cv2.polylines(raster, points, False, (255,), thickness, cv2.LINE_AA, _SHIFT)


def coarse(raster: NDArray[np.uint8], shape: tuple[int, int]) -> Mask:
    """Average the finer raster to pixels."""
    small = cv2.resize(raster, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / np.float32(255)


def fonts() -> tuple[str, ...]:
    """Return names of fonts: the vector ones of cv2 and those that matplotlib brings."""
    return tuple(f"hershey-{n}" for n in (0, 1, 2, 3, 4)) + tuple(sorted(_typefaces()))


def write(mask: Mask, text: str, at: tuple[float, float], height_px: float, font: str) -> None:
    """Write one line of text into a mask, in place; `at` is the left end of its baseline."""
    if font.startswith("hershey-"):
        patch, rise = _hershey(text, height_px, int(font.removeprefix("hershey-")))
    else:
        patch, rise = _typeset(text, height_px, font)
    _put(mask, patch, round(at[0]), round(at[1] - rise))


def scribble(
    shape: tuple[int, int], at: tuple[float, float], size_px: float, rng: np.random.Generator, text: str = ""
) -> Mask:
    """Return handwriting: a word in a script font, slanted and shaken, or loops of a pen."""
    if text:
        flat = np.zeros(shape, np.float32)
        write(flat, text, at, size_px, "hershey-7" if rng.random() < 0.5 else "hershey-6")
        turn = cv2.getRotationMatrix2D(at, float(rng.uniform(-12, 12)), 1.0)
        turn[0, 1] += rng.uniform(-0.3, 0.1)
        return np.asarray(cv2.warpAffine(flat, turn, (shape[1], shape[0])), np.float32)
    n = int(rng.integers(4, 12))
    knots = np.cumsum(rng.normal((0.5, 0.0), (0.4, 0.5), (n, 2)), axis=0) * size_px + np.array(at)
    t = np.linspace(0, n - 1, n * 12)
    smooth = np.stack([_spline(t, knots[:, axis]) for axis in (0, 1)], axis=1)
    return polyline(shape, [smooth], max(1.0, size_px * 0.08))


def stamp(shape: tuple[int, int], at: tuple[float, float], size_px: float, rng: np.random.Generator) -> Mask:
    """Return a stamp: a frame or a ring with words, turned, unevenly inked."""
    turn = np.linspace(0, 2 * np.pi, 60)
    half = size_px / 2
    if rng.random() < 0.5:
        frame = np.stack([np.cos(turn), np.sin(turn)], axis=1) * half
    else:
        frame = np.array([[-1, -0.5], [1, -0.5], [1, 0.5], [-1, 0.5], [-1, -0.5]]) * half
    mask = polyline(shape, [frame + np.array(at), frame * 0.88 + np.array(at)], max(1.0, size_px * 0.015))
    for line, word in enumerate(("RECEIVED", "CARDIOLOGY")):
        write(mask, word, (at[0] - half * 0.7, at[1] + (line - 0.2) * size_px * 0.14), size_px * 0.1, "hershey-2")
    angle = cv2.getRotationMatrix2D(at, float(rng.uniform(-30, 30)), 1.0)
    turned = np.asarray(cv2.warpAffine(mask, angle, (shape[1], shape[0])), np.float32)
    blotch = cv2.resize(rng.uniform(0.3, 1, (24, 32)).astype(np.float32), (shape[1], shape[0]))
    return turned * np.asarray(blotch, np.float32)


def _either(combs: list[Mask]) -> Mask:
    """Return what lines along both axes cover together."""
    return np.asarray(1 - (1 - combs[1])[:, None] * (1 - combs[0])[None, :], np.float32)


def _combs(axis: Axis, width_mm: float, every: int) -> Mask:
    """Return how lines `width_mm` wide cover one axis, one every `every` mm."""
    size, start, stop, step = axis
    edges = np.arange(size + 1) - 0.5
    half = width_mm * step / 2
    covered = np.zeros(size)
    for centre in np.arange(start, stop + 0.01, step * every):
        first, last = max(0, int(centre - half - 1)), max(0, min(size, int(centre + half + 3)))
        left, right = edges[first:last], edges[first + 1 : last + 1]
        covered[first:last] += np.clip(np.minimum(right, centre + half) - np.maximum(left, centre - half), 0, 1)
    return np.minimum(covered, 1).astype(np.float32)


def _inside(size: int, start: float, stop: float) -> Mask:
    at = np.arange(size)
    return ((at >= start - 1.5) & (at <= stop + 1.5)).astype(np.float32)


def _put(mask: Mask, patch: Mask, x: int, y: int) -> None:
    height, width = mask.shape
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(width, x + patch.shape[1]), min(height, y + patch.shape[0])
    if x0 < x1 and y0 < y1:
        part = mask[y0:y1, x0:x1]
        np.maximum(part, patch[y0 - y : y1 - y, x0 - x : x1 - x], out=part)


def _hershey(text: str, height_px: float, face: int) -> tuple[Mask, float]:
    scale = height_px * FINER / 21  # capitals of these faces are 21 units high
    thickness = max(1, round(height_px * FINER / 12))
    (width, height), below = cv2.getTextSize(text, face, scale, thickness)
    pad = thickness + FINER
    big = np.zeros((height + below + 2 * pad, width + 2 * pad), np.uint8)
    cv2.putText(big, text, (pad, pad + height), face, scale, (255,), thickness, cv2.LINE_AA)
    shape = (max(1, big.shape[0] // FINER), max(1, big.shape[1] // FINER))
    return coarse(big, shape), (pad + height) / FINER


def _typeset(text: str, height_px: float, font: str) -> tuple[Mask, float]:
    face = ImageFont.truetype(_typefaces()[font], max(4, round(height_px * 1.37)))
    left, top, right, bottom = (round(edge) for edge in face.getbbox(text, anchor="ls"))
    image = Image.new("L", (max(1, right - left + 2), max(1, bottom - top + 2)))
    ImageDraw.Draw(image).text((1 - left, 1 - top), text, fill=255, font=face, anchor="ls")
    return np.asarray(image, np.float32) / np.float32(255), 1 - top


@cache
def _typefaces() -> dict[str, str]:
    import matplotlib  # noqa: PLC0415 - slow to import

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    wanted = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic", "STIXGeneral")
    return {name: str(folder / f"{name}.ttf") for name in wanted}


def _spline(t: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Catmull-Rom through `values` at 0, 1, 2, …."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    i = np.minimum(t.astype(np.int64), len(values) - 2)
    f = t - i
    a, b, c, d = (padded[i + k] for k in range(4))
    return np.asarray(b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a))), np.float64)
