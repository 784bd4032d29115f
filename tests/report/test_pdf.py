"""PDF and PNG: true millimetres, measured on the rendered page."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import pypdfium2
import pytest
from numpy.typing import NDArray
from PIL import Image

from edge.api import Analyzed, analyze
from edge.errors import EcgEdgeError
from edge.report import pdf_drawing
from edge.report.drawing import Box, Drawing, Grid, Line, Text, line
from edge.report.pdf import report
from edge.report.pdf_drawing import MM, picture
from edge.report.png import png
from edge.report.write import SinkError
from edge.triage.note import note_of
from edge.triage.questionnaire import Questionnaire

pytest.importorskip("reportlab", reason="needs reportlab, which the extra report brings")

DPI = 600


@pytest.fixture(scope="module")
def toy(toy_ecg: NDArray[np.float32]) -> Analyzed:
    return analyze(toy_ecg[: 360 * 60], fs_hz=360, leads=["MLII"])


def rendered(content: bytes, page: int = 0, dpi: float = DPI) -> NDArray[np.uint8]:
    document = pypdfium2.PdfDocument(content)
    image = np.asarray(document[page].render(scale=dpi / 72).to_pil().convert("RGB"))
    document.close()
    return image


def pages(content: bytes) -> list[tuple[float, float]]:
    document = pypdfium2.PdfDocument(content)
    sizes = [tuple(x / MM for x in document[i].get_size()) for i in range(len(document))]
    document.close()
    return sizes  # type: ignore[return-value]


def period_mm(profile: NDArray[np.float64], dpi: float) -> float:
    """The distance of the strong grid lines, from a profile of darkness across many of them."""
    strong = profile > (profile.max() + np.median(profile)) / 2
    starts = np.flatnonzero(np.diff(strong.astype(int)) == 1)
    stops = np.flatnonzero(np.diff(strong.astype(int)) == -1)
    n = min(len(starts), len(stops))
    centres = (starts[:n] + stops[:n]) / 2
    steps = np.diff(centres)
    # Edges of tints and letters are as dark as lines here and there.
    even = steps[np.abs(steps - np.median(steps)) <= 3]
    assert len(even) > 2
    return float(even.mean()) / dpi * 25.4


def test_a_second_is_25_mm_and_a_millivolt_10_on_the_page(toy: Analyzed) -> None:
    content = report(toy.findings)
    image = rendered(content, page=1)
    red = (image[..., 0].astype(float) - image[..., 1]).clip(0)
    rows, columns = red.sum(axis=1), red.sum(axis=0)
    paper = red[np.flatnonzero(rows > rows.max() / 10)[0] :]
    assert 5 * period_mm(columns, DPI) == pytest.approx(25.0, abs=0.1)
    assert 2 * period_mm(paper.sum(axis=1)[: int(28 * DPI / 25.4)], DPI) == pytest.approx(10.0, abs=0.1)


def test_what_is_drawn_is_where_it_is_said_in_millimetres() -> None:
    drawing = Drawing(
        width=60,
        height=40,
        marks=(line(10, 5, 10, 35, width=0.3), line(35, 5, 35, 35, width=0.3), line(5, 8, 55, 8), line(5, 33, 55, 33)),
        title="x",
    )
    image = rendered(picture(drawing))
    dark = image[..., 0] < 128
    assert image.shape[0] == pytest.approx(40 / 25.4 * DPI, abs=2)
    at = np.flatnonzero(dark[int(20 / 25.4 * DPI)])
    assert (at[at > 500].mean() - at[at < 500].mean()) / DPI * 25.4 == pytest.approx(25.0, abs=0.05)
    at = np.flatnonzero(dark[:, int(20 / 25.4 * DPI)])
    assert (at[at > 450].mean() - at[at < 450].mean()) / DPI * 25.4 == pytest.approx(25.0, abs=0.05)


def test_the_report_is_a4_and_says_it_all_on_the_first_page(toy: Analyzed) -> None:
    content = report(toy.findings)
    sizes = pages(content)
    assert sizes[0] == pytest.approx((210, 297), abs=0.1)
    assert sizes[1] == pytest.approx((297, 210), abs=0.1)
    document = pypdfium2.PdfDocument(content)
    text = document[0].get_textpage().get_text_range()
    everything = "".join(document[i].get_textpage().get_text_range() for i in range(len(document)))
    document.close()
    for sentence in toy.findings.sentences:
        assert sentence.text.split(",")[0].replace("–", "-") in text.replace("–", "-").replace("\r\n", " ")
    for word in ("not a diagnosis", "Beats", "Rate and rhythm"):
        assert word in text
    assert "25 mm/s · 10 mm/mV · 0.5–40 Hz" in everything
    assert "Methods" in everything
    assert report(toy.findings) == content


def test_a_png_is_the_same_picture(toy: Analyzed) -> None:
    marks = (Grid(x=0, y=0, w=20, h=20), Box(x=2, y=2, w=5, h=5, fill="#1f5f8b"), Text(x=1, y=15, text="µV – é"))
    drawing = Drawing(width=20, height=20, marks=marks, title="x")
    image = Image.open(io.BytesIO(png(drawing, dpi=254)))
    assert image.size == (200, 200)
    assert image.convert("RGB").getpixel((45, 35)) == (0x1F, 0x5F, 0x8B)
    large = Drawing(width=20_000, height=20_000, marks=(line(0, 0, 1, 1),), title="x")
    assert Image.open(io.BytesIO(png(large))).size[0] <= 10_010


def test_names_in_any_script_and_lines_of_one_point_are_drawn() -> None:
    marks = (
        Text(x=1, y=5, text="Ελληνικά <b>\x1b[2J&"),
        Line(points=np.array([[1.0, 1.0]])),
        Box(x=0, y=0, w=5, h=5, hatched=True),
    )
    assert picture(Drawing(width=50, height=10, marks=marks, title="日本 & <x>")).startswith(b"%PDF")


@pytest.mark.parametrize("suffix", ["pdf", "svg", "png"])
def test_every_form_is_written_and_known_again(toy: Analyzed, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r.{suffix}"
    toy.report(path)
    toy.report(path)
    assert (tmp_path / f"r.{suffix}.1").is_file()
    (tmp_path / f"mine.{suffix}").write_bytes(b"\x89PNG something")
    with pytest.raises(SinkError, match="something else"):
        toy.report(tmp_path / f"mine.{suffix}")


def test_without_reportlab_the_extra_is_named(toy: Analyzed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "reportlab", None)
    with pytest.raises(EcgEdgeError, match=r"\.\[report\]"):
        pdf_drawing.need()
    toy.report(tmp_path / "r.html")


def test_the_triage_note_is_in_it_with_every_reason_its_points_and_source(toy: Analyzed) -> None:
    yes = {"symptoms": {"palpitations": "yes", "syncope": "yes"}, "pain_now": "yes"}
    note = note_of(msgspec.convert(yes, Questionnaire), toy.findings)
    assert note.considered
    document = pypdfium2.PdfDocument(report(toy.findings, note))
    text = " ".join("".join(page.get_textpage().get_text_range() for page in document).split())
    document.close()
    for each in note.considered:
        assert each.title in text
        assert f"{each.points} points" in text
        for reason in each.reasons:
            assert reason.source in text
            assert f"+{reason.points} {reason.text}".replace("–", "-") in text.replace("–", "-")
    assert note.caution in text
