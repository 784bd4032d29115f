"""Full disclosure: every beat of one lead, a minute in a row, half an hour on a page.

Of the samples only the lowest and the highest of each quarter of a millimetre are kept, which is all that a row of this
size can show: a day takes six megabytes.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.features.window import choose_leads
from edge.findings.findings import Findings
from edge.findings.strips import BAND_HZ, Memory, band_passed
from edge.messages import Gap, Samples
from edge.report import content
from edge.report import drawing as d
from edge.report.drawing import Drawing, Mark
from edge.sources import Recording

ROW_S = 60
ROWS = 30
"""On a page."""
MOST_S = 3 * 86_400
"""Of longer recordings the first three days are shown."""

_COLUMNS = 1000
"""Of a row."""
_LEFT, _TRACE, _ROW, _HEAD, _FOOT, _RATE = 11.0, 250.0, 5.5, 5.0, 4.0, 9.0
"""mm: room for the time, length and height of a row, room for heading and scale, room for the rate."""
_GAINS = (10.0, 5.0, 2.5, 1.25, 0.6)
"""mm/mV."""
_OVER = 1.7
"""Rows that a trace may be high: the next one's baseline is rarely where this one's peak is."""
_FLAT_MM = 0.12
"""Less than the pen is wide: one point will do."""
_BEAT_S = (0.12, 0.20)
"""What is coloured of a beat, before and after its R peak."""
_MARGIN_S = 3.0

Floats = NDArray[np.float64]


class Disclosure(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A lead, as much of it as rows of a minute show.

    Attributes
    ----------
    lead : str
        Its name.
    low, high : float32 array, shape (n,)
        Lowest and highest value in each thousandth of a minute, mV; NaN where there is none.
    """

    lead: str
    low: NDArray[np.float32]
    high: NDArray[np.float32]


def disclose(recording: Recording) -> Disclosure:
    """Read a recording once more and return what full disclosure shows of it.

    Parameters
    ----------
    recording : Recording
        Its first lead as models prefer them is shown, 0.5 to 40 Hz.

    Raises
    ------
    SourceError
        If it cannot be read to its end.
    """
    stream = recording.stream
    column = choose_leads(stream.leads)[0]
    memory = Memory(stream.fs_hz, (stream.leads[column],))
    low, high = array("f"), array("f")
    row = 0
    for message in recording.blocks(max(round(10 * stream.fs_hz), 1)):
        if isinstance(message, Gap):
            continue
        memory.add(Samples(start=message.start, mv=message.mv[:, column : column + 1]))
        # A hole may be longer than what is remembered: rows are drawn as soon as they are over.
        while memory.end >= round(((row + 1) * ROW_S + _MARGIN_S) * stream.fs_hz) and row * ROW_S < MOST_S:
            _add_row(memory, stream.fs_hz, row, low, high)
            row += 1
    while row * ROW_S * stream.fs_hz < memory.end and row * ROW_S < MOST_S:
        _add_row(memory, stream.fs_hz, row, low, high)
        row += 1
    return Disclosure(lead=stream.leads[column], low=np.array(low, np.float32), high=np.array(high, np.float32))


def _add_row(memory: Memory, fs_hz: float, row: int, low: array[float], high: array[float]) -> None:
    margin = round(_MARGIN_S * fs_hz)
    first, stop = round(row * ROW_S * fs_hz), round((row + 1) * ROW_S * fs_hz)
    mv = band_passed(memory.between(first - margin, stop + margin), fs_hz)[margin : margin + stop - first, 0]
    edges = np.arange(_COLUMNS) * len(mv) // _COLUMNS
    low.frombytes(np.fmin.reduceat(mv, edges).astype(np.float32).tobytes())
    high.frombytes(np.fmax.reduceat(mv, edges).astype(np.float32).tobytes())


def pages(found: Findings, disclosure: Disclosure) -> Iterator[Drawing]:
    """Yield the pages, half an hour each.

    Parameters
    ----------
    found : Findings
        Of the same recording: beats that are not N are in their colour, urgent episodes tinted.
    disclosure : Disclosure
        What is shown.
    """
    rows = math.ceil(len(disclosure.low) / _COLUMNS)
    gain = _gain(disclosure)
    for first in range(0, rows, ROWS):
        yield _page(found, disclosure, range(first, min(first + ROWS, rows)), gain)


def _gain(disclosure: Disclosure) -> float:
    low, high = disclosure.low[np.isfinite(disclosure.low)], disclosure.high[np.isfinite(disclosure.high)]
    if not len(low):
        return _GAINS[0]
    span = float(np.percentile(high, 99.5) - np.percentile(low, 0.5))
    return next((gain for gain in _GAINS if gain * span <= _OVER * _ROW), _GAINS[-1])


def _page(found: Findings, disclosure: Disclosure, rows: range, gain: float) -> Drawing:
    width, height = _LEFT + _TRACE + _RATE, _HEAD + len(rows) * _ROW + _FOOT
    start_s, stop_s = rows.start * ROW_S, min(rows.stop * ROW_S, math.ceil(found.subject.duration_s))
    when = f"{found.clock(start_s)}–{found.clock(stop_s)}"
    marks: list[Mark] = [
        d.Text(x=0, y=2.8, text=f"Full disclosure, {disclosure.lead}, {when}", size=3.0, bold=True),
        d.Text(x=width, y=2.8, text="1/min", size=2.3, colour=d.GREY, anchor="end"),
    ]
    for i, row in enumerate(rows):
        marks += _row_marks(found, disclosure, row, _HEAD + i * _ROW, gain)
    scale = f"a minute in a row, {_TRACE / ROW_S:.2f} mm/s · {gain:g} mm/mV · {BAND_HZ[0]:g}–{BAND_HZ[1]:g} Hz"
    marks.append(d.Text(x=_LEFT + _TRACE, y=height - 0.6, text=scale, size=2.3, colour=d.GREY, anchor="end"))
    marks += _legend(height - 0.6)
    return Drawing(width=width, height=height, marks=tuple(marks), title=f"Full disclosure, {disclosure.lead}, {when}")


def _legend(y: float) -> list[Mark]:
    marks: list[Mark] = []
    x = _LEFT
    for label in "SVF":
        marks.append(d.Text(x=x, y=y, text=label, size=2.5, colour=d.BEAT[label], bold=True))
        marks.append(d.Text(x=x + 2.2, y=y, text=content.LABELS[label], size=2.3, colour=d.GREY))
        x += 5 + 1.35 * len(content.LABELS[label])
    marks.append(d.Text(x=x, y=y, text="tinted: episodes of high and medium priority", size=2.3, colour=d.GREY))
    return marks


def _row_marks(found: Findings, disclosure: Disclosure, row: int, top: float, gain: float) -> list[Mark]:
    start_s, stop_s = float(row * ROW_S), float((row + 1) * ROW_S)
    middle = top + 0.6 * _ROW
    marks: list[Mark] = []
    for _, priority, a, b in reversed(content.spans(found, start_s, stop_s)):
        if priority != "low":
            left, right = _x(max(a, start_s) - start_s), _x(min(b, stop_s) - start_s)
            fill = d.PRIORITY[priority]
            marks.append(d.Box(x=left, y=top, w=max(right - left, 0.6), h=_ROW, fill=fill, opacity=0.14))
    end_s = min(stop_s, found.subject.duration_s)
    for a, b in found.readable.stretches:
        if a < end_s and b > start_s:
            left, right = _x(max(a, start_s) - start_s), _x(min(b, end_s) - start_s)
            marks.append(d.Box(x=left, y=top + 0.4, w=right - left, h=_ROW - 0.8, hatched=True))
    marks.append(d.line(_LEFT, top + _ROW, _LEFT + _TRACE, top + _ROW, width=0.05, colour=d.PALE))
    marks.append(
        d.Text(x=_LEFT - 1.2, y=middle + 0.8, text=found.clock(start_s), size=2.2, colour=d.GREY, anchor="end")
    )
    cut = slice(row * _COLUMNS, (row + 1) * _COLUMNS)
    beats = found.beats
    near = beats[np.searchsorted(beats["time_s"], start_s) : np.searchsorted(beats["time_s"], stop_s)]
    top_mm = middle - gain * disclosure.high[cut].astype(np.float64)
    bottom_mm = middle - gain * disclosure.low[cut].astype(np.float64)
    marks += _traces(*_zigzag(top_mm, bottom_mm), _coloured(near, start_s))
    rr = near["rr_ms"][np.isfinite(near["rr_ms"])]
    if len(rr):
        rate = f"{60_000 / float(rr.mean()):.0f}"
        marks.append(d.Text(x=_LEFT + _TRACE + _RATE, y=middle + 0.8, text=rate, size=2.2, colour=d.GREY, anchor="end"))
    return marks


def _x(seconds: float) -> float:
    return _LEFT + seconds / ROW_S * _TRACE


def _coloured(beats: NDArray[np.void], start_s: float) -> NDArray[np.str_]:
    """Return the label that each column of a row is drawn for."""
    labels = np.full(_COLUMNS, "N", "U1")
    for beat in beats[np.isin(beats["label"], ("S", "V", "F"))]:
        at = (float(beat["time_s"]) - start_s) / ROW_S * _COLUMNS
        before, after = (t / ROW_S * _COLUMNS for t in _BEAT_S)
        labels[max(round(at - before), 0) : round(at + after) + 1] = beat["label"]
    return labels


def _traces(points: Floats, column: NDArray[np.int64], labels: NDArray[np.str_]) -> list[Mark]:
    """Return one line per colour; where another colour goes on, the pen is lifted."""
    colour = labels[column]
    marks: list[Mark] = []
    for label in ("N", "S", "V", "F"):
        mine = colour == label
        if mine.any():
            ink = d.INK if label == "N" else d.BEAT[label]
            # A piece ends in the first point of the next one, so that there is no hole between colours.
            shown = mine | np.concatenate([[False], mine[:-1]])
            lifted = points.copy()
            lifted[~shown] = np.nan
            marks.append(d.Line(points=_once(lifted), width=0.13, colour=ink))
    return marks


def _zigzag(top: Floats, bottom: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the points of a line that goes through the extremes of each column, and the column of each point."""
    n = len(top)
    x = _LEFT + (np.arange(n) + 0.5) * _TRACE / _COLUMNS
    flat = ~(bottom - top > _FLAT_MM)
    first = np.where(np.arange(n) % 2 == 0, bottom, top)
    second = np.where(np.arange(n) % 2 == 0, top, bottom)
    first = np.where(flat, (top + bottom) / 2, first)
    points = np.stack([np.repeat(x, 2), np.stack([first, second], axis=1).ravel()], axis=1)
    keep = np.stack([np.ones(n, bool), ~flat], axis=1).ravel()
    return points[keep], np.repeat(np.arange(n), 2)[keep]


def _once(points: Floats) -> Floats:
    """Return points without more than one missing one after the other, and none at the ends."""
    missing = np.isnan(points[:, 1])
    again = missing & np.concatenate([[True], missing[:-1]])
    kept = points[~again]
    ends = len(kept) and np.isnan(kept[-1, 1])
    return np.asarray(kept[:-1] if ends else kept)
