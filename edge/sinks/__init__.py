"""Where results go.

A sink is opened with what the source says of itself, is given every event (and every block of samples) in order, and is
closed with the reason why the stream ended. `edge.sinks.fanout` gives one stream to several sinks.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from edge.messages import Message, Stream


class Sink(Protocol):
    """One destination of results.

    Any method may raise `SinkError`; the sink is then given nothing more of this stream, unless it can `resume`.
    """

    @property
    def where(self) -> str:
        """File or broker of this stream's results, for people; empty if there is none."""

    def open(self, stream: Stream) -> None:
        """Get ready for a stream."""

    def write(self, message: Message) -> None:
        """Take an event, or a block of the source's samples; what does not concern this sink is ignored."""

    def close(self, reason: str) -> None:
        """Complete what was written; `reason` says why the stream ended."""


@runtime_checkable
class Patient(Protocol):
    """A sink that goes on by itself when something is wrong, and can say what."""

    @property
    def trouble(self) -> str | None:
        """What is wrong just now."""


@runtime_checkable
class Herald(Protocol):
    """A sink that can also say why there is no stream yet."""

    def announce(self, reason: str, *, final: bool) -> None:
        """Say why; `final` if there will be none. May raise `SinkError`."""
