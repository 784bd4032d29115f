"""The time in a table: which column says it, in which unit, at which rate samples come and where some are missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.sources.table.forms import Column
from edge.sources.table.rows import Rows
from edge.sources.table.text import is_time

Kind = Literal["number", "clock", "date", "sample"]
Floats = NDArray[np.float64]

_GUESSES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_USUAL_HZ = (50.0, 5000.0)
_HOLE_STEPS, _HOLE_S = 2.5, 0.02
"""A step longer than that leaves samples out; a shorter one is the clock's jitter."""
_DAY_S = 86_400.0
_LOOKED_AT = 2_000
_EPOCH_S = (946_684_800.0, 4_102_444_800.0)
"""2000 to 2100."""


class TimeColumn(msgspec.Struct, frozen=True, kw_only=True):
    """The column that says the time.

    Attributes
    ----------
    index : int
        Which one it is.
    kind : Kind
        Numbers of a unit, a clock's time, dates, or sample numbers, which need a rate.
    seconds : float
        Of one unit; 1 if it is no number.
    text : str
        In words.
    """

    index: int
    kind: Kind
    seconds: float = 1.0
    text: str = ""


def find_time(
    columns: Sequence[Column], cells: Mapping[int, Sequence[str]], values: Floats, counting: Sequence[int]
) -> TimeColumn | None:
    """Return the column that says the time best; None if none does.

    Parameters
    ----------
    columns : sequence of Column
        What is said of them.
    cells : mapping of sequence of str
        The first rows as they are written, by column.
    values : float array, shape (n, n_columns)
        The same as numbers, NaN where they are none.
    counting : sequence of int
        Columns that count up, by name or by how they behave.
    """
    found: list[tuple[int, float, TimeColumn]] = []
    for index, column in enumerate(columns):
        written = [cell for cell in cells.get(index, ())[:_LOOKED_AT] if cell]
        if written and sum(map(is_time, written)) > 0.9 * len(written):
            kind: Kind = "date" if _DAY.search(written[0]) else "clock"
            seconds = np.array([_seconds(cell, kind) for cell in written])
            what = "dates and times" if kind == "date" else "times of day"
            found.append((1, _fineness(seconds), TimeColumn(index=index, kind=kind, text=what)))
        elif index in counting:
            numbers = values[:, index]
            if (numeric := _numeric(index, column, numbers)) is not None:
                found.append((0 if numeric.kind == "sample" else 2, _fineness(numbers), numeric))
    if not found:
        return None
    # The one that is fine enough to tell samples apart; of such, a time before a number.
    return max(found, key=lambda f: (f[1] > 0.9, f[0], f[1]))[2]


def _fineness(values: Floats) -> float:
    """Return which share of steps goes forward: a phone's stamps stand still while a packet is written."""
    steps = np.diff(values)
    return float(np.mean(steps > 0)) if len(steps) else 0.0


def _numeric(index: int, column: Column, values: Floats) -> TimeColumn | None:
    steps = np.diff(values[np.isfinite(values)])
    steps = steps[steps > 0]
    if len(steps) < 3:
        return None
    step = float(np.median(steps))
    if column.seconds is not None:
        return TimeColumn(index=index, kind="number", seconds=column.seconds, text=f"time in {column.unit}")
    if np.mean(steps == 1) > 0.9:
        return TimeColumn(index=index, kind="sample", text="sample numbers")
    for seconds, unit in _GUESSES:
        if _USUAL_HZ[0] <= 1 / (step * seconds) <= _USUAL_HZ[1]:
            return TimeColumn(index=index, kind="number", seconds=seconds, text=f"time, taken for {unit}")
    # Slower than any ECG, but nothing else than seconds: that it is too slow is said where rates are looked at.
    return TimeColumn(index=index, kind="number", text="time, taken for s") if step < 1 else None


def in_seconds(column: TimeColumn, rows: Rows) -> Floats:
    """Return the times of rows in seconds, or their sample numbers; NaN where there is none."""
    if column.kind in ("number", "sample"):
        return rows.numbers[:, column.index] * column.seconds
    seconds = np.array([_seconds(cell, column.kind) for cell in rows.cells[column.index]], np.float64)
    if column.kind == "clock" and len(seconds):
        # Past midnight a clock begins anew.
        steps = np.diff(seconds)
        seconds[1:] += _DAY_S * np.cumsum(np.nan_to_num(steps) < -_DAY_S / 2)
    return seconds


def start_of(column: TimeColumn, first: float) -> datetime | None:
    """Return the UTC time of the first row, where the column says one: a date, or seconds since 1970."""
    if column.kind not in ("date", "number") or not _EPOCH_S[0] <= first <= _EPOCH_S[1]:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=first)


def rate_of(seconds: Floats) -> float | None:
    """Return samples a second, holes left out; None where there are too few steps.

    Clocks round: the rate is that of many steps together, and one that is as good as a whole number is one.
    """
    steps = np.diff(seconds)
    steps = steps[np.isfinite(steps)]
    if len(steps) < 10 or not (steps > 0).any():
        return None
    step = float(np.median(steps[steps > 0])) if np.mean(steps > 0) > 0.5 else float(steps[steps > 0].mean())
    usual = steps[(steps >= 0) & (steps <= max(_HOLE_STEPS * step, step + _HOLE_S))]
    total = float(usual.sum())
    if total <= 0:
        return None
    fs_hz = len(usual) / total
    near = round(fs_hz)
    return float(near) if near and abs(fs_hz - near) < 2e-3 * near else round(fs_hz, 3)


def missing_before(seconds: Floats, last: tuple[float, float] | None, fs_hz: float) -> NDArray[np.int64]:
    """Return how many samples are missing before each row.

    One stamp that is out of line makes no gap: a gap is between the later of the two rows before it and the earlier of
    the two after it.

    Parameters
    ----------
    seconds : float array
        Times of rows that follow each other, NaN where not known.
    last : (float, float) or None
        Times of the two rows before.
    fs_hz : float
        Rate.
    """
    n = len(seconds)
    known = np.isfinite(seconds)
    at = np.maximum.accumulate(np.where(known, np.arange(n), -1))
    filled = np.where(at >= 0, seconds[np.maximum(at, 0)] + (np.arange(n) - at) / fs_hz, np.nan)
    before = np.concatenate([np.array(last if last is not None else (np.nan, np.nan)), filled])
    from_s = np.fmax(before[1 : n + 1], before[:n])
    to_s = np.fmin(filled, np.append(filled[1:] - 1 / fs_hz, np.inf))
    steps = to_s - from_s
    with np.errstate(invalid="ignore"):
        holes = steps > max(_HOLE_STEPS / fs_hz, 1.5 / fs_hz + _HOLE_S)
    lost = np.zeros(n, np.int64)
    lost[holes] = np.rint(np.clip(steps[holes] * fs_hz, 1, 2**53)).astype(np.int64) - 1
    return lost


def _seconds(cell: str, kind: Kind) -> float:
    text = cell.strip("[] ")
    try:
        if kind == "clock":
            return _clock(text)
        return _date(text)
    except (ValueError, OverflowError):
        return float("nan")


def _clock(text: str) -> float:
    """Return seconds of `h:mm:ss.mmm`, or of `m:ss.mmm`, which PhysioNet writes."""
    text, half = _half_of_day(text)
    parts = text.replace(",", ".").split(":")
    if len(parts) == 4:
        parts = [*parts[:2], f"{parts[2]}.{parts[3]}"]
    seconds = float(parts[-1]) + 60 * float(parts[-2])
    if half is not None:
        # Twelve hours that begin with the twelfth; without seconds there are hours and minutes.
        hours, minutes = float(parts[0]) % 12 + half, seconds if len(parts) == 3 else 60 * float(parts[-1])
        return 3600 * hours + minutes
    return seconds + 3600 * float(parts[0]) if len(parts) == 3 else seconds


def _half_of_day(text: str) -> tuple[str, int | None]:
    """Return a time without AM or PM, and the hours that it adds; None where there is neither."""
    found = re.search(r"(?i)\s*([ap])\.?m\.?\s*$", text)
    return (text, None) if found is None else (text[: found.start()], 12 if found[1].lower() == "p" else 0)


_SHAPES = ("%d/%m/%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S.%f", "%H:%M:%S.%f %d/%m/%Y")


def _date(text: str) -> float:
    text, half = _half_of_day(text)
    if half is not None:
        # Who writes AM and PM writes the month first.
        day, _, clock = text.strip().rpartition(" ")
        return _day(day, american=True) + _clock(f"{clock} {'pm' if half else 'am'}")
    text = text.replace(",", ".")
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        text = text if "." in text.split(":")[-1] else re.sub(r"(:\d{2})(?!.*:\d{2})", r"\1.0", text)
        when = next(d for shape in _SHAPES if (d := _shaped(text, shape)) is not None)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%m/%d/%Y", "%m-%d-%Y")
_DAY = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4}")


def day_beside(column: TimeColumn, cells: Mapping[int, Sequence[str]]) -> tuple[int, float] | None:
    """Return the column that says the day of a clock's times, and its first day in seconds since 1970."""
    if column.kind != "clock":
        return None
    half = any(_half_of_day(cell)[1] is not None for cell in cells.get(column.index, ())[:10])
    for index, written in cells.items():
        days = [cell for cell in written[:_LOOKED_AT] if cell]
        if days and all(_DAY.fullmatch(day) for day in days):
            try:
                return index, _day(days[0], american=half)
            except ValueError:
                continue
    return None


def _day(text: str, *, american: bool = False) -> float:
    """Return a day in seconds since 1970.

    Raises
    ------
    ValueError
        If it is none.
    """
    shapes = ("%m/%d/%Y", "%m-%d-%Y", *_DAYS) if american else _DAYS
    when = next((day for shape in shapes if (day := _shaped(text, shape)) is not None), None)
    if when is None:
        raise ValueError(text)
    return when.replace(tzinfo=UTC).timestamp()


def _shaped(text: str, shape: str) -> datetime | None:
    try:
        return datetime.strptime(text, shape)  # UTC where no zone is said
    except ValueError:
        return None
