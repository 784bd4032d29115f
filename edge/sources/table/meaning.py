"""What the columns of a table mean: which are leads, what their numbers are, when each row was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.sources.array import MAX_FS_HZ, check_rate
from edge.sources.read_as import ReadAs
from edge.sources.serial.boards.columns import scale_of
from edge.sources.serial.settings import BoardSettings
from edge.sources.signal_kind import Verdict, choose_leads, kind_of
from edge.sources.table.forms import AMPLIFIER, Column, Said, unit_mv
from edge.sources.table.rows import Rows
from edge.sources.table.times import TimeColumn, day_beside, find_time, in_seconds, rate_of, start_of

SAY_RATE = "say how many samples a second it has, --rate HZ (fs_hz in Python and over HTTP)"

_ASSUMED_HZ = 250.0
_SAME = 0.999
_HIGHEST_MV = 20.0
_MOST_LEADS = 32
_COUNTS = frozenset({"adc", "adu", "counts", "count", "raw", "lsb"})

Floats = NDArray[np.float64]


class Meaning(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a table's rows are.

    Attributes
    ----------
    fs_hz : float
        Samples a second.
    time : TimeColumn or None
        The column whose jumps are gaps.
    columns : tuple of int
        Those that are leads.
    leads : tuple of str
        Their names.
    mv, zero : float array, shape (n_leads,)
        mV of each count, and the count at 0 mV.
    start : datetime or None
        UTC time of the first row.
    notes : tuple of str
        What was found out, not said; what is left out.
    """

    fs_hz: float
    time: TimeColumn | None
    columns: tuple[int, ...]
    leads: tuple[str, ...]
    mv: Floats
    zero: Floats
    start: datetime | None
    notes: tuple[str, ...]


def meaning_of(path: Path, said: Said, asked: ReadAs, head: Rows) -> Meaning:
    """Find out what the columns of a table mean.

    Parameters
    ----------
    path : Path
        The file, for messages.
    said : Said
        What it says of itself.
    asked : ReadAs
        What the user says of it.
    head : Rows
        The first rows, all cells also as they are written.

    Raises
    ------
    SourceError
        If it cannot be used, with what was understood and what is missing.
    """
    return _Reading(path.name, said, asked, head).meaning()


class _Reading:
    """One table on its way to its meaning."""

    def __init__(self, name: str, said: Said, asked: ReadAs, head: Rows) -> None:
        self._name, self._said, self._asked, self._head = name, said, asked, head
        self._names = [column.name or f"column {i + 1}" for i, column in enumerate(said.columns)]
        self._notes = list(said.notes)
        fs_hz = asked.fs_hz or said.fs_hz or _ASSUMED_HZ
        self._kinds = [_kind(c, v, fs_hz) for c, v in zip(said.columns, head.numbers.T, strict=True)]
        counting = [i for i, kind in enumerate(self._kinds) if kind.kind in ("clock", "counter")]
        self._time = find_time(said.columns, head.cells, head.numbers, counting)
        self._day = None if self._time is None else day_beside(self._time, head.cells)
        self._first_s = 0.0

    def meaning(self) -> Meaning:
        fs_hz = self._rate()
        columns, leads = self._leads()
        mv, zero = self._scales(columns, fs_hz)
        start = self._said.start or self._begun()
        return Meaning(
            fs_hz=fs_hz,
            time=self._time,
            columns=tuple(columns),
            leads=leads,
            mv=mv,
            zero=zero,
            start=start,
            notes=tuple(dict.fromkeys(self._notes)),
        )

    def _begun(self) -> datetime | None:
        """Return the time of the first row, as its time says it, or with the day that stands beside it."""
        if self._time is None:
            return None
        if self._day is not None:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=self._day[1] + self._first_s)
        return start_of(self._time, self._first_s)

    def _rate(self) -> float:
        """Return the rate; a time that contradicts it is not followed."""
        measured, time = self._measured(), self._time
        fs_hz = self._asked.fs_hz or self._said.fs_hz or measured
        if fs_hz is None:
            if (back := self._runs_back()) is not None:
                raise SourceError(self._name, f"its time ({back}) runs backwards", "sort its rows by time")
            raise SourceError(self._name, f"{self._understood()}; nothing says its rate", SAY_RATE)
        if time is not None and time.kind != "sample":
            if measured is None:
                self._time = None
            elif not 0.5 < measured / fs_hz < 2:
                self._notes.append(f"its {time.text} would make {measured:g} samples a second: it is not followed")
                self._time = None
        if self._asked.fs_hz is None:
            by = "as it says" if self._said.fs_hz else f"by its {time.text}" if time is not None else ""
            self._notes.append(f"{fs_hz:g} samples a second, {by}")
        if time is not None and time.kind == "sample" and not _rises(self._head.numbers[:, time.index]):
            self._time = None  # it wraps
        if fs_hz > MAX_FS_HZ * 100:
            raise SourceError(self._name, f"has {fs_hz:g} samples a second", "no ECG has so many: say its rate")
        check_rate(self._name, fs_hz)
        return fs_hz

    def _runs_back(self) -> str | None:
        """Return the name of a column that falls in even steps from row to row."""
        for name, values in zip(self._names, self._head.numbers.T, strict=True):
            steps = np.diff(values[np.isfinite(values)])
            if len(steps) > 10 and (steps < 0).all() and steps.min() > 1.5 * steps.max() - 1e-9:
                return name
        return None

    def _measured(self) -> float | None:
        time = self._time
        if time is None or time.kind == "sample":
            return None
        seconds = in_seconds(time, self._head)
        known = seconds[np.isfinite(seconds)]
        self._first_s = float(known[0]) if len(known) else 0.0
        return rate_of(seconds)

    def _understood(self) -> str:
        n = len(self._names)
        shown = ", ".join(self._names[:8]) + (" …" if n > 8 else "")
        time = f" with {self._time.text}" if self._time is not None else " and no time"
        return f"a table of {n} column{'s' if n > 1 else ''} ({shown}){time}"

    def _leads(self) -> tuple[list[int], tuple[str, ...]]:
        """Return which columns are leads, and their names."""
        time = -1 if self._time is None else self._time.index
        beside = () if self._day is None else (self._day[0],)
        clocks = {time, *beside, *(i for i, kind in enumerate(self._kinds) if kind.kind in ("clock", "counter"))}
        rest = [i for i in range(len(self._kinds)) if i not in clocks]
        # A separator at the end of each line makes no column.
        rest = [i for i in rest if self._said.columns[i].name or np.isfinite(self._head.numbers[:, i]).any()]
        if self._asked.leads is not None:
            return self._asked_for(self._asked.leads, rest), self._asked.leads
        found, notes = choose_leads([self._names[i] for i in rest], [self._kinds[i] for i in rest])
        if not found:
            what = "; ".join(
                f"{n}: {k}" for i, (n, k) in enumerate(zip(self._names, self._kinds, strict=True)) if i != time
            )
            raise SourceError(self._name, f"no ECG among its columns ({what})", "say which it is with --leads")
        self._notes += notes
        chosen = self._without_copies([rest[i] for i in found][:_MOST_LEADS])
        leads = [self._said.columns[i].name or f"lead{n + 1}" for n, i in enumerate(chosen)]
        return chosen, tuple(lead if leads.index(lead) == n else f"{lead}#{n + 1}" for n, lead in enumerate(leads))

    def _asked_for(self, leads: Sequence[str], rest: list[int]) -> list[int]:
        places = {name.casefold(): i for i, name in enumerate(self._names)}
        if all(lead.casefold() in places for lead in leads):
            return [places[lead.casefold()] for lead in leads]
        unnamed = not any(self._said.columns[i].name for i in rest)
        if len(leads) == len(rest) and unnamed:
            return rest
        missing = ", ".join(lead for lead in leads if lead.casefold() not in places)
        raise SourceError(self._name, f"has no column {missing}", f"it has {', '.join(self._names)}")

    def _without_copies(self, chosen: list[int]) -> list[int]:
        """Leave out what is another column in another unit: counts beside volts."""
        kept: list[int] = []
        # One whose unit is known is worth more than one whose is not.
        for i in sorted(chosen, key=lambda i: (self._said.columns[i].mv is None, i)):
            twin = next((k for k in kept if _same(self._head.numbers[:, i], self._head.numbers[:, k])), None)
            if twin is None:
                kept.append(i)
            else:
                self._notes.append(f"{self._names[i]} is left out: it is {self._names[twin]} in another unit")
        return sorted(kept)

    def _scales(self, chosen: Sequence[int], fs_hz: float) -> tuple[Floats, Floats]:
        """Return mV of each count, and the count at 0 mV, of each lead."""
        columns, unit = [self._said.columns[i] for i in chosen], self._asked.unit
        values = self._head.numbers[:, list(chosen)]
        if unit is not None and unit != "adc":
            columns = [replace(c, unit=unit, mv=unit_mv(unit), zero=0.0) for c in columns]
        elif unit == "adc":
            columns = [c if c.unit == "adc" and c.mv is not None else replace(c, unit="adc", mv=None) for c in columns]
        if any(column.mv is None for column in columns):
            return self._guessed(columns, values, fs_hz)
        mv = np.array([column.mv or 1.0 for column in columns])
        zero = np.array([column.zero for column in columns])
        for i, column in enumerate(columns):
            swing = float(np.subtract(*np.nanpercentile(values[:, i], [99.5, 0.5]))) * mv[i]
            if column.unit == "v" and swing > _HIGHEST_MV:
                mv[i], zero[i] = mv[i] / AMPLIFIER, float(np.nanmedian(values[:, i]))
                self._notes.append(f"volts of an amplifier, its gain taken for {AMPLIFIER:g}")
            elif swing > _HIGHEST_MV:
                self._notes.append(f"{swing:.3g} mV from peak to peak are more than an ECG has: is the unit right?")
        return mv, zero

    def _guessed(self, columns: Sequence[Column], values: Floats, fs_hz: float) -> tuple[Floats, Floats]:
        told = all(column.unit in _COUNTS for column in columns)
        scale = scale_of(values, BoardSettings(), unit="adc" if told else None, beats=True, fs_hz=fs_hz)
        taken = scale.text if scale.text.startswith("of ") else f"taken for {scale.text}"
        self._notes.append(scale.text if told else f"no unit is said: the numbers are {taken}")
        return np.full(len(columns), scale.mv), np.full(len(columns), scale.zero)


def _kind(column: Column, values: Floats, fs_hz: float) -> Verdict:
    if not np.isfinite(values).any():
        return Verdict("other", "no numbers")
    if column.mv is None:
        return kind_of(column.name, column.unit, values, fs_hz)
    kind = kind_of(column.name, "", values, fs_hz)
    return Verdict("ecg", "its unit") if kind.kind == "unknown" else kind


def _rises(values: Floats) -> bool:
    return bool((np.diff(values[np.isfinite(values)]) > 0).all())


def _same(a: Floats, b: Floats) -> bool:
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 100 or not np.ptp(a[both]) or not np.ptp(b[both]):
        return False
    return float(np.corrcoef(a[both], b[both])[0, 1]) > _SAME
