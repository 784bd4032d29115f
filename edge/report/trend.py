"""Rate and rhythm over time: mean line, min–max band, rhythm as a ribbon, urgent episodes as marks."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from edge.findings.findings import Findings
from edge.findings.rhythm import NONE, UNREADABLE
from edge.kinds import KINDS, title
from edge.report import drawing as d
from edge.report.drawing import Drawing, Mark

_LEFT, _RIGHT, _TOP, _PLOT, _RIBBON = 11.0, 3.0, 5.0, 34.0, 5.0
_RHYTHMS = (
    "#c8102e",
    "#b8860b",
    "#1a7a86",
    "#7a3fb0",
    "#c25e00",
    "#3a6ea5",
    "#5f7f2f",
    "#8a4b6b",
    "#4f6d7a",
    "#a0603a",
)
_STEPS_S = (10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 21600, 86400)


class _Axes(msgspec.Struct, frozen=True, kw_only=True):
    """Where times and rates are, mm."""

    duration_s: float
    low: float
    high: float
    width: float

    def x(self, time_s: float) -> float:
        return _LEFT + min(max(time_s / self.duration_s, 0.0), 1.0) * (self.width - _LEFT - _RIGHT)

    def y(self, bpm: float) -> float:
        return _TOP + _PLOT * (self.high - bpm) / (self.high - self.low)


def draw(found: Findings, width: float = 186.0) -> Drawing:
    """Return the trend of a stream.

    Parameters
    ----------
    found : Findings
        Of the stream.
    width : float
        mm.
    """
    low, high = _limits(found)
    axes = _Axes(duration_s=max(found.subject.duration_s, 1.0), low=low, high=high, width=width)
    ribbon = _TOP + _PLOT + 2
    legend, rows = _legend(found, ribbon + _RIBBON + 8.5, width)
    marks = [*_scales(found, axes), *_band(found, axes), *_ribbon(found, axes, ribbon), *_alarms(found, axes), *legend]
    height = ribbon + _RIBBON + 6 + 4.2 * rows
    return Drawing(width=width, height=height, marks=tuple(marks), title="Heart rate and rhythm over time")


def _limits(found: Findings) -> tuple[float, float]:
    told = [v for v in (*found.heart_rate.min, *found.heart_rate.max) if v is not None]
    low, high = (min(told), max(told)) if told else (40, 120)
    return 20 * math.floor((low - 5) / 20), 20 * math.ceil((high + 5) / 20)


def _scales(found: Findings, axes: _Axes) -> list[Mark]:
    low, high, width, x, y = axes.low, axes.high, axes.width, axes.x, axes.y
    marks: list[Mark] = [d.Text(x=0, y=3, text="1/min", size=2.6, colour=d.GREY)]
    step = 20 if high - low <= 120 else 40
    for bpm in range(int(low), int(high) + 1, step):
        marks.append(d.line(_LEFT, y(bpm), width - _RIGHT, y(bpm), width=0.1, colour=d.PALE))
        marks.append(d.Text(x=_LEFT - 1.5, y=y(bpm) + 0.9, text=str(bpm), size=2.6, colour=d.GREY, anchor="end"))
    duration_s = found.subject.duration_s
    tick = next((s for s in _STEPS_S if duration_s / s <= 9), 86400 * math.ceil(duration_s / 86400 / 9))
    foot = _TOP + _PLOT + 2 + _RIBBON
    for i in range(int(duration_s // tick) + 1):
        at = x(i * tick)
        marks.append(d.line(at, _TOP, at, foot + 1, width=0.1, colour=d.PALE))
        text = found.clock(i * tick)
        text = text[:-3] if tick >= 60 and found.subject.start_time is not None else text
        last = at > width - _RIGHT - 8
        anchor: d.Anchor = "start" if i == 0 else "end" if last else "middle"
        marks.append(d.Text(x=at, y=foot + 3.8, text=text, size=2.6, colour=d.GREY, anchor=anchor))
    return marks


def _band(found: Findings, axes: _Axes) -> list[Mark]:
    rate, x, y = found.heart_rate, axes.x, axes.y
    marks: list[Mark] = []
    run: list[tuple[float, float, float, float]] = []
    for i in range(len(rate.mean) + 1):
        mean = rate.mean[i] if i < len(rate.mean) else None
        if mean is not None:
            time_s = (i + 0.5) * rate.step_s
            run.append((x(time_s), y(mean), y(rate.min[i] or mean), y(rate.max[i] or mean)))
        elif run:
            points = np.array(_thinned(run))
            if len(points) == 1:
                points = np.repeat(points, 2, axis=0) + np.array([[-0.1, 0, 0, 0], [0.1, 0, 0, 0]])
            outline = np.concatenate([points[:, [0, 3]], points[::-1][:, [0, 2]]])
            marks.append(d.Area(points=outline, fill=d.ACCENT, opacity=0.22))
            marks.append(d.Line(points=points[:, :2], width=0.3, colour=d.ACCENT))
            run = []
    return marks


def _thinned(run: list[tuple[float, float, float, float]]) -> list[tuple[float, float, float, float]]:
    """Return no more points than can be seen: means of those within a quarter of a mm."""
    out: list[tuple[float, float, float, float]] = []
    group: list[tuple[float, float, float, float]] = []
    for point in run:
        if group and point[0] - group[0][0] >= 0.25:
            out.append(_joined(group))
            group = []
        group.append(point)
    return [*out, _joined(group)]


def _joined(group: list[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    n = len(group)
    return (
        sum(p[0] for p in group) / n,
        sum(p[1] for p in group) / n,
        max(p[2] for p in group),
        min(p[3] for p in group),
    )


def _colours(found: Findings) -> dict[str, str]:
    order = [kind for kind in KINDS if any(s.kind == kind for s in found.rhythm)]
    return {kind: _RHYTHMS[i % len(_RHYTHMS)] for i, kind in enumerate(order)}


def _ribbon(found: Findings, axes: _Axes, top: float) -> list[Mark]:
    colours = _colours(found)
    marks: list[Mark] = []
    for stretch in found.rhythm:
        left, right = axes.x(stretch.start_s), axes.x(stretch.stop_s)
        if stretch.kind == UNREADABLE:
            marks.append(d.Box(x=left, y=top, w=right - left, h=_RIBBON, hatched=True))
        elif stretch.kind == NONE:
            marks.append(d.Box(x=left, y=top, w=right - left, h=_RIBBON, fill="#ececec"))
        else:
            # What is shorter than can be seen is drawn all the same.
            marks.append(
                d.Box(x=left, y=top, w=max(right - left, 0.25), h=_RIBBON, fill=colours.get(stretch.kind, d.GREY))
            )
    return marks


def _alarms(found: Findings, axes: _Axes) -> list[Mark]:
    marks: list[Mark] = []
    seen: set[int] = set()
    for episode in found.episodes:
        if episode.priority == "high":
            at = axes.x(episode.onset_s)
            if round(at * 2) not in seen:
                seen.add(round(at * 2))
                points = np.array([[at, _TOP - 0.4], [at - 1.1, _TOP - 2.6], [at + 1.1, _TOP - 2.6]])
                marks.append(d.Area(points=points, fill=d.PRIORITY["high"]))
    return marks


def _legend(found: Findings, top: float, width: float) -> tuple[list[Mark], int]:
    entries = [(colour, title(kind), False) for kind, colour in _colours(found).items()]
    if any(s.kind == NONE for s in found.rhythm):
        entries.append(("#ececec", "no rhythm told", False))
    if any(s.kind == UNREADABLE for s in found.rhythm):
        entries.append(("", "not readable", True))
    if any(e.priority == "high" for e in found.episodes):
        entries.append((d.PRIORITY["high"], "▼ urgent episode", False))
    marks: list[Mark] = []
    x, row = _LEFT, 0
    for colour, name, hatched in entries:
        length = 5.5 + 1.55 * len(name)
        if x + length > width:
            x, row = _LEFT, row + 1
        y = top + 4.2 * row
        if name.startswith("▼"):
            points = np.array([[x + 1.2, y], [x, y - 2.2], [x + 2.4, y - 2.2]])
            marks.append(d.Area(points=points, fill=colour))
            name = name[2:]  # noqa: PLW2901
        else:
            marks.append(d.Box(x=x, y=y - 2.2, w=3, h=2.4, fill=colour or d.PALE, hatched=hatched))
        marks.append(d.Text(x=x + 4, y=y, text=name, size=2.6, colour=d.GREY))
        x += length + 3
    return marks, row + 1
