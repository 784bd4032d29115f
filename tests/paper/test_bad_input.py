"""What is no readable picture of an ECG: one reason each, and nothing raised."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.paper import digitize
from training.pages.look import Look
from training.pages.renderer import render_page

Ecg = Callable[..., dict[str, np.ndarray]]


def cat() -> Image.Image:
    """Soft blobs with whiskers, as near to a cat as a seed comes."""
    rng = np.random.default_rng(1)
    small = Image.fromarray(rng.integers(40, 220, (24, 32, 3), np.uint8))
    return small.resize((960, 720), Image.Resampling.BICUBIC)


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def bomb() -> bytes:
    """A picture of 20,000 × 20,000 pixels in a few kilobytes."""
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000), 1).save(out, "PNG", optimize=True)
    return out.getvalue()


def truncated() -> bytes:
    out = io.BytesIO()
    cat().save(out, "JPEG")
    return out.getvalue()[:3000]


REFUSED = {
    "cat.png": (lambda: png(cat()), "no grid"),
    "dot.png": (lambda: png(Image.new("RGB", (1, 1))), "too small"),
    "white.png": (lambda: png(Image.new("RGB", (800, 600), "white")), "no grid"),
    "black.png": (lambda: png(Image.new("RGB", (800, 600))), "no grid"),
    "bomb.png": (bomb, "too large"),
    "cut.jpg": (truncated, "unreadable"),
    "empty.jpg": (lambda: b"", "unreadable"),
    "text.jpg": (lambda: b"this is no picture" * 50, "unreadable"),
    "broken.pdf": (lambda: b"%PDF-1.7\nnothing", "unreadable"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_reason_and_a_hint(tmp_path: Path, name: str) -> None:
    make, cause = REFUSED[name]
    (tmp_path / name).write_bytes(make())
    refused = digitize(tmp_path / name).refused
    assert refused is not None
    assert refused.cause == cause
    assert refused.reason
    assert refused.hint
    assert "\n" not in str(refused)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused = digitize(tmp_path / "none.png").refused
    assert refused is not None
    assert refused.cause == "unreadable"


@pytest.fixture(scope="module")
def strip(ecg: Ecg) -> Image.Image:
    page = render_page({"II": ecg(6.0)["II"]}, 500.0, layout="strip", look=Look.clean(px_per_mm=7.0), seed=1)
    return Image.fromarray(page.image[..., ::-1])


FORMS: dict[str, Callable[[Image.Image, Path], None]] = {
    "cmyk.jpg": lambda image, path: image.convert("CMYK").save(path, quality=90),
    "grey.png": lambda image, path: image.convert("L").save(path),
    "palette.gif": lambda image, path: image.quantize(64).save(path),
    "deep.tif": lambda image, path: Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257).save(path),
    "clear.png": lambda image, path: cut_out(image).save(path),
    "moving.webp": lambda image, path: image.save(
        path, save_all=True, append_images=[image.rotate(180)], lossless=True
    ),
    "page.pdf": lambda image, path: image.save(path, resolution=178),
    "plain.bmp": lambda image, path: image.save(path),
}


def cut_out(image: Image.Image) -> Image.Image:
    """White made transparent over black."""
    rgba = np.asarray(image.convert("RGBA")).copy()
    rgba[rgba[..., :3].min(axis=2) > 245] = (0, 0, 0, 0)
    return Image.fromarray(rgba)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_picture_is_read(tmp_path: Path, strip: Image.Image, name: str) -> None:
    FORMS[name](strip, tmp_path / name)
    read = digitize(tmp_path / name)
    assert read.refused is None
    assert read.layout == "strip"
