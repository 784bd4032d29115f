"""What is done to samples, one module a step, in the order of the flow.

A stage never does I/O, has no clock and no threads. It takes one message and returns those it leads to::

    push(message) -> iterable of messages
    flush()       -> what is still held when the stream ends
    reset()       -> as new

A stage passes on what it does not consume. What it decides while taking in a block it returns before the block itself,
so a `Samples` message always closes its span.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from edge.messages import Message


class Stage(Protocol):
    """One step of the pipeline."""

    def push(self, message: Message) -> Iterable[Message]:
        """Take one message in; return what it leads to, in order of `decided`, the block itself last."""

    def flush(self) -> Iterable[Message]:
        """Return what is still held; the stream has ended."""

    def reset(self) -> None:
        """Forget everything."""
