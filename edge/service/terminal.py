"""The terminal: how wide it is, and what is logged as lines for whoever sits at it."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Collection
from typing import TextIO

from edge.errors import EcgEdgeError

_log = logging.getLogger(__name__)
_KEPT = 1000


def width(out: TextIO) -> int | None:
    """Return how many columns a terminal has, at least 40; None if `out` is none."""
    return max(shutil.get_terminal_size().columns, 40) if out.isatty() else None


def draws(out: TextIO) -> bool:
    """Return whether a line can be drawn over itself there."""
    return out.isatty() and os.environ.get("TERM") != "dumb"


class Lines(logging.Handler):
    """Writes a line for each record to standard error.

    Parameters
    ----------
    before_line : callable
        Called before each line, to clear the way.
    """

    def __init__(self, before_line: Callable[[], None]) -> None:
        super().__init__(logging.INFO)
        self._before_line = before_line
        self.told: deque[str] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Write it; what others say of boards and brokers holds nothing for the terminal then."""
        self._before_line()
        text = "".join(filter(str.isprintable, " ".join(record.getMessage().split())))
        self.told.append(text)
        print(f"ecg-edge: {text}", file=sys.stderr, flush=True)


def shown(before_line: Callable[[], None]) -> tuple[Callable[[EcgEdgeError | str], None], Collection[str]]:
    """Show from now on what this program logs; return what logs a line that is to be seen, and the lines seen last."""
    logger = logging.getLogger("edge")
    logger.setLevel(logging.INFO)
    for handler in [handler for handler in logger.handlers if isinstance(handler, Lines)]:
        logger.removeHandler(handler)
    lines = Lines(before_line)
    logger.addHandler(lines)
    return lambda line: _log.warning("%s", line), lines.told
