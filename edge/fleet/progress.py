"""How far a long work is, and how long it may still take."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TextIO

from edge.sinks.display import draws

_REDRAW_S = 0.5
_LINE_S = 60.0
"""Where nothing can be drawn over itself, a line so often."""
_RECENT = 200
"""The rate is taken over so many looks at the clock, two minutes at the most often: what was long ago says little."""
_ENOUGH_S = 5.0


def duration(seconds: float) -> str:
    """Return a time for people, no finer than it is good for.

    >>> duration(4.2), duration(250), duration(40000)
    ('4 s', '4 min 10 s', '11 h 7 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


class Progress:
    """Says how far the work is, on a terminal by a line that is drawn over itself.

    Parameters
    ----------
    out : text file
        Usually standard error.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._draws = draws(out)
        self._seen: deque[tuple[float, int]] = deque(maxlen=_RECENT)
        self._said_at = time.monotonic()
        self._drawn = False

    def __call__(self, todo: int, statuses: Counter[str]) -> None:
        """Say how far it is, if it is time again."""
        now = time.monotonic()
        if now - self._said_at < (_REDRAW_S if self._draws else _LINE_S):
            return
        self._said_at = now
        self._seen.append((now, statuses.total()))
        line = self.line(todo, statuses)
        self._out.write(f"\r\033[K{line[:79]}" if self._draws else f"ecg-edge: {line}\n")
        self._out.flush()
        self._drawn = self._draws

    def line(self, todo: int, statuses: Counter[str]) -> str:
        """Return how far it is; the time that remains only once there is something to tell it by."""
        done = statuses.total()
        parts = [f"{done:,} of {todo:,} records ({100 * done // max(todo, 1)} %)"]
        if statuses["failed"]:
            parts.append(f"{statuses['failed']:,} failed")
        if self._seen:
            (then, before), (now, _) = self._seen[0], self._seen[-1]
            if now - then >= _ENOUGH_S and done > before:
                parts.append(f"about {duration((todo - done) * (now - then) / (done - before))} left")
        return "  ".join(parts)

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._out.write("\r\033[K")
            self._out.flush()
            self._drawn = False
