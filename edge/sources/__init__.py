"""Where samples come from.

A source says a `Stream` and yields `Samples` and `Gap`; nothing after it knows which source it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edge.messages import Gap, Samples, Stream


class Source(Protocol):
    """Anything that yields samples."""

    @property
    def stream(self) -> Stream:
        """Rate, leads and start of what `blocks` yields."""

    def blocks(self, n: int) -> Iterator[Samples | Gap]:
        """Yield the samples in blocks of at most `n`.

        Raises
        ------
        SourceError
            When no more can be had although there should be; everything readable has been yielded by then.
        """
