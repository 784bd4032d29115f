"""From a printed page to a picture of it: surroundings, light, blur, moiré, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.pages.drawing import Picture
from training.pages.look import Look
from training.pages.surface import Surface

_MESH = 8
"""Pixels between the points at which the map is worked out; in between it is as good as linear."""


def photograph(
    page: Picture, surface: Surface, size: tuple[int, int], look: Look, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the picture, uint8 BGR of `size` (width, height), that a camera takes of a page."""
    picture = _placed(page, surface, size, look, rng)
    picture *= _light(size, surface, look, rng)[..., None]
    if look.glare:
        picture += (look.glare * _spot(size, rng))[..., None]
    picture = _blurred(picture, look, rng)
    if look.moire:
        picture *= _screen(size, look.moire, rng)
    if look.light or look.noise:
        picture *= 1 + rng.uniform(-0.06, 0.06, 3).astype(np.float32)  # white balance
    if look.noise:
        picture += rng.normal(0, look.noise, picture.shape).astype(np.float32)
    image = np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)
    if look.jpeg is not None:
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, look.jpeg])
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(image, np.uint8)


def _flat(look: Look) -> bool:
    straight = not (look.rotation_deg or look.perspective or look.curl or look.folds)
    return straight and look.surroundings == "none"


def _placed(page: Picture, surface: Surface, size: tuple[int, int], look: Look, rng: np.random.Generator) -> Picture:
    if _flat(look):
        return page.copy()
    maps = _maps(surface, size)
    around = _surroundings(size, look, rng)
    printed = cv2.remap(page, maps[0], maps[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    height, width = page.shape[:2]
    on_page = (maps[0] > -0.5) & (maps[0] < width - 0.5) & (maps[1] > -0.5) & (maps[1] < height - 0.5)
    cover = cv2.GaussianBlur(on_page.astype(np.float32), (0, 0), 0.7)[..., None]
    return np.asarray(np.clip(printed, 0, 1) * cover + around * (1 - cover), np.float32)


def _maps(surface: Surface, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    width, height = size
    columns, rows = width // _MESH + 2, height // _MESH + 2
    x, y = np.meshgrid(np.arange(columns) * _MESH, np.arange(rows) * _MESH)
    on_page = surface.to_page(np.column_stack([x.ravel(), y.ravel()]).astype(np.float64))
    across = np.tile(np.arange(width, dtype=np.float32) / _MESH, (height, 1))
    down = np.tile((np.arange(height, dtype=np.float32) / _MESH)[:, None], (1, width))
    first, second = (
        np.asarray(
            cv2.remap(on_page[:, k].reshape(rows, columns).astype(np.float32), across, down, cv2.INTER_LINEAR),
            np.float32,
        )
        for k in (0, 1)
    )
    return first, second


def _surroundings(size: tuple[int, int], look: Look, rng: np.random.Generator) -> Picture:
    width, height = size
    if look.surroundings == "scan":
        return np.full((height, width, 3), rng.choice((0.04, 0.1, 0.97)), np.float32)
    tint = rng.uniform((0.6, 0.8, 0.9), (1.1, 1.0, 1.2))  # mostly brown and grey
    colour = (rng.uniform(0.1, 0.5) * tint).astype(np.float32)
    # wood or cloth: noise stretched along one way
    grain = rng.normal(0, 1, (height // 40 + 2, width // 3 + 2)).astype(np.float32)
    if rng.random() < 0.5:
        grain = rng.normal(0, 1, (height // 3 + 2, width // 40 + 2)).astype(np.float32)
    texture = np.asarray(cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray(np.clip(colour * (1 + 0.1 * texture[..., None]), 0, 1), np.float32)


def _light(size: tuple[int, int], surface: Surface, look: Look, rng: np.random.Generator) -> NDArray[np.float32]:
    width, height = size
    x, y = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64))
    light = np.ones((64, 64))
    if look.light:
        way = rng.uniform(0, 2 * np.pi)
        depth = look.light * rng.uniform(0.5, 1)
        ramp = (np.cos(way) * x + np.sin(way) * y) / np.sqrt(2)
        light *= 1 - depth * (ramp + 1) / 2 - 0.2 * depth * (x**2 + y**2) / 2
    if look.curl or look.folds:
        pixels = np.column_stack([(x.ravel() + 1) * width / 2, (y.ravel() + 1) * height / 2])
        slope = surface.slope(surface.to_page(pixels)).reshape(64, 64)
        light *= 1 - np.clip(0.6 * slope, -0.25, 0.25)
    field = np.asarray(cv2.resize(light.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC))
    if look.shadow:
        field = field * _shadow(size, look.shadow * rng.uniform(0.5, 1), rng)
    return np.asarray(field, np.float32)


def _shadow(size: tuple[int, int], depth: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return what a hand or a telephone between lamp and paper lets through: a blob with a soft edge."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = rng.uniform(25, 70) * (1 + 0.25 * np.sin(2 * turn + rng.uniform(0, 6)) + 0.15 * np.sin(3 * turn))
    centre = rng.uniform(0, 128, 2)
    blob = np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius[:, None] + centre
    small = np.zeros((128, 128), np.float32)
    cv2.fillPoly(small, [np.round(blob).astype(np.int32)], (1.0,))
    soft = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(1.5, 6)))
    return np.asarray(1 - depth * cv2.resize(soft, size, interpolation=cv2.INTER_CUBIC), np.float32)


def _spot(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    x, y = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 64))
    cx, cy = rng.uniform(0.1, 0.9, 2)
    sx, sy = rng.uniform(0.05, 0.2, 2)
    spot = np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2).astype(np.float32)
    return np.asarray(cv2.resize(spot, size, interpolation=cv2.INTER_CUBIC), np.float32)


def _blurred(picture: Picture, look: Look, rng: np.random.Generator) -> Picture:
    if look.defocus_px:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), float(look.defocus_px * rng.uniform(0.5, 1))))
    if look.motion_px:
        length = look.motion_px * rng.uniform(0, 1)
        way = rng.uniform(0, np.pi)
        half = int(np.ceil(length / 2)) + 1
        kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
        for t in np.linspace(-length / 2, length / 2, 32):
            x, y = half + t * np.cos(way), half + t * np.sin(way)
            i, j = int(y), int(x)
            fy, fx = y - i, x - j
            kernel[i, j] += (1 - fy) * (1 - fx)
            kernel[i, j + 1] += (1 - fy) * fx
            kernel[i + 1, j] += fy * (1 - fx)
            kernel[i + 1, j + 1] += fy * fx
        picture = np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE))
    return np.asarray(picture, np.float32)


def _screen(size: tuple[int, int], depth: float, rng: np.random.Generator) -> Picture:
    """Return the pixels of a screen, nearly as fine as the camera's: seen through those, they beat."""
    width, height = size
    period, way = rng.uniform(1.9, 2.4), rng.uniform(-0.06, 0.06)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    u, v = np.cos(way) * x + np.sin(way) * y, np.cos(way) * y - np.sin(way) * x
    u += 2e-5 * (v - height / 2) ** 2 * rng.uniform(-1, 1)
    rows = 1 + depth * 0.5 * np.cos(2 * np.pi * v / period)
    channels = [rows * (1 + depth * np.cos(2 * np.pi * (u / period + k / 3))) for k in range(3)]
    return np.asarray(np.stack(channels, axis=2), np.float32)
