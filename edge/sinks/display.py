"""Shows people what there is to read, and never waits for whoever reads it.

A full disk, a closed pipe or a reader that sleeps costs what is shown there, and nothing else.
"""

from __future__ import annotations

import errno
import os
import select
import threading
from functools import partial
from typing import TextIO

from edge.errors import SinkError
from edge.sinks.background import Background

# Some days of alerts, or thousands of records' worth; a reader that is behind by more does not read.
_MOST_CHARACTERS = 1 << 22
NOT_READ = "is not read"


class Display:
    """An output that is written to in the background.

    Parameters
    ----------
    out : text file or None
        Where to; None shows nothing, as where a process was started without one.
    name : str
        What people know it by.
    beside : Display, optional
        Another one that shows its text at the same place: the order of both is then kept.
    """

    def __init__(self, out: TextIO | None, name: str = "standard output", beside: Display | None = None) -> None:
        self.out = out
        self.name = name
        self._fd = _descriptor(out)
        self._background: Background = Background(name) if beside is None else beside._background
        self._lock = threading.Lock()
        self._waiting = 0
        self._error: OSError | None = None
        self._full = False

    @property
    def failure(self) -> SinkError | None:
        """Why something was not shown."""
        if self._error is None and not self._full:
            return None
        reason = NOT_READ if self._error is None else self._error.strerror or str(self._error)
        return SinkError(self.name, reason, "make room there, or read it; all else goes on")

    @property
    def behind(self) -> bool:
        """Whether something is not written yet."""
        return self._waiting > 0

    def show(self, text: str, *, again: bool = False) -> None:
        """Leave a text to be shown; `again` tries it although an earlier one could not be.

        Raises
        ------
        SinkError
            If an earlier one could not be shown, or too much waits; this one is then left out.
        """
        with self._lock:
            if again and not self._waiting:
                self._error, self._full = None, False
            self._full = self._full or self._waiting + len(text) > _MOST_CHARACTERS
            failure = self.failure
            if failure is None:
                self._waiting += len(text)
        if failure is not None:
            raise failure
        self._background.do(partial(self._put, text))

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until everything is shown; return whether it was."""
        return self._background.idle(timeout_s) and self.failure is None

    def _put(self, text: str) -> None:
        try:
            if self._error is None and self.out is not None:
                self._write(self.out, text)
        except (OSError, ValueError) as error:  # a file object that was closed says ValueError
            self._error = error if isinstance(error, OSError) else OSError(errno.EBADF, "is closed")
        finally:
            with self._lock:
                self._waiting -= len(text)

    def _write(self, out: TextIO, text: str) -> None:
        if self._fd is None:
            out.write(text)
            out.flush()
            return
        # Not through `out`: a thread that sleeps in there would keep the interpreter from ending.
        errors = out.errors if out.errors not in (None, "strict") else "replace"
        rest = memoryview(text.encode(out.encoding or "utf-8", errors))
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                select.select([], [self._fd], [])


def _descriptor(out: TextIO | None) -> int | None:
    try:
        return None if out is None else out.fileno()
    except (OSError, ValueError):
        return None


def draws(out: TextIO | None) -> bool:
    """Return whether a line can be drawn over itself there, and coloured."""
    return out is not None and out.isatty() and os.environ.get("TERM") != "dumb"


def same_place(one: TextIO | None, other: TextIO | None) -> bool:
    """Return whether two outputs are the same terminal, pipe or file."""
    ends = [fd for fd in map(_descriptor, (one, other)) if fd is not None]
    return len(ends) == 2 and os.path.sameopenfile(*ends)
