"""Where samples come from.

Nothing after a source knows which source it was. A live one says what comes as it comes; a recording is what can be
read at any pace, and becomes a source by `edge.sources.playback`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Protocol

from edge.messages import Gap, Samples, SourceState, Stream

SourceMessage = Stream | Samples | Gap | SourceState
"""What a source yields: a `Stream` first, and again whenever it samples otherwise than before."""


class Source(Protocol):
    """Anything that yields samples."""

    def messages(self, stop: threading.Event) -> Iterator[SourceMessage]:
        """Yield what there is, as it comes, until it ends or `stop` is set.

        Raises
        ------
        SourceError
            When no more can be had although there should be; everything readable has been yielded by then.
        """


class Recording(Protocol):
    """Samples that are all there already."""

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
