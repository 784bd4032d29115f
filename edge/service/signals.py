"""What signals ask of a service: SIGTERM and Ctrl-C to end, SIGHUP to read its configuration again."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_log = logging.getLogger(__name__)

STOP_WITHIN_S = 5.0
"""So soon after SIGTERM the process has ended, whatever a broker or a board does."""

# Leaves the interpreter time to end.
_DEADLINE_S = STOP_WITHIN_S - 0.5
EXIT_CUT_SHORT = 1
# However often it is asked for: who asks last is heard, too.
_RELOAD_EVERY_S = 1.0
# For the line that says so.
_LAST_WORD_S = 0.1


class Asked(threading.Event):
    """An event that a signal handler may set while the thread it interrupts is about to wait for it or clears it."""

    def __init__(self) -> None:
        super().__init__()
        # That of a plain event cannot be taken twice: the handler would wait for the thread it has interrupted.
        self._cond = threading.Condition(threading.RLock())


class SignalRequests:
    """What was asked for so far.

    Attributes
    ----------
    stop : threading.Event
        Set once the service is to end.
    """

    def __init__(self) -> None:
        self.stop = Asked()
        self._reload = Asked()
        self._taken_s = -_RELOAD_EVERY_S

    def take_reload(self) -> bool:
        """Whether the configuration is to be read again; asks once, and once a second at most."""
        now_s = time.monotonic()
        if not self._reload.is_set() or now_s - self._taken_s < _RELOAD_EVERY_S:
            return False
        self._reload.clear()
        self._taken_s = now_s
        return True

    def ask_reload(self) -> None:
        """Ask for the configuration to be read again."""
        self._reload.set()


@contextmanager
def listening() -> Iterator[SignalRequests]:
    """Turn signals into words; a second SIGTERM or Ctrl-C kills.

    Whoever sends SIGTERM (a service manager, a shutdown) does not wait: what has not ended by itself `STOP_WITHIN_S`
    later is cut short. What was written to files by then stays.
    """
    asked = SignalRequests()
    over = threading.Event()

    def cut_short() -> None:
        if not over.wait(_DEADLINE_S):
            _log.warning("not everything could be finished within %g s", STOP_WITHIN_S)
            time.sleep(_LAST_WORD_S)
            os._exit(EXIT_CUT_SHORT)

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.stop.set()
        for caught in (signal.SIGINT, signal.SIGTERM):
            signal.signal(caught, before[caught])
        if number == signal.SIGTERM:
            threading.Thread(target=cut_short, name="deadline", daemon=True).start()

    before = {caught: signal.signal(caught, ask) for caught in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: asked.ask_reload())
    try:
        yield asked
    finally:
        over.set()
        for caught, handler in before.items():
            signal.signal(caught, handler)
