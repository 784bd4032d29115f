"""Pages with known classes: read, measured, kept, grouped."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import SourceError
from edge.features.page import LEADS, WINDOW
from training.pages import examples
from training.pages.look import Look
from training.pages.renderer import render_page

FS_HZ = 500.0


def heart(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    t = np.arange(5000) / FS_HZ
    shapes = rng.normal(0, 0.3, (12, 4)) + np.array([0.1, 1.0, -0.2, 0.3])
    at, wide = (-0.16, 0.0, 0.035, 0.28), (0.03, 0.014, 0.014, 0.06)
    out = {}
    for name, shape in zip(LEADS, shapes, strict=True):
        mv = sum(
            h * np.exp(-(((t - r - a) / w) ** 2))
            for r in np.arange(0.4, 10, 0.84)
            for h, a, w in zip(shape, at, wide, strict=True)
        )
        out[name] = np.asarray(mv, np.float32)
    out["III"] = out["II"] - out["I"]
    return out


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, seed in (("Normal/Normal_1", 1), ("MI/MI_4", 2), ("MI/MI_5", 3), ("HB/HB_7", 1)):
        page = render_page(heart(seed), FS_HZ, layout="3x4+1", look=Look.clean(px_per_mm=6.0), seed=seed)
        path = folder / "ecg_images" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), page.image)
    (folder / "ecg_images" / "PMI").mkdir()
    cv2.imwrite(str(folder / "ecg_images" / "PMI" / "PMI_1.jpg"), np.full((300, 400, 3), 255, np.uint8))
    return folder


def test_pages_are_read_once_and_what_is_none_is_told(data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    pages = examples.gather(data, tmp_path, said.append)
    assert pages.names.tolist() == [f"ecg_images/{n}" for n in ("HB/HB_7", "MI/MI_4", "MI/MI_5", "Normal/Normal_1")]
    assert [examples.CLASSES[label] for label in pages.labels] == ["abnormal", "mi", "mi", "normal"]
    assert pages.beats.shape == (4, WINDOW, len(LEADS))
    assert pages.refused[:, 0].tolist() == ["ecg_images/PMI/PMI_1"]
    assert said
    again: list[str] = []
    same = examples.gather(data, tmp_path, again.append)
    assert not again
    np.testing.assert_array_equal(same.beats, pages.beats)


def test_copies_and_known_pairs_stay_together(data: Path, tmp_path: Path) -> None:
    pages = examples.gather(data, tmp_path, lambda _: None)
    copy, first, second, original = pages.groups.tolist()
    assert copy == original  # one heart, another class and another picture
    assert first == second  # one patient, it is said, though the hearts differ here
    assert first != copy


def test_no_pages_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no pages"):
        examples.gather(tmp_path, tmp_path)


def test_a_changed_picture_is_read_again(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "data"
    shutil.copytree(data, other)
    for name in ("MI", "HB", "PMI"):
        shutil.rmtree(other / "ecg_images" / name)
    before = examples.gather(other, tmp_path / "cache", lambda _: None)
    page = render_page(heart(9), FS_HZ, layout="3x4+1", look=Look.clean(px_per_mm=6.0), seed=9)
    cv2.imwrite(str(other / "ecg_images" / "Normal" / "Normal_1.jpg"), page.image)
    after = examples.gather(other, tmp_path / "cache", lambda _: None)
    assert not np.array_equal(before.beats, after.beats)
