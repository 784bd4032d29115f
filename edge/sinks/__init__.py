"""Where results go.

A sink is opened with what the source says of itself, is given every event (and every block of samples) in order, and is
closed with the reason why the stream ended. `edge.sinks.fanout` gives one stream to several sinks.
"""

from __future__ import annotations

from edge.messages import Message, Stream


class Sink:
    """One destination of results; what a kind of sink does not need to do is done here, by doing nothing.

    Any method may raise `SinkError`; the sink is then given nothing more of this stream until it can `resume`.
    """

    @property
    def where(self) -> str:
        """File or broker of this stream's results, for people; empty if there is none."""
        return ""

    @property
    def trouble(self) -> str | None:
        """What is wrong just now with a sink that goes on by itself."""
        return None

    @property
    def undelivered(self) -> str | None:
        """What has not arrived although the sink was closed without an error, and what becomes of it."""
        return None

    def open(self, stream: Stream) -> None:
        """Get ready for a stream."""

    def write(self, message: Message) -> None:
        """Take an event, or a block of the source's samples; what does not concern this sink is ignored."""

    def closing(self, reason: str) -> None:
        """Begin what takes long of `close`, which follows once every sink has been told so."""

    def close(self, reason: str) -> None:
        """Complete what was written; `reason` says why the stream ended."""

    def announce(self, reason: str, *, final: bool) -> None:
        """Say why there is no stream yet; `final` if there will be none."""

    def resume(self) -> bool:
        """Go on with the stream after a failure; return whether that can be."""
        return False
