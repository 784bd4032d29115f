"""Gives one stream to several sinks, so that one that fails does not take the others' results with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.errors import SinkError
from edge.messages import Message, Stream
from edge.sinks import Herald, Sink


class Fanout:
    """Several sinks as one.

    Parameters
    ----------
    sinks : sequence of Sink
        Where everything goes.
    report : callable
        Told of each failure as it happens, each different one once.
    """

    def __init__(self, sinks: Sequence[Sink], report: Callable[[SinkError], None]) -> None:
        self._sinks = tuple(sinks)
        self._report = report
        self._open: list[Sink] = []
        self._reported: set[str] = set()
        self.errors: list[SinkError] = []
        self.written: tuple[str, ...] = ()

    def open(self, stream: Stream) -> None:
        """Open every sink; one that cannot be opened is left out of this stream."""
        self.errors = []
        self._open = list(self._sinks)
        self._each(lambda sink: sink.open(stream))

    def announce(self, reason: str, *, final: bool = False) -> None:
        """Say why no stream is open, to those sinks that can."""
        self._open = [sink for sink in self._sinks if isinstance(sink, Herald)]
        self._each(lambda sink: sink.announce(reason, final=final) if isinstance(sink, Herald) else None)
        self._open = []

    def write(self, message: Message) -> None:
        """Give `message` to every sink still open."""
        self._each(lambda sink: sink.write(message))

    def close(self, reason: str) -> None:
        """Close every sink still open; those that complete are noted in `written`."""
        self._each(lambda sink: sink.close(reason))
        self.written = tuple(sink.where for sink in self._open if sink.where)
        self._open = []

    def _each(self, act: Callable[[Sink], None]) -> None:
        for sink in tuple(self._open):
            try:
                act(sink)
            except SinkError as error:
                self._open.remove(sink)
                self.errors.append(error)
                if str(error) not in self._reported:
                    self._reported.add(str(error))
                    self._report(error)
