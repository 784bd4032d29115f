"""From a file to pixels, whatever a phone, a scanner or an office wrote; bounded before anything is decoded."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from edge.paper.result import RefusedError

Picture = NDArray[np.uint8]
"""Shape (height, width, 3), BGR."""

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".heic", ".heif", ".avif", ".pdf")
)
"""What is taken for a picture in a folder."""

_MAX_PIXELS = 60_000_000
_MAX_JPEG_PIXELS = 250_000_000
"""A JPEG can be decoded at a half, a quarter or an eighth of its size."""
_MAX_BYTES = 200_000_000
_WORK_PIXELS = 4_500_000
"""What is worked on; more pixels cost time and memory and tell nothing."""
_LEAST_PX = 40
_GIVE = "give a JPEG, PNG, TIFF or PDF"
_PDF_DPI = 250


def load(path: Path) -> tuple[Picture, float]:
    """Read the first picture of a file, upright as its EXIF says, on white where it is transparent.

    Returns
    -------
    Picture
        Of a size that can be worked on.
    float
        Its size over that in the file.

    Raises
    ------
    RefusedError
        If there is no picture in it that can be read, or it is too large or too small.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise _unreadable(error.strerror or "cannot be opened") from error
    if not size:
        raise _unreadable("the file is empty")
    if size > _MAX_BYTES:
        raise _too_large(f"{size / 1e6:,.0f} MB")
    image, drawn = _of_pdf(path) if b"%PDF-" in head else _of_image(path)
    small, scale = bounded(image)
    return small, scale * drawn


def bounded(image: Picture) -> tuple[Picture, float]:
    """Return a picture of a size that can be worked on, and its scale.

    Raises
    ------
    RefusedError
        If it is too small to hold a strip.
    """
    height, width = image.shape[:2]
    if min(height, width) < _LEAST_PX or max(height, width) < 2 * _LEAST_PX:
        raise RefusedError("too small", f"the picture has only {width}×{height} pixels", "take it from nearer")
    scale = (_WORK_PIXELS / (height * width)) ** 0.5
    if scale >= 1:
        return image, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _of_image(path: Path) -> tuple[Picture, float]:
    """Return the picture, and its size over that in the file."""
    # Pillow warns of what may be a decompression bomb and of odd metadata; both are looked after here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                _check(image)
                whole = max(image.size)
                if image.format == "JPEG":
                    image.draft("RGB", (4000, 4000))
                if image.size[0] * image.size[1] > _MAX_PIXELS:
                    raise _too_large(f"{image.size[0]}×{image.size[1]} pixels")
                drawn = max(image.size) / whole
                return _bgr(ImageOps.exif_transpose(image)), drawn
        except UnidentifiedImageError as error:
            raise _unreadable("it is no picture that is known here") from error
        except Image.DecompressionBombError as error:
            raise _too_large("more pixels than a page has") from error
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise _unreadable(_short(error)) from error


def _check(image: Image.Image) -> None:
    width, height = image.size
    limit = _MAX_JPEG_PIXELS if image.format == "JPEG" else _MAX_PIXELS
    if width * height > limit or max(width, height) > 65_535:
        raise _too_large(f"{width}×{height} pixels")


def _bgr(image: Image.Image) -> Picture:
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, np.float32)
        top = 65535.0 if float(values.max(initial=0)) > 255 else 255.0
        grey = np.clip(values * (255 / top), 0, 255).astype(np.uint8)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"), np.uint8)
        alpha = rgba[..., 3:].astype(np.uint16)
        rgb = (rgba[..., :3] * alpha + 255 * (255 - alpha)) // 255
        return np.ascontiguousarray(rgb[..., ::-1].astype(np.uint8))
    return np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8)[..., ::-1])


def _of_pdf(path: Path) -> tuple[Picture, float]:
    """Return the first page as it is drawn; there are no pixels in the file to compare with."""
    import pypdfium2  # noqa: PLC0415 - for PDF alone

    try:
        document: Any = pypdfium2.PdfDocument(path)
    except (pypdfium2.PdfiumError, OSError, ValueError) as error:
        raise RefusedError("unreadable", f"the PDF cannot be opened ({_short(error)})", _GIVE) from error
    try:
        if len(document) == 0:
            raise _unreadable("the PDF has no page")
        page = document[0]
        width, height = (max(1.0, side / 72 * _PDF_DPI) for side in page.get_size())
        scale = _PDF_DPI / 72 * min(1.0, (_WORK_PIXELS / (width * height)) ** 0.5)
        drawn = page.render(scale=scale, rev_byteorder=False).to_numpy()
        return np.ascontiguousarray(drawn[..., :3]).astype(np.uint8), 1.0
    except (pypdfium2.PdfiumError, ValueError) as error:
        raise _unreadable(f"the PDF's first page cannot be drawn ({_short(error)})") from error
    finally:
        document.close()


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _unreadable(reason: str) -> RefusedError:
    return RefusedError("unreadable", f"the picture cannot be read ({reason})", _GIVE)


def _too_large(what: str) -> RefusedError:
    return RefusedError("too large", f"the picture is too large ({what})", "scan at 300 dpi or less, or crop it")
