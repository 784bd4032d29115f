"""A strip on ECG paper: 25 mm/s, 10 mm/mV, leads below each other, beats and episodes marked.

What is longer than a row goes on in the next; nothing is squeezed.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.report import drawing as d
from edge.report.drawing import Drawing, Mark

MM_PER_S, MM_PER_MV = 25.0, 10.0
ROW_S = 10.0
"""What fits across A4 in landscape, pulse and margins included."""

_LEFT = 12.0
"""Room for the lead's name and the calibration pulse."""
_BAND = 10.0
"""Room above the traces for beats and episodes."""
_FOOT = 5.0
_PASSES, _BESIDE_MM = 3, d.TRACE_MM / 20
_LEAST, _MOST = 15.0, 45.0
"""Height of a lead's row, mm."""


class Strip(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What is to be drawn.

    Attributes
    ----------
    mv : float array, shape (n, n_leads)
        NaN where there is no value.
    fs_hz : float
        Rate.
    leads : tuple of str
        Lead names.
    start_s : float
        Time of the first sample in its stream.
    beats : structured array of `edge.findings.findings.BEAT`
        Those in it, or more.
    spans : tuple of (title, priority, start_s, stop_s)
        Episodes in it.
    unreadable : tuple of (start_s, stop_s)
        Stretches that could not be read.
    band_hz : (float, float)
        The filter.
    label : str
        When and what, for the foot.
    """

    mv: NDArray[np.float64]
    fs_hz: float
    leads: tuple[str, ...]
    start_s: float
    beats: NDArray[np.void]
    spans: tuple[tuple[str, str, float, float], ...] = ()
    unreadable: tuple[tuple[float, float], ...] = ()
    band_hz: tuple[float, float]
    label: str = ""


class _Row(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One row of a strip: which time it shows, and where on the drawing, mm."""

    strip: Strip
    start_s: float
    stop_s: float
    top: float
    bottom: float
    width: float

    def x(self, time_s: float) -> float:
        """Return where a time is; one outside of the row is at its end."""
        return _LEFT + (min(max(time_s, self.start_s), self.stop_s) - self.start_s) * MM_PER_S

    def has(self, start_s: float, stop_s: float) -> bool:
        """Whether any of a stretch is in it."""
        return start_s < self.stop_s and stop_s > self.start_s


def draw(strip: Strip, row_s: float = ROW_S) -> Drawing:
    """Return a strip on paper.

    Parameters
    ----------
    strip : Strip
        What is to be drawn.
    row_s : float
        Seconds in a row; what is longer goes on below.
    """
    length_s = len(strip.mv) / strip.fs_hz
    rows = max(math.ceil(length_s / row_s - 1e-6), 1)
    width = _LEFT + math.ceil(min(row_s, max(length_s, 1.0)) * 5) * 5 + 1
    heights, zeros = _heights(strip.mv)
    block = _BAND + sum(heights)
    marks: list[Mark] = []
    for i in range(rows):
        start_s = strip.start_s + i * row_s
        stop_s = min(start_s + row_s, strip.start_s + length_s)
        top = i * (block + 2)
        row = _Row(strip=strip, start_s=start_s, stop_s=stop_s, top=top, bottom=top + block, width=width)
        marks += [*_tints(row), *_paper(row), *_traces(row, heights, zeros), *_titles(row), *_beats(row)]
    height = rows * (block + 2) - 2 + _FOOT
    scale = f"25 mm/s · 10 mm/mV · {strip.band_hz[0]:g}–{strip.band_hz[1]:g} Hz"
    marks.append(d.Text(x=width - 1, y=height - 1, text=scale, size=2.6, colour=d.GREY, anchor="end"))
    marks.append(d.Text(x=0.5, y=height - 1, text=strip.label, size=2.6, colour=d.GREY))
    return Drawing(width=width, height=height, marks=tuple(marks), title=f"ECG strip, {strip.label}")


def _heights(mv: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Return how high each lead's row is, a multiple of 5 mm, and where in it 0 mV is."""
    heights, zeros = [], []
    for lead in mv.T:
        there = lead[np.isfinite(lead)]
        low, high = np.percentile(there, [0.2, 99.8]) if len(there) else (-0.5, 0.5)
        up, down = max(float(high), 0.3) * MM_PER_MV + 2, max(-float(low), 0.3) * MM_PER_MV + 2
        height = min(max(math.ceil((up + down) / 5) * 5, _LEAST), _MOST)
        heights.append(height)
        zeros.append(min(round(up + (height - up - down) / 2), height - 3))
    return heights, zeros


def _paper(row: _Row) -> list[Mark]:
    top, height = row.top + _BAND, row.bottom - row.top - _BAND
    return [
        d.Grid(x=_LEFT, y=top, w=row.width - _LEFT - 1, h=height),
        *(
            d.Box(x=row.x(a), y=top, w=row.x(b) - row.x(a), h=height, hatched=True)
            for a, b in row.strip.unreadable
            if row.has(a, b)
        ),
    ]


def _traces(row: _Row, heights: list[float], zeros: list[float]) -> list[Mark]:
    strip, at = row.strip, row.top + _BAND
    first, stop = (round((t - strip.start_s) * strip.fs_hz) for t in (row.start_s, row.stop_s))
    marks: list[Mark] = []
    for lead, name, height, zero in zip(strip.mv.T, strip.leads, heights, zeros, strict=True):
        marks += _pulse(at + zero)
        marks.append(d.Text(x=0.5, y=at + zero - 11.2, text=name, size=3.0, bold=True))
        marks += _trace(lead[first:stop], strip.fs_hz, at + zero)
        at += height
    return marks


def _tints(row: _Row) -> list[Mark]:
    """Return a band from onset to end of each episode, below the grid, the most urgent on top."""
    marks: list[Mark] = []
    for _, priority, a, b in reversed(row.strip.spans):
        if row.has(a, b):
            left, right = row.x(a), max(row.x(b), row.x(a) + 1)
            colour = d.PRIORITY.get(priority, d.ACCENT)
            top, height = row.top + 4.5, row.bottom - row.top - 4.5
            marks.append(d.Box(x=left, y=top, w=right - left, h=height, fill=d.PAPER))
            marks.append(d.Box(x=left, y=top, w=right - left, h=height, fill=colour, opacity=0.10))
            marks.append(d.Box(x=left, y=top, w=right - left, h=0.6, fill=colour))
    return marks


def _titles(row: _Row) -> list[Mark]:
    """Return the episodes' names, the most urgent first; one for which there is no room is left out."""
    marks: list[Mark] = []
    taken: list[tuple[float, float]] = []
    for name, priority, a, b in row.strip.spans:
        left = row.x(a)
        right = left + 1.62 * len(name) + 2
        if row.has(a, b) and all(right <= start or left >= stop for start, stop in taken):
            taken.append((left, right))
            colour = d.PRIORITY.get(priority, d.ACCENT)
            marks.append(d.Text(x=left, y=row.top + 3.4, text=name, size=2.8, colour=colour, bold=True))
    return marks


def _pulse(zero: float) -> list[Mark]:
    """Return the calibration pulse: 1 mV for 0.2 s."""
    points = np.array([[2.5, zero], [4, zero], [4, zero - 10], [9, zero - 10], [9, zero], [10.5, zero]])
    return [d.Line(points=points)]


def _trace(lead: NDArray[np.float64], fs_hz: float, zero: float) -> list[Mark]:
    there = np.isfinite(lead)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    marks: list[Mark] = []
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        at = np.arange(start, stop)
        y = zero - lead[start:stop] * MM_PER_MV
        marks.append(d.Line(points=_needed(np.stack([_LEFT + at / fs_hz * MM_PER_S, y], axis=1))))
    return marks


def _needed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a line without the points that it goes through anyway, to a twentieth of its own width."""
    for _ in range(_PASSES):
        if len(points) < 3:
            break
        before, at, after = points[:-2:2], points[1:-1:2], points[2::2]
        share = (at[:, 0] - before[:, 0]) / (after[:, 0] - before[:, 0])
        beside = np.abs(at[:, 1] - before[:, 1] - share * (after[:, 1] - before[:, 1]))
        kept = np.ones(len(points), bool)
        kept[1:-1:2] = beside > _BESIDE_MM / _PASSES
        points = points[kept]
    return points


def _beats(row: _Row) -> list[Mark]:
    """Return letter and tick of each beat, and between beats the RR interval where there is room."""
    marks: list[Mark] = []
    beats = row.strip.beats
    before: float | None = None
    for beat in beats[(beats["time_s"] >= row.start_s) & (beats["time_s"] < row.stop_s)]:
        at, label = row.x(float(beat["time_s"])), str(beat["label"])
        colour, y = d.BEAT.get(label, d.GREY), row.top + 8
        marks.append(d.Text(x=at, y=y, text=label, size=2.8, colour=colour, anchor="middle", bold=label != "N"))
        marks.append(d.line(at, y + 0.6, at, row.top + _BAND, colour=colour, width=0.25))
        if before is not None and math.isfinite(beat["rr_ms"]) and at - before > 11:
            text = f"{beat['rr_ms']:.0f}"
            marks.append(d.Text(x=(at + before) / 2, y=y, text=text, size=2.1, colour=d.GREY, anchor="middle"))
        before = at
    return marks
