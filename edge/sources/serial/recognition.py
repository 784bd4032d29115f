"""Finds out what a board sends, from the first seconds in which it sends something.

A board may take long to boot, and say so in words: what is no format yet is let pass, and only what came lately counts.
"""

from __future__ import annotations

from collections import deque

import msgspec

from edge.errors import SourceError
from edge.sources.serial.boards import FORMATS
from edge.sources.serial.boards.items import BoardFormat, Description, Item
from edge.sources.serial.boards.text import Layout, Text
from edge.sources.serial.settings import BoardSettings, FormatName

WAIT_S = 2.0
"""How long bytes are looked at before it is said that they are of no known format."""
BOOT_S = 60.0
"""How long a board may send words, or nothing after some noise, before it is said that there are no numbers."""

_QUIET_S = 10.0
_MIN_GOOD = {"native": 1, "openview": 10, "cyton": 20, "text": 100}
# What came longer ago, while it booted, says nothing of what it sends now.
_LATELY_S = 4.0
_TEXT = 0.95


class Recognised(msgspec.Struct, frozen=True, kw_only=True):
    """A format, and what it made of the bytes so far.

    Attributes
    ----------
    format : BoardFormat
        To be given the bytes that follow.
    items : list of Item
        What the bytes so far led to, the description among them.
    description : Description
        What the board is; its rate is known.
    """

    format: BoardFormat
    items: list[Item]
    description: Description


class Recogniser:
    """Gives the same bytes to every format until one of them understands.

    Parameters
    ----------
    only : FormatName or None
        The format that is expected; None tries all.
    options : BoardSettings
        What the user knows of the board.
    layout : Layout or None
        What was found out of a text board before it went away.
    """

    def __init__(self, only: FormatName | None, options: BoardSettings, layout: Layout | None = None) -> None:
        names = [only] if only else list(FORMATS)
        self._options = options
        self._candidates = [
            Text(options, layout) if name == "text" and layout is not None else FORMATS[name](options) for name in names
        ]
        self._items: dict[str, list[Item]] = {name: [] for name in names}
        self._tallies = {name: _Tally() for name in names}
        self._printable = _Tally()
        self._n_bytes = 0
        self._began_s: float | None = None
        self._latest_s = 0.0

    @property
    def n_bytes(self) -> int:
        """Bytes seen."""
        return self._n_bytes

    @property
    def latest_s(self) -> float:
        """When the latest bytes came; 0 before the first."""
        return self._latest_s

    def push(self, data: bytes, now_s: float) -> Recognised | None:
        """Take bytes in that were there at `now_s`; return the format once it is known.

        Raises
        ------
        SourceError
            If none of the formats understands them, after `WAIT_S` of bytes or `BOOT_S` of words: says what they look
            like. If the format is clear, but not which board it is, or if there is no ECG in what it sends.
        """
        if data:
            self._began_s = now_s if self._began_s is None else self._began_s
            self._latest_s = now_s
            self._n_bytes += len(data)
            looked = data[:4096]
            printable = sum(9 <= byte <= 13 or 32 <= byte < 127 for byte in looked)
            self._printable.add(printable, len(looked) - printable, now_s)
        for candidate in self._candidates:
            before = candidate.good, candidate.bad
            try:
                self._items[candidate.name] += candidate.push(data, now_s)
            except SourceError:
                # Words with a number here and there are no board that sends no ECG.
                self._tallies[candidate.name].add(candidate.good - before[0], candidate.bad - before[1], now_s)
                if candidate.name == "text" and not self._clear(candidate):
                    continue
                raise
            self._tallies[candidate.name].add(candidate.good - before[0], candidate.bad - before[1], now_s)
            if recognised := self._accept(candidate):
                return recognised
        if self._began_s is not None and now_s - self._began_s > self._patience_s(now_s):
            raise SourceError("board", self.verdict(), "check --baud and --format")
        return None

    def _patience_s(self, now_s: float) -> float:
        if self._printable.share > _TEXT:
            return BOOT_S
        return WAIT_S if now_s - self._latest_s < 1.0 else _QUIET_S

    def verdict(self) -> str:
        """Say what the bytes look like, for people."""
        if not self._n_bytes:
            return "sends nothing"
        seen = [f"{c.name} {c.good} good, {c.bad} bad" for c in self._candidates if c.good]
        if seen:
            return f"{self._n_bytes:,} bytes of no clear format ({'; '.join(seen)})"
        share = self._printable.share
        kind = "text without numbers" if share > _TEXT else "the line speed is probably wrong"
        return f"{self._n_bytes:,} bytes of no known format, {share:.0%} of them text: {kind}"

    def _clear(self, candidate: BoardFormat) -> bool:
        tally = self._tallies[candidate.name]
        # Noise before the first good frame does not speak against a format whose frames carry a CRC.
        clear = candidate.name == "native" or tally.bad <= 0.2 * tally.good
        return tally.good >= _MIN_GOOD[candidate.name] and clear

    def _accept(self, candidate: BoardFormat) -> Recognised | None:
        items = self._items[candidate.name]
        described = [item for item in items if isinstance(item, Description)]
        if not described or not self._clear(candidate):
            return None
        description = described[-1]
        if description.question is not None:
            raise SourceError(candidate.name, description.question, "say it with --board, or sensor.board")
        return Recognised(format=candidate, items=items, description=description) if description.fs_hz else None


class _Tally:
    """How much was good and bad of what came lately."""

    def __init__(self) -> None:
        self._parts: deque[tuple[float, int, int]] = deque()
        self.good = self.bad = 0

    @property
    def share(self) -> float:
        """How much of it is good."""
        return self.good / max(self.good + self.bad, 1)

    def add(self, good: int, bad: int, now_s: float) -> None:
        """Count, and forget what came long ago."""
        if not good and not bad:
            return
        self._parts.append((now_s, good, bad))
        self.good += good
        self.bad += bad
        while self._parts[0][0] < now_s - _LATELY_S:
            _, good, bad = self._parts.popleft()
            self.good -= good
            self.bad -= bad
