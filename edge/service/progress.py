"""One line on a terminal that says how far a stream is: time, heart rate, beats by label, the last alert."""

from __future__ import annotations

import time
from typing import TextIO

from edge.errors import printable
from edge.kinds import title
from edge.messages import Stream
from edge.service.summary import Tally
from edge.service.terminal import draws, width
from edge.sinks.console import clock

# Often enough to look alive, seldom enough to cost nothing.
_REDRAW_S = 0.1
_CLEAR = "\r\033[K"
_WIDTH = 80


def live_line(stream: Stream, n_samples: int, tally: Tally, columns: int) -> str:
    """Return how far a stream is and what was found; what has no room is left out, the least important first."""
    of = ""
    if stream.n_samples:
        of = f" of {clock(stream.n_samples / stream.fs_hz)} ({100 * n_samples // stream.n_samples} %)"
    rate = "HR –" if tally.hr_bpm is None else f"HR {tally.hr_bpm:.0f}/min"
    beats = " ".join(f"{label} {n:,}" for label, n in tally.beats.items() if n)
    seen = clock(n_samples / stream.fs_hz)
    alert = tally.last_alert
    last = "" if alert is None else f"{title(alert.kind)} at {clock(alert.onset / stream.fs_hz)}"
    # From the least important to the most: what a narrow terminal can do without.
    for parts in (
        (printable(stream.name), f"{seen}{of}", rate, beats, last),
        (printable(stream.name), seen, rate, beats, last),
        (seen, rate, beats, last),
        (seen, rate, last),
        (seen, rate),
    ):
        line = "  ".join(filter(None, parts))
        if len(line) <= columns:
            break
    return line[:columns]


class ProgressLine:
    """Draws a line over itself; draws nothing where there is no terminal.

    Parameters
    ----------
    out : text file
        Usually standard error.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out if draws(out) else None
        self._drawn_at = 0.0
        self._drawn = False

    def __call__(self, stream: Stream, n_samples: int, tally: Tally) -> None:
        """Draw how far `stream` is, if it is time again."""
        now = time.monotonic()
        if self._out is None or now - self._drawn_at < _REDRAW_S:
            return
        self._drawn_at, self._drawn = now, True
        line = live_line(stream, n_samples, tally, (width(self._out) or _WIDTH) - 1)
        self._out.write(f"{_CLEAR}{line}")
        self._out.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._out is not None and self._drawn:
            self._out.write(_CLEAR)
            self._out.flush()
            self._drawn = False
