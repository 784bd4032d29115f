"""Full disclosure: no beat is missing, each is where it was, and what was not there is not drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from front_end import ecg
from numpy.typing import NDArray

from edge.api import Analyzed, analyze
from edge.findings.strips import band_passed
from edge.messages import Gap, Samples, Stream
from edge.report import drawing as d
from edge.report.disclosure import ROW_S, ROWS, Disclosure, disclose, pages
from edge.report.drawing import Box, Drawing, Line, Text
from edge.report.html import page
from edge.report.pdf import report

FS_HZ = 250.0
COLUMNS = 1000


class InPieces:
    """A recording that comes in blocks of any size, with a hole."""

    def __init__(self, mv: NDArray[np.float32], size: int, hole: tuple[int, int] = (0, 0)) -> None:
        self.stream = Stream(name="x", fs_hz=FS_HZ, leads=("V5", "II"), start_time=None)  # type: ignore[arg-type]
        self._mv, self._size, self._hole = mv, size, hole

    def blocks(self, n: int) -> Iterator[Samples | Gap]:
        first, stop = self._hole
        for start, end in ((0, first), (stop, len(self._mv))):
            for at in range(start, end, min(n, self._size)):
                yield Samples(start=at, mv=self._mv[at : min(at + min(n, self._size), end)])
            if end == first and stop > first:
                yield Gap(start=first, n=stop - first, decided=stop)


@pytest.fixture(scope="module")
def signal() -> NDArray[np.float32]:
    mv, _ = ecg(150.0, FS_HZ)
    return mv


def same(one: Disclosure, other: Disclosure) -> bool:
    return np.array_equal(one.low, other.low, equal_nan=True) and np.array_equal(one.high, other.high, equal_nan=True)


def test_each_column_spans_what_was_there(signal: NDArray[np.float32]) -> None:
    shown = disclose(InPieces(signal, 2500))
    assert shown.lead == "II"
    clean = band_passed(signal.astype(np.float64), FS_HZ)[:, 1]
    column = np.arange(len(clean)) * COLUMNS // round(ROW_S * FS_HZ)
    for wanted, got in ((np.maximum, shown.high), (np.minimum, shown.low)):
        expected = wanted.reduceat(clean, np.flatnonzero(np.diff(column, prepend=-1)))
        there = slice(0, 2 * COLUMNS)  # of the last, half row the edge is the filter's
        assert np.abs(got[there] - expected[there]).max() < 0.01


@pytest.mark.parametrize("size", [1250, 977])
def test_however_the_samples_come(signal: NDArray[np.float32], size: int) -> None:
    hole = (round(70 * FS_HZ), round(75 * FS_HZ))
    assert same(disclose(InPieces(signal, size, hole)), disclose(InPieces(signal, 2500, hole)))


@pytest.mark.parametrize(("first_s", "stop_s"), [(20.0, 30.0), (10.0, 140.0), (58.0, 121.0)])
def test_what_was_not_there_is_not_drawn(signal: NDArray[np.float32], first_s: float, stop_s: float) -> None:
    shown = disclose(InPieces(signal, 2500, (round(first_s * FS_HZ), round(stop_s * FS_HZ))))
    assert len(shown.low) == 3 * COLUMNS
    missing = np.flatnonzero(np.isnan(shown.low)) * ROW_S / COLUMNS
    inside = missing[(missing > first_s - 0.1) & (missing < stop_s + 0.1)]
    assert len(inside) == pytest.approx((stop_s - first_s) * COLUMNS / ROW_S, abs=2)
    assert ((inside > first_s - 0.07) & (inside < stop_s + 0.07)).all()


@pytest.fixture(scope="module")
def toy(toy_ecg: NDArray[np.float32]) -> Analyzed:
    return analyze(toy_ecg[: 360 * 100], fs_hz=360, leads=["MLII"])


def lines(drawing: Drawing, colour: str) -> list[Line]:
    return [m for m in drawing.marks if isinstance(m, Line) and m.colour == colour and np.isfinite(m.points).any()]


def test_every_beat_that_is_not_n_is_in_its_colour(toy: Analyzed) -> None:
    (drawing,) = pages(toy.findings, disclose(toy.recording))
    beats = toy.beats
    ectopic = beats[beats["label"] == "V"]
    assert len(ectopic)
    red = np.concatenate([m.points for m in lines(drawing, d.BEAT["V"])])
    left = min(float(np.nanmin(m.points[:, 0])) for m in lines(drawing, d.INK))
    times = (red[np.isfinite(red[:, 0]), 0] - left) / 250 * ROW_S
    for at in ectopic["time_s"] % ROW_S:
        assert np.abs(times - at).min() < 0.1


def test_a_page_is_half_an_hour_and_fits_the_paper(toy: Analyzed) -> None:
    n = COLUMNS * (2 * ROWS + 1)
    long = Disclosure(lead="II", low=np.full(n, -0.1, np.float32), high=np.full(n, 1, np.float32))
    drawn = list(pages(toy.findings, long))
    assert len(drawn) == 3
    assert all(page.width <= 273 and page.height <= 178 for page in drawn)
    nothing = Disclosure(lead="II", low=np.full(n, np.nan, np.float32), high=np.full(n, np.nan, np.float32))
    assert len(list(pages(toy.findings, nothing))) == 3


def test_what_could_not_be_read_is_hatched() -> None:
    rng = np.random.default_rng(0)
    mv = rng.normal(0, 0.01, (250 * 30, 1))
    mv[250 * 10 : 250 * 15] = np.nan
    found = analyze(mv, fs_hz=250, leads=["II"])
    (drawing,) = pages(found.findings, disclose(found.recording))
    assert any(isinstance(m, Box) and m.hatched for m in drawing.marks)


def test_html_and_pdf_have_it_where_it_is_asked_for(toy: Analyzed) -> None:
    pdfium = pytest.importorskip("pypdfium2")
    shown = disclose(toy.recording)
    (drawing,) = pages(toy.findings, shown)
    title = next(m.text for m in drawing.marks if isinstance(m, Text))
    assert title in page(toy.findings, None, shown)
    assert title not in page(toy.findings)
    document = pdfium.PdfDocument(report(toy.findings, None, shown))
    texts = [sheet.get_textpage().get_text_range() for sheet in document]
    document.close()
    assert [title in text for text in texts] == [False] * (len(texts) - 1) + [True]
