"""Boards that send lines of numbers."""

from __future__ import annotations

import contextlib

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.sources.serial.boards.columns import (
    Choice,
    Scale,
    Table,
    Values,
    choose,
    contradicted,
    named_by,
    scale_of,
    unit_in,
    verdicts_of,
)
from edge.sources.serial.boards.items import Block, BoardState, Description, Item
from edge.sources.serial.boards.pace import Pace
from edge.sources.serial.settings import BoardSettings, FormatName
from edge.sources.signal_kind import SURE_SECONDS, Verdict
from firmware_bridge import text
from firmware_bridge.text import Row

_ROWS_TO_JUDGE, _SECONDS_TO_JUDGE = 100, 1.5
_ROWS_BETWEEN, _SECONDS_BETWEEN = 25, 0.5
_MOST_ROWS = 20_000
_ASSUMED_HZ = 250.0
# So often what was found out is looked at again, on so many of the latest rows.
_LOOK_EVERY_S = 10.0
# So many values beyond a converter's limits are no damaged lines.
_DAMAGED = 0.02
_DOUBTFUL = 0.03
# A rate that turns out this much off was measured on too little, or is not what the user says.
_MEASURED_OFF, _SAID_OFF, _RATE_SPAN_S = 0.01, 0.03, 15.0


class Layout:
    """What was found out of a board's lines; kept when it is unplugged and comes back.

    Parameters
    ----------
    table : Table
        How lines become columns.
    choice : Choice
        Which are leads.
    scale : Scale
        What the numbers mean.
    fs_hz : float or None
        At what rate they come.
    tells_off : bool
        Whether the lines say when an electrode is off.
    clear : bool
        Whether an ECG is seen, or nothing that may become one.
    """

    def __init__(
        self,
        table: Table,
        choice: Choice,
        scale: Scale,
        fs_hz: float | None,
        *,
        tells_off: bool,
        clear: bool = True,
    ) -> None:
        self.table, self.choice, self.scale, self.fs_hz = table, choice, scale, fs_hz
        self.tells_off, self.clear = tells_off, clear

    @property
    def provisional(self) -> bool:
        """Whether no number has come yet."""
        return not self.choice.named

    def description(self, stretch: int) -> Description:
        """Return it in words."""
        columns, n = self.choice.columns, len(self.table.names)
        what = f"text, {n} column{'s' if n > 1 else ''}"
        if len(columns) < n:
            what += f", of which {', '.join(self.choice.named[i] for i in columns)} read"
        limits = self.scale.range_mv
        return Description(
            stream=stretch,
            name="text-board",
            fs_hz=self.fs_hz,
            leads=self.choice.leads,
            range_mv=(limits,) * len(columns) if limits else None,
            what=f"{what}, {self.scale.text}",
            modulo=None,
            notes=self.choice.notes,
            lead_off_detection=self.tells_off,
        )


class Text:
    """Lines of numbers.

    Parameters
    ----------
    options : BoardSettings
        What the user says of the board.
    layout : Layout, optional
        What was found out of it before.
    """

    name: FormatName = "text"
    wake = b""

    def __init__(self, options: BoardSettings, layout: Layout | None = None) -> None:
        self._options = options
        self._decoder = text.Decoder()
        self.layout = layout
        self._known = layout is not None
        # Until it is known what the lines mean they are kept, with the time until when so many had come.
        self._first: list[Row] = []
        self._arrivals: list[tuple[float, int]] = []
        self._pace = Pace()
        self._judge_at, self._judge_s = _ROWS_TO_JUDGE, 0.0
        self._stretch = -1
        self._misfits = 0
        self._recent: list[list[float]] = []
        self._unlooked = 0
        self._off: tuple[bool, ...] = ()
        self._since_told = 0
        self._now_s: float | None = None

    @property
    def good(self) -> int:
        """Lines understood."""
        return self._decoder.good - self._misfits

    @property
    def bad(self) -> int:
        """Lines that were something else."""
        return self._decoder.bad + self._misfits

    def push(self, data: bytes, now_s: float | None = None) -> list[Item]:
        """Take bytes in that were there at `now_s`; return what they lead to.

        Raises
        ------
        SourceError
            If there is no ECG in what it sends, or not what the user says.
        """
        rows = self._decoder.push(data)
        self._now_s = now_s
        if self.layout is not None:
            return self._begun(rows)
        self._keep(rows)
        return self._judge(self._first, SURE_SECONDS)

    def _begun(self, rows: list[Row]) -> list[Item]:
        """Go on with a layout: the one found before, or one that is waiting for its first number."""
        assert self.layout is not None  # noqa: S101  # push() has looked
        out: list[Item] = []
        if self._known:
            self._known = False
            out += self._describe()
        if self.layout.provisional and any(rows):
            self._keep([row for row in rows if row])
            if judged := self._judge(self._first, 0.0):
                return [*out, *judged]
            # Until it is known what the numbers mean, there is no value; but something has come.
            rows = [Row()] * len(rows)
        return [*out, *self._block(rows)]

    def _keep(self, rows: list[Row]) -> None:
        self._first += rows
        if rows and self._now_s is not None:
            self._arrivals.append((self._now_s, len(self._first)))
        if (n := len(self._first) - _MOST_ROWS) > 0:
            del self._first[:n]
            self._arrivals = [(at_s, end - n) for at_s, end in self._arrivals if end > n]

    def _judge(self, rows: list[Row], patience_s: float) -> list[Item]:
        """Find out from the first lines what they mean; nothing as long as there are too few."""
        now_s = self._now_s or 0.0
        if len(rows) < self._judge_at and (len(rows) < _ROWS_TO_JUDGE or now_s < self._judge_s):
            return []
        self._judge_at, self._judge_s = len(rows) + _ROWS_BETWEEN, now_s + _SECONDS_BETWEEN
        self._refuse_doubtful()
        table = Table.of(rows)
        pace = self._paced(table)
        fs_hz = self._options.rate_hz or pace.hz(now_s)
        if self._arrivals and (fs_hz is None or pace.span_s < _SECONDS_TO_JUDGE):
            return []
        layout = _all_off(self._options, fs_hz) if table is None else self._laid_out(table, rows, fs_hz)
        if layout is None or (self._arrivals and not layout.clear and pace.span_s < patience_s):
            return []
        self.layout = layout
        self._first, self._arrivals, self._judge_at = [], [], _ROWS_TO_JUDGE
        self._recent, self._unlooked = [], 0
        return [*self._describe(), *self._block(rows)]

    def _refuse_doubtful(self) -> None:
        """Refuse numbers that are others than they seem, rather than watch them."""
        for what, n in self._decoder.doubts.items():
            if n > _DOUBTFUL * (self._decoder.good + self._decoder.bad):
                raise SourceError("text board", f"sends {what}", "print them in decimal, with a point")

    def _laid_out(self, table: Table, rows: list[Row], fs_hz: float | None) -> Layout | None:
        values, _, _ = table.all(rows)
        table.clear()
        if len(values) < _ROWS_TO_JUDGE // 2:
            return None
        names = table.names if table.named else named_by(self._decoder.headers, table.names)
        kinds = verdicts_of(names, values, fs_hz or _ASSUMED_HZ)
        choice = choose(names, kinds, self._options)
        beats = any(verdict.kind == "ecg" for verdict in kinds)
        scale = _scaled(choice, values, self._options, beats=beats, fs_hz=fs_hz or _ASSUMED_HZ)
        tells_off = bool(choice.off_flags) or any(not row or row.off for row in rows)
        tells_off = tells_off or (self.layout is not None and self.layout.tells_off)
        clear = beats or not any(verdict.kind == "unknown" for verdict in kinds)
        return Layout(table, choice, scale, fs_hz, tells_off=tells_off, clear=clear)

    def _paced(self, table: Table | None) -> Pace:
        """Return at which rate samples came so far."""
        pace, before = Pace(), 0
        for at_s, n in self._arrivals:
            part = self._first[before:n]
            pace.add(len(part) if table is None else len(table.all(part)[0]), at_s)
            before = n
        if table is not None:
            table.clear()
        return pace

    def _describe(self) -> list[Item]:
        assert self.layout is not None  # noqa: S101
        self._stretch += 1
        self._pace = Pace()
        self._off = ()
        return [self.layout.description(self._stretch)]

    def _block(self, rows: list[Row]) -> list[Item]:
        assert self.layout is not None  # noqa: S101
        values, off, misfits = self.layout.table.all(rows)
        self._misfits += misfits
        if not len(values):
            return []
        if self._now_s is not None:
            self._pace.add(len(values), self._now_s)
        self._recent += values.tolist()
        self._unlooked += len(values)
        again = self._looked_again(self.layout)
        layout = self.layout
        gone = off[:, layout.choice.columns]
        if layout.choice.off_flags:
            gone |= (np.nan_to_num(values[:, layout.choice.off_flags]) != 0).any(axis=1, keepdims=True)
        chosen = np.where(gone, np.nan, values[:, layout.choice.columns])
        chosen[layout.scale.beyond(chosen)] = np.nan
        block = Block(stream=self._stretch, counter=None, board_us=None, mv=layout.scale.of(chosen))
        return [*again, block, *self._state(gone, layout.fs_hz or _ASSUMED_HZ)]

    def _state(self, gone: NDArray[np.bool_], fs_hz: float) -> list[Item]:
        """Tell when an electrode comes or goes, not more than twice a second."""
        self._since_told += len(gone)
        off = tuple(bool(lead) for lead in gone[-1])
        if off == (self._off or (False,) * len(off)) or (self._off and self._since_told < fs_hz / 2):
            return []
        self._off, self._since_told = off, 0
        return [BoardState(stream=self._stretch, leads_off=off, battery=None, dropped=0)]

    def _looked_again(self, layout: Layout) -> list[Item]:
        """Return another description if the signal contradicts the one so far."""
        fs_hz = layout.fs_hz or _ASSUMED_HZ
        enough = int(_LOOK_EVERY_S * fs_hz)
        beyond = self._unlooked >= fs_hz and layout.scale.limits is not None and self._out_of_range(layout, int(fs_hz))
        if layout.provisional or (self._unlooked < enough and not beyond):
            return []
        self._unlooked = 0
        self._recent = self._recent[-enough:]
        better = self._better(layout, np.array(self._recent), fs_hz, rescale=beyond)
        if better is None:
            return []
        self.layout = better
        return self._describe()

    def _out_of_range(self, layout: Layout, n: int) -> bool:
        """Whether more than a damaged line here and there is beyond what the converter is thought to give."""
        latest = np.array(self._recent[-n:])[:, layout.choice.columns]
        return bool(layout.scale.beyond(latest).mean() > _DAMAGED)

    def _better(self, layout: Layout, recent: Values, fs_hz: float, *, rescale: bool) -> Layout | None:
        """Return what the latest rows say, if that is something else than was thought."""
        names, read = layout.choice.named, set(layout.choice.columns)
        kinds = verdicts_of(names, recent, fs_hz)
        seen = {i for i, verdict in enumerate(kinds) if verdict.kind == "ecg"}
        counting = {i for i in read if kinds[i].kind in ("clock", "counter")}
        choice = layout.choice
        if seen - read or counting:
            with contextlib.suppress(SourceError):
                # What is read stays read: a lead that shows nothing now may be the one that shows something soon.
                kept = [Verdict("ecg", "read so far") if i in read - counting else v for i, v in enumerate(kinds)]
                choice = choose(names, kept, self._options)
        beats = [i for i in choice.columns if i in seen]
        scale = layout.scale
        if (
            choice.columns != layout.choice.columns
            or rescale
            or (beats and contradicted(scale, recent[:, beats], fs_hz))
        ):
            scale = _scaled(choice, recent, self._options, beats=bool(beats), fs_hz=fs_hz)
        by = _SAID_OFF if self._options.rate_hz else _MEASURED_OFF
        rate_hz = self._pace.other_than(fs_hz, self._now_s or 0.0, by=by, span_s=_RATE_SPAN_S)
        if rate_hz is not None:
            note = f"samples come at {rate_hz:g} a second, not at {fs_hz:g}"
            choice = msgspec.structs.replace(choice, notes=(*choice.notes, note))
        if choice.columns == layout.choice.columns and scale == layout.scale and rate_hz is None:
            return None
        return Layout(layout.table, choice, scale, rate_hz or layout.fs_hz, tells_off=layout.tells_off)


def _all_off(options: BoardSettings, fs_hz: float | None) -> Layout:
    """Return what is known of a board that has said nothing but that an electrode is off."""
    choice = Choice(columns=(0,), leads=(options.leads or ("lead1",))[:1])
    scale = Scale(mv=1.0, text="an electrode is off from the start")
    return Layout(Table(("column 1",), named=False), choice, scale, fs_hz, tells_off=True)


def _scaled(choice: Choice, values: Values, options: BoardSettings, *, beats: bool, fs_hz: float) -> Scale:
    unit = unit_in(choice.named[i] for i in choice.columns)
    return scale_of(values[:, choice.columns], options, unit=unit, beats=beats, fs_hz=fs_hz)
