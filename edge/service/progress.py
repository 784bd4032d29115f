"""One line on a terminal that says how far a stream is: time, heart rate, beats by label, the last alert."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable

from edge.errors import SinkError, printable
from edge.kinds import title
from edge.messages import Stream
from edge.service.summary import Tally
from edge.sinks.console import clock
from edge.sinks.display import Display, draws

# Often enough to look alive, seldom enough to cost nothing.
_REDRAW_S = 0.1
_CLEAR = "\r\033[K"
_WIDTH, _NARROWEST = 80, 40


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
    """Draws a line over itself; draws nothing where there is no terminal, or one that stands still.

    Parameters
    ----------
    display : Display
        Usually standard error.
    """

    def __init__(self, display: Display) -> None:
        self._draws = draws(display.out)
        self._display = display
        self._drawn_at = 0.0
        self._drawn = False

    def __call__(self, stream: Stream, n_samples: int, tally: Tally) -> None:
        """Draw how far `stream` is, if it is time again."""
        self._draw(lambda columns: live_line(stream, n_samples, tally, columns))

    def share(self, name: str, share: float) -> None:
        """Draw which share of something was seen, 0 to 1, if it is time again."""
        self._draw(lambda columns: f"{printable(name)[: columns - 6]}  {share:.0%}")

    def _draw(self, line: Callable[[int], str]) -> None:
        now = time.monotonic()
        if not self._draws or now - self._drawn_at < _REDRAW_S or self._display.behind:
            return
        self._drawn_at, self._drawn = now, True
        columns = max(shutil.get_terminal_size((_WIDTH, 24)).columns, _NARROWEST) - 1
        self._show(f"{_CLEAR}{line(columns)}")

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._drawn = False
            self._show(_CLEAR)

    def _show(self, text: str) -> None:
        with contextlib.suppress(SinkError):
            self._display.show(text)
