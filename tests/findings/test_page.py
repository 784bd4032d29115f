"""The second opinion on a page: told where there is a page of twelve leads, with what it rests on; else not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import edge
from edge.findings.findings import Findings, PageOpinion
from edge.findings.page import with_opinion
from edge.inference import beat_model, page_model
from edge.inference.page_model import TITLES
from edge.paper import read_picture
from training.pages.look import Look
from training.pages.renderer import render_page

FS_HZ = 500.0
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def heart() -> dict[str, np.ndarray]:
    t = np.arange(5000) / FS_HZ
    waves = ((-0.16, 0.03, 0.1), (0.0, 0.014, 1.0), (0.035, 0.014, -0.2), (0.28, 0.06, 0.25))
    one = sum(
        high * np.exp(-(((t - r - at) / wide) ** 2)) for r in np.arange(0.4, 10, 0.84) for at, wide, high in waves
    )
    scale = {"I": 0.6, "II": 1.0, "III": 0.4, "aVR": -0.8, "aVL": 0.1, "aVF": 0.7}
    scale |= {"V1": -0.5, "V2": -0.3, "V3": 0.5, "V4": 1.1, "V5": 1.0, "V6": 0.8}
    return {name: (scale[name] * one).astype(np.float32) for name in LEADS}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    leads = heart()
    for layout, some in (("3x4+1", leads), ("6x2", leads), ("strip", {"II": leads["II"]})):
        page = render_page(some, FS_HZ, layout=layout, look=Look.clean(px_per_mm=6.5), seed=2)
        cv2.imwrite(str(folder / f"{layout}.png"), page.image)
    return folder


def opinion(findings: Findings) -> PageOpinion:
    assert findings.page is not None
    return findings.page


@pytest.mark.parametrize("layout", ["3x4+1", "6x2"])
def test_a_page_gets_one_and_it_says_what_it_rests_on(pictures: Path, layout: str) -> None:
    found = edge.analyze(pictures / f"{layout}.png").findings
    page = opinion(found)
    assert page.why_not is None
    assert page.kind in TITLES
    assert set(page.probabilities) == set(TITLES)
    assert sum(page.probabilities.values()) == pytest.approx(1, abs=0.01)
    sentence = next(s.text for s in found.sentences if "econd opinion" in s.text)
    assert page.learnt_from in sentence
    assert "no diagnosis" in sentence
    assert opinion(Findings.from_json(found.to_json())) == page


def test_a_strip_alone_gets_none_and_the_reason(pictures: Path) -> None:
    found = edge.analyze(pictures / "strip.png").findings
    page = opinion(found)
    assert (page.kind, page.title, page.probabilities) == (None, None, {})
    assert "twelve leads" in (page.why_not or "")
    assert not any("econd opinion" in s.text for s in found.sentences)


def test_what_is_no_paper_gets_none_at_all() -> None:
    assert edge.analyze(heart()["II"], fs_hz=FS_HZ, leads=["II"]).findings.page is None


def test_names_that_are_doubtful_get_none() -> None:
    leads = heart()
    swapped = leads | {"I": leads["V1"], "V1": leads["I"]}
    image = render_page(swapped, FS_HZ, layout="3x4+1", look=Look.clean(px_per_mm=6.5), seed=2).image
    read = read_picture(image)
    found = edge.analyze(leads["II"], fs_hz=FS_HZ, leads=["II"]).findings
    assert "doubtful" in (opinion(with_opinion(found, read)).why_not or "")


def test_without_its_model_the_rest_is_found_all_the_same(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cnn.tflite", "cnn.json", "af.json", "af_strip.json", "vf.json"):
        (tmp_path / name).write_bytes((beat_model.models_dir() / name).read_bytes())
    monkeypatch.setattr(page_model, "models_dir", lambda: tmp_path)
    page_model.shipped.cache_clear()
    found = edge.analyze(pictures / "3x4+1.png").findings
    page_model.shipped.cache_clear()
    assert found.page is None
    assert len(found.beats) > 5
    assert any("second opinion" in limit.what for limit in found.cannot_tell)
