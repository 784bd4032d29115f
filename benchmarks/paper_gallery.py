"""Pictures for `docs/paper`: rendered paper as it was photographed, and what was read of it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.paper import read_picture
from training.pages.layouts import CHEST, LIMB
from training.pages.look import Look
from training.pages.renderer import render_page

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "paper"
FS_HZ = 500.0
WIDTH = 1200
PAGES = {
    "clean": ("A clean page", "3x4+1", Look.clean(px_per_mm=7.0), 3),
    "rotated": ("Turned, in perspective", "6x2", Look.rotated(px_per_mm=7.0), 4),
    "lit": ("Uneven light, a shadow, blur", "3x4", Look.lit(px_per_mm=7.0), 5),
    "phone": ("As a telephone sees it: curled as well", "3x4+1", Look.phone(px_per_mm=7.0, grid="red"), 8),
    "used": ("Folded, written on, stamped", "12x1", Look.used(px_per_mm=7.0), 6),
    "strip": ("A strip on a table", "strip", Look.phone(px_per_mm=7.0), 9),
}
"""Title, layout, look and seed by name."""


def heart(duration_s: float = 10.0) -> dict[str, NDArray[np.float32]]:
    """Return twelve leads of a regular rhythm in which the sixth beat comes early and broad."""
    t = np.arange(round(duration_s * FS_HZ)) / FS_HZ
    axes = np.zeros((2, len(t)))
    waves = ((-0.16, 0.03, 0.08, 0.12), (-0.03, 0.01, -0.05, -0.1), (0, 0.014, 0.6, 1.1), (0.03, 0.012, -0.1, -0.2))
    waves += ((0.28, 0.055, 0.15, 0.25),)
    broad = ((0.0, 0.045, -0.6, 1.3), (0.25, 0.08, 0.2, -0.4))
    for k, beat in enumerate(np.arange(0.4, duration_s + 1, 0.82)):
        early = k == 5
        for at, width, *heights in broad if early else waves:
            axes += np.outer(heights, np.exp(-(((t - beat - at + 0.25 * early) / width) ** 2)))
    one, two = axes
    leads = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    leads += [share * two - 0.4 * one for share in (-0.6, -0.3, 0.3, 0.9, 0.9, 0.7)]
    return {name: lead.astype(np.float32) for name, lead in zip(LIMB + CHEST, leads, strict=True)}


def main() -> None:
    """Draw all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, (title, layout, look, seed) in PAGES.items():
        leads = heart() if layout != "strip" else {"II": heart()["II"]}
        page = render_page(leads, FS_HZ, layout=layout, look=look, seed=seed)
        read = read_picture(page.image, overlay=True)
        print(f"{name}: {title}: {read.refused or read.layout}")
        pictures = [_narrow(picture) for picture in (page.image, read.overlay) if picture is not None]
        cv2.imwrite(str(FOLDER / f"{name}.jpg"), np.vstack(pictures), [cv2.IMWRITE_JPEG_QUALITY, 72])


def _narrow(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    size = (WIDTH, round(picture.shape[0] * WIDTH / picture.shape[1]))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main()
