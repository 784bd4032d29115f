"""What is logged, as lines for whoever sits at the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from edge.errors import EcgEdgeError

_log = logging.getLogger(__name__)


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

    def emit(self, record: logging.LogRecord) -> None:
        """Write it; what others say of boards and brokers holds nothing for the terminal then."""
        self._before_line()
        text = " ".join(record.getMessage().split())
        print(f"ecg-edge: {''.join(filter(str.isprintable, text))}", file=sys.stderr, flush=True)


def shown(before_line: Callable[[], None]) -> Callable[[EcgEdgeError | str], None]:
    """Show from now on what this program logs; return what logs a line that is to be seen."""
    logger = logging.getLogger("edge")
    logger.setLevel(logging.INFO)
    for handler in [handler for handler in logger.handlers if isinstance(handler, Lines)]:
        logger.removeHandler(handler)
    logger.addHandler(Lines(before_line))
    return lambda line: _log.warning("%s", line)
