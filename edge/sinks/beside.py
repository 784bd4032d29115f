"""A sink that works beside the watch: a disk or a reader that does not answer stops nothing but itself."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from edge.errors import SinkError
from edge.messages import Message, Stream
from edge.sinks import Sink
from edge.sinks.background import Background

# What comes until then is kept; a disk that works, be it a slow card, has answered.
_ANSWERS_WITHIN_S = 5.0
_OPENS_WITHIN_S = 1.0
# SIGTERM leaves five seconds for everything.
_CLOSES_WITHIN_S = 2.5
_T = TypeVar("_T")


class Beside(Sink):
    """A sink whose work is done in a thread of its own, in order.

    What goes wrong there is raised at the next message. One that does not answer for `_ANSWERS_WITHIN_S` has failed
    too, and is given nothing more until it has answered.

    Parameters
    ----------
    sink : Sink
        Does the work.
    name : str
        File or folder that people know it by.
    """

    def __init__(self, sink: Sink, name: str) -> None:
        self._sink = sink
        self._name = name
        self._background = Background(name)
        self._lock = threading.Lock()
        self._waiting = 0
        self._answered_s = 0.0
        self._failure: SinkError | None = None
        self._closing_s: float | None = None

    @property
    def where(self) -> str:
        """The file or folder."""
        return self._sink.where

    @property
    def trouble(self) -> str | None:
        """What is wrong just now, although it goes on."""
        return self._sink.trouble

    @property
    def undelivered(self) -> str | None:
        """What has not arrived."""
        return self._sink.undelivered

    def open(self, stream: Stream) -> None:
        """Get ready for a stream."""
        self._failure, self._closing_s = None, None
        self._do(lambda: self._sink.open(stream))
        self._background.idle(_OPENS_WITHIN_S)
        self._complain()

    def write(self, message: Message) -> None:
        """Leave a message for the thread."""
        self._complain()
        self._do(lambda: self._sink.write(message) if self._failure is None else None)

    def closing(self, reason: str) -> None:
        """Have everything completed, as far as it was not given up."""
        self._closing_s = time.monotonic()
        self._do(lambda: self._sink.close(reason) if self._failure is None else None)

    def close(self, reason: str) -> None:
        """Wait until everything is complete."""
        if self._closing_s is None:
            self.closing(reason)
        begun, self._closing_s = self._closing_s or time.monotonic(), None
        answered = self._background.idle(max(begun + _CLOSES_WITHIN_S - time.monotonic(), 0.0))
        self._complain(answered=answered)

    def resume(self) -> bool:
        """Go on after a failure, as soon as it answers."""
        if self._waiting:
            raise self._silent()
        failure, self._failure = self._failure, None
        if failure is None:  # it was late, and has everything by now
            return True

        def go_on() -> None:
            if not self._sink.resume():
                raise failure

        self._do(go_on)
        self._background.idle(_OPENS_WITHIN_S)
        self._complain(answered=not self._waiting)
        return True

    def ask(self, act: Callable[[], _T]) -> _T:
        """Have something done in the thread, after all that waits there; return what comes of it.

        Raises
        ------
        OSError
            If it has not been done in time; or whatever `act` raises.
        """
        said: list[_T | Exception] = []

        def do() -> None:
            try:
                said.append(act())
            except Exception as error:  # it is raised again where it was asked for
                said.append(error)

        self._do(do)
        self._background.idle(_OPENS_WITHIN_S)
        if not said:
            raise OSError(errno.EBUSY, "does not answer")
        if isinstance(said[0], Exception):
            raise said[0]
        return said[0]

    def _do(self, act: Callable[[], object]) -> None:
        def do() -> None:
            try:
                act()
            except SinkError as error:
                self._failure = self._failure or error
            except Exception as error:  # whatever goes wrong there, the watch goes on
                reason = f"unexpected {type(error).__name__}: {error}"
                self._failure = self._failure or SinkError(self._name, reason)
            finally:
                with self._lock:
                    self._waiting -= 1
                    self._answered_s = time.monotonic()

        with self._lock:
            if not self._waiting:
                self._answered_s = time.monotonic()
            self._waiting += 1
        self._background.do(do)

    def _complain(self, *, answered: bool = True) -> None:
        if self._failure is not None:
            raise self._failure
        if not answered or (self._waiting and time.monotonic() - self._answered_s > _ANSWERS_WITHIN_S):
            raise self._silent()

    def _silent(self) -> SinkError:
        return SinkError(self._name, "does not answer", "it goes on by itself once that is mended")
