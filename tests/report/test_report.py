"""The report: one file by itself, true millimetres, nothing from a name or a file ever alive in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from edge.api import Analyzed, analyze
from edge.findings.analyze import findings_of
from edge.findings.findings import Findings
from edge.inference.beat_model import BeatModel
from edge.report import write_report
from edge.report.content import figures, numbers, picture
from edge.report.drawing import Grid, Line
from edge.report.html import page
from edge.report.strip import MM_PER_MV, MM_PER_S
from edge.report.svg import svg
from edge.report.write import SinkError
from edge.sources.array import ArrayRecording


@pytest.fixture(scope="module")
def toy(toy_ecg: NDArray[np.float32]) -> Analyzed:
    return analyze(toy_ecg[: 360 * 100], fs_hz=360, leads=["MLII"])


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_by_itself(toy: Analyzed) -> None:
    text = page(toy.findings)
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    names = {tag for tag, _ in reader.tags}
    assert not names & {"script", "link", "img", "iframe", "object"}
    addresses = re.findall(r"""(?:href|src)="([^"]*)"|url\(([^)]*)\)""", text)
    assert all((a or b).startswith("#") for a, b in addresses)
    assert text.count("not a diagnosis") == 1
    anchors = {a["id"] for _, a in reader.tags if "id" in a}
    links = {a["href"][1:] for tag, a in reader.tags if tag == "a" and a.get("href")}  # type: ignore[index]
    assert links <= anchors
    assert links


HOSTILE = "<script>alert(1)</script>\" onload='x' &amp; \x1b[2J"


def test_names_stay_names(toy_ecg: NDArray[np.float32]) -> None:
    recording = ArrayRecording(toy_ecg[: 360 * 30], 360, [HOSTILE], name=HOSTILE, notes=[HOSTILE])
    with BeatModel.load() as model:
        found = findings_of(recording, model)
    text = page(found)
    reader = Reader()
    reader.feed(text)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert not any("onload" in attributes for _, attributes in reader.tags)
    ElementTree.fromstring(svg(picture(found, found.strips[0]), alone=True))


def test_strips_are_in_millimetres(toy: Analyzed) -> None:
    found = toy.findings
    strip = found.strips[0]
    drawing = picture(found, strip)
    root = ElementTree.fromstring(svg(drawing, alone=True))
    assert root.get("width") == f"{drawing.width:g}mm"
    assert root.get("viewBox") == f"0 0 {drawing.width:g} {drawing.height:g}"
    trace = max((m for m in drawing.marks if isinstance(m, Line)), key=lambda m: len(m.points))
    mv = strip.mv[:, 0]
    assert np.ptp(trace.points[:, 0]) == pytest.approx((len(mv) - 1) / strip.fs_hz * MM_PER_S)
    assert np.ptp(trace.points[:, 1]) == pytest.approx(np.ptp(mv) * MM_PER_MV)
    grid = next(m for m in drawing.marks if isinstance(m, Grid))
    assert grid.x == trace.points[0, 0]


def test_paths_say_what_they_draw(toy: Analyzed) -> None:
    drawing = picture(toy.findings, toy.findings.strips[0])
    trace = max((m for m in drawing.marks if isinstance(m, Line)), key=lambda m: len(m.points))
    paths = re.findall(r'<path d="(M[^"Z]*)" transform="scale\(.01\)"', svg(drawing))
    numbers = [int(n) for n in re.findall(r"-?\d+", max(paths, key=len))]
    points = np.cumsum(np.array(numbers).reshape(-1, 2), axis=0) / 100
    assert points.shape == trace.points.shape
    assert np.abs(points - trace.points).max() <= 0.00501


def test_what_is_urgent_comes_first_and_each_finding_leads_to_its_strip(toy: Analyzed) -> None:
    order = {"high": 0, "medium": 1, "low": 2, "": 3}
    shown = [order[figure.priority] for figure in figures(toy.findings)]
    assert shown == sorted(shown)
    said = [order[s.priority or ""] for s in toy.findings.sentences]
    assert said == sorted(said)
    strips = {s.episode for s in toy.findings.strips}
    assert all(s.episode in strips for s in toy.findings.sentences if s.episode is not None)


def test_a_report_is_written_kept_and_never_over_something_else(toy: Analyzed, tmp_path: Path) -> None:
    path = toy.report(tmp_path / "new" / "r.html")
    assert path.read_text(encoding="utf-8") == page(toy.findings)
    toy.report(path)
    assert sorted(p.name for p in path.parent.iterdir()) == ["r.html", "r.html.1"]
    assert Findings.from_json(toy.report(tmp_path / "r.json").read_bytes()).subject.name == "array"
    (tmp_path / "mine.html").write_text("my page")
    with pytest.raises(SinkError, match="something else"):
        toy.report(tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text() == "my page"
    with pytest.raises(SinkError, match=r"choose from \.html"):
        write_report(toy.findings, tmp_path / "r.doc")


def test_the_unreadable_is_hatched_never_blank() -> None:
    rng = np.random.default_rng(0)
    mv = rng.normal(0, 0.01, (250 * 30, 1))
    mv[250 * 10 : 250 * 15] = np.nan
    with BeatModel.load() as model:
        found = findings_of(ArrayRecording(mv, 250, ["II"]), model)
    assert "url(#hatch)" in page(found)


def test_what_begins_together_is_shown_once_and_every_episode_leads_there(toy: Analyzed) -> None:
    found = toy.findings
    first = next(s for s in found.strips if s.episode is not None)
    urgent = next(e for e in found.episodes if e.number == first.episode)
    other = replace(urgent, number=900, kind="couplet", title="couplet", priority="low", onset=urgent.onset + 300)
    later = replace(other, number=901, onset=urgent.onset + 1_000_000)
    strips = (*found.strips, replace(first, episode=900, start=first.start + 300))
    strips = (*strips, replace(first, episode=901, start=first.start + 1_000_000))
    both = replace(found, episodes=(*found.episodes, other, later), strips=strips)
    before, after = figures(found), figures(both)
    assert len(after) == len(before) + 1
    at = numbers(after)
    assert at[900] == at[urgent.number] != at[901]
    figure = after[at[900] - 1]
    assert figure.priority == urgent.priority
    assert figure.strip.start == first.start
    assert "couplet" in figure.heading
