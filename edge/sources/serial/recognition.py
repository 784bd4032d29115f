"""Finds out what a board sends from the first two seconds of its bytes."""

from __future__ import annotations

import msgspec

from edge.errors import SourceError
from edge.sources.serial.boards import FORMATS
from edge.sources.serial.boards.items import BoardFormat, Description, Item
from edge.sources.serial.settings import BoardSettings, FormatName

WAIT_S = 2.0
"""How long bytes are looked at before it is said that they are of no known format."""

_STANDARD_HZ = (100, 125, 128, 200, 250, 256, 300, 360, 400, 500, 512, 600, 720, 800, 1000)
# A sketch that paces itself with delay() is a few per cent slow.
_STANDARD_WITHIN = 0.03
_MIN_GOOD = {"native": 1, "openview": 10, "cyton": 20, "text": 100}
_MIN_SPAN_S = 1.5


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
    """

    def __init__(self, only: FormatName | None, options: BoardSettings) -> None:
        names = [only] if only else list(FORMATS)
        self._options = options
        self._candidates = [FORMATS[name](options) for name in names]
        self._items: dict[str, list[Item]] = {name: [] for name in names}
        self._n_bytes = 0
        self._looked_at = 0
        self._printable = 0
        self._began_s: float | None = None
        self._latest_s = 0.0
        self._first_good: dict[str, tuple[float, int]] = {}

    @property
    def n_bytes(self) -> int:
        """Bytes seen."""
        return self._n_bytes

    def push(self, data: bytes, now_s: float) -> Recognised | None:
        """Take bytes in that were there at `now_s`; return the format once it is known.

        Raises
        ------
        SourceError
            If after `WAIT_S` of bytes none of the formats understands them; says what they look like.
        """
        if data and self._began_s is None:
            self._began_s = now_s
        self._latest_s = now_s
        self._n_bytes += len(data)
        looked = data[:4096]
        self._looked_at += len(looked)
        self._printable += sum(9 <= byte <= 13 or 32 <= byte < 127 for byte in looked)
        for candidate in self._candidates:
            self._items[candidate.name] += candidate.push(data)
            if data and candidate.good:
                self._first_good.setdefault(candidate.name, (now_s, candidate.good))
            if recognised := self._accept(candidate):
                return recognised
        if self._began_s is not None and now_s - self._began_s > WAIT_S:
            raise SourceError("board", self.verdict(), "check --baud and --format")
        return None

    def verdict(self) -> str:
        """Say what the bytes look like, for people."""
        if not self._n_bytes:
            return "sends nothing"
        seen = [f"{c.name} {c.good} good, {c.bad} bad" for c in self._candidates if c.good]
        if seen:
            return f"{self._n_bytes:,} bytes of no clear format ({'; '.join(seen)})"
        share = self._printable / max(self._looked_at, 1)
        kind = "text without numbers" if share > 0.95 else "the line speed is probably wrong"
        return f"{self._n_bytes:,} bytes of no known format, {share:.0%} of them text: {kind}"

    def _accept(self, candidate: BoardFormat) -> Recognised | None:
        items = self._items[candidate.name]
        description = next((item for item in items if isinstance(item, Description)), None)
        if description is None:
            return None
        # Noise before the first good frame does not speak against a format whose frames carry a CRC.
        clear = candidate.name == "native" or candidate.bad <= 0.2 * candidate.good
        if candidate.good < _MIN_GOOD[candidate.name] or not clear:
            return None
        if description.fs_hz is None:
            fs_hz = self._measured_hz(candidate)
            if fs_hz is None:
                return None
            with_rate = msgspec.structs.replace(description, fs_hz=fs_hz)
            items[items.index(description)] = description = with_rate
        return Recognised(format=candidate, items=items, description=description)

    def _measured_hz(self, candidate: BoardFormat) -> float | None:
        """Return the rate at which samples came, or the standard one it is about."""
        first_s, already = self._first_good[candidate.name]
        span_s = self._latest_s - first_s
        if span_s < _MIN_SPAN_S:
            return None
        measured = (candidate.good - already) / span_s
        nearest = min(_STANDARD_HZ, key=lambda hz: abs(hz - measured))
        return float(nearest if abs(nearest - measured) <= _STANDARD_WITHIN * nearest else max(round(measured), 1))
