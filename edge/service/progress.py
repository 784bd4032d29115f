"""One line on a terminal that says how far a replay is."""

from __future__ import annotations

import time
from typing import TextIO

from edge.errors import printable
from edge.messages import Stream
from edge.service.summary import Tally
from edge.sinks.console import clock

# Often enough to look alive, seldom enough to cost nothing.
_REDRAW_S = 0.1
_CLEAR = "\r\033[K"


class ProgressLine:
    """Draws a line over itself; draws nothing where there is no terminal.

    Parameters
    ----------
    out : text file
        Usually standard error.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out if out.isatty() else None
        self._drawn_at = 0.0
        self._drawn = False

    def __call__(self, stream: Stream, n_samples: int, tally: Tally) -> None:
        """Draw how far `stream` is, if it is time again."""
        now = time.monotonic()
        if self._out is None or now - self._drawn_at < _REDRAW_S:
            return
        self._drawn_at, self._drawn = now, True
        seen = clock(n_samples / stream.fs_hz)
        of = ""
        if stream.n_samples:
            of = f" of {clock(stream.n_samples / stream.fs_hz)} ({100 * n_samples // stream.n_samples} %)"
        beats, alerts = tally.beats.total(), tally.alerts.total()
        self._out.write(f"{_CLEAR}{printable(stream.name)}  {seen}{of}  {beats:,} beats  {alerts:,} alerts")
        self._out.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._out is not None and self._drawn:
            self._out.write(_CLEAR)
            self._out.flush()
            self._drawn = False
