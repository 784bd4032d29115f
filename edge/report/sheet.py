"""The report as one picture: the summary, the trend, and the strips that matter most."""

from __future__ import annotations

import textwrap

import msgspec
import numpy as np

from edge.findings.findings import Findings
from edge.report import content, trend, triage
from edge.report import drawing as d
from edge.report.drawing import Area, Box, Drawing, Grid, Line, Mark, Text
from edge.triage.note import Note

_WIDTH = 273.0
_STRIPS = 3
_MARGIN = 5.0
_SIGNS = {"high": "!!!", "medium": "!!", "low": "!"}


def draw(found: Findings, note: Note | None = None) -> Drawing:
    """Return a sheet with the findings, the trend and the most urgent strips; of a triage note what it names."""
    marks: list[Mark] = []
    y = 7.0
    marks.append(d.Text(x=_MARGIN, y=y, text=f"ECG report, {found.subject.name}", size=5, bold=True))
    y += 5
    marks.append(d.Text(x=_MARGIN, y=y, text=content.NOT_A_DIAGNOSIS, size=3, colour=d.GREY))
    facts = "  ·  ".join(f"{name}: {value}" for name, value in content.facts(found))
    for line in textwrap.wrap(facts, 150):
        y += 5
        marks.append(d.Text(x=_MARGIN, y=y, text=line, size=3.2))
    y += 4
    for sentence in found.sentences:
        kind = sentence.priority or ""
        for i, line in enumerate(textwrap.wrap(sentence.text, 140)):
            y += 4.8
            marks.append(d.Box(x=_MARGIN, y=y - 3.4, w=1.2, h=4.4, fill=d.PRIORITY.get(kind, d.PALE)))
            if kind and not i:
                colour = d.PRIORITY[kind]
                marks.append(d.Text(x=_MARGIN + 3, y=y, text=_SIGNS[kind], size=3.4, colour=colour, bold=True))
            marks.append(d.Text(x=_MARGIN + 8, y=y, text=line, size=3.4))
    if note is not None:
        y += 8
        text = f"To be considered, with the answers given. {triage.how_soon(note)}"
        marks.append(d.Text(x=_MARGIN, y=y, text=text, size=3.6, bold=True))
        for each in note.considered:
            y += 4.8
            fill = d.PRIORITY.get(triage.PRIORITY.get(each.urgency, ""), d.PALE)
            marks.append(d.Box(x=_MARGIN, y=y - 3.4, w=1.2, h=4.4, fill=fill))
            text = f"{each.title}: {triage.URGENCY[each.urgency].lower()}, {each.points} points"
            marks.append(d.Text(x=_MARGIN + 8, y=y, text=text, size=3.4))
    y += 6
    pictures = [trend.draw(found, _WIDTH - 2 * _MARGIN)]
    pictures += [content.picture(found, figure.strip) for figure in content.figures(found)[:_STRIPS]]
    for picture in pictures:
        marks += [moved(mark, _MARGIN, y) for mark in picture.marks]
        y += picture.height + 5
    return Drawing(width=_WIDTH, height=y, marks=tuple(marks), title=f"ECG report, {found.subject.name}")


def moved(mark: Mark, x: float, y: float) -> Mark:
    """Return a mark at another place."""
    match mark:
        case Line() | Area():
            return msgspec.structs.replace(mark, points=mark.points + np.array([x, y]))
        case Box() | Text() | Grid():
            return msgspec.structs.replace(mark, x=mark.x + x, y=mark.y + y)
        case _:
            raise TypeError(f"{type(mark)} cannot be moved")
