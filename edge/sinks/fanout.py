"""Gives one stream to several sinks, so that one that fails does not take the others' results with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec

from edge.errors import SinkError
from edge.messages import Gap, Message, Samples, SourceState, Stream
from edge.sinks import Sink

_log = logging.getLogger(__name__)

# A sink that failed is tried again after so many seconds of the stream, then after twice as many, and so on.
_FIRST_WAIT_S = 10.0
_LONGEST_WAIT_S = 600.0


class _Broken(msgspec.Struct, frozen=True):
    """A sink that failed, why, and when it is tried again."""

    sink: Sink
    error: SinkError
    wait_s: float
    again_s: float


class Fanout:
    """Several sinks as one. Each failure is logged as it happens, each different one once, and each recovery.

    Parameters
    ----------
    sinks : sequence of Sink
        Where everything goes.

    Attributes
    ----------
    errors : list of SinkError
        What went wrong in this stream, each different thing once.
    written : tuple of str
        Where all results of the last stream are.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)
        self._open: list[Sink] = []
        self._broken: dict[int, _Broken] = {}
        self._incomplete: set[int] = set()
        self._reported: set[str] = set()
        self._state: SourceState | None = None
        self._now_s = 0.0
        self.errors: list[SinkError] = []
        self.written: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Why sinks are left out just now."""
        return tuple(str(broken.error) for broken in self._broken.values())

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong with sinks that go on nevertheless."""
        return tuple(trouble for sink in self._sinks if (trouble := sink.trouble) is not None)

    @property
    def undelivered(self) -> tuple[str, ...]:
        """What of the last stream has not arrived, though nothing failed."""
        return tuple(left for sink in self._sinks if (left := sink.undelivered) is not None)

    def open(self, stream: Stream) -> None:
        """Open every sink; one that cannot be opened is left out, for a while at least."""
        self.errors = []
        self._broken, self._incomplete = {}, set()
        self._fs_hz, self._now_s = stream.fs_hz, 0.0
        self._open = list(self._sinks)
        self._each(lambda sink: sink.open(stream))

    def announce(self, reason: str, *, final: bool = False) -> None:
        """Say why no stream is open, wherever that can be said."""
        self._open = list(self._sinks)
        self._each(lambda sink: sink.announce(reason, final=final))
        self._open = []

    def write(self, message: Message) -> None:
        """Give `message` to every sink still open; from time to time try those again that are not."""
        match message:
            case Samples():
                self._now_s = message.end / self._fs_hz
            case Gap():
                self._now_s = (message.start + message.n) / self._fs_hz
            case SourceState():
                self._state = message
            case _:
                pass
        self._each(lambda sink: sink.write(message))
        if self._broken and isinstance(message, Samples | Gap):
            self._try_again()

    def close(self, reason: str) -> None:
        """Close every sink still open; those that have everything are noted in `written`."""
        self._each(lambda sink: sink.closing(reason))
        self._each(lambda sink: sink.close(reason))
        whole = (sink for sink in self._open if id(sink) not in self._incomplete and sink.undelivered is None)
        self.written = tuple(sink.where for sink in whole if sink.where)
        self._open = []
        self._state = None

    def _each(self, act: Callable[[Sink], None]) -> None:
        for sink in tuple(self._open):
            try:
                act(sink)
            except SinkError as error:
                self._open.remove(sink)
                self._failed(sink, error)

    def _failed(self, sink: Sink, error: SinkError) -> None:
        before = self._broken.get(id(sink))
        wait_s = _FIRST_WAIT_S if before is None else min(2 * before.wait_s, _LONGEST_WAIT_S)
        self._broken[id(sink)] = _Broken(sink, error, wait_s, self._now_s + wait_s)
        self._incomplete.add(id(sink))
        if str(error) not in map(str, self.errors):
            self.errors.append(error)
        if str(error) not in self._reported:
            self._reported.add(str(error))
            _log.warning("%s", error)

    def _try_again(self) -> None:
        for key, broken in tuple(self._broken.items()):
            sink = broken.sink
            if self._now_s < broken.again_s:
                continue
            try:
                if not sink.resume():
                    continue
                if self._state is not None:
                    sink.write(self._state)
            except SinkError as error:
                self._failed(sink, error)
                continue
            del self._broken[key]
            self._open.append(sink)
            self._reported.discard(str(broken.error))
            _log.info("%s: written again; what came in between is missing there", sink.where or broken.error.sink)
