"""A recording as a source: as fast as it goes, or at a pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from edge.messages import Samples
from edge.sources import Recording, SourceMessage

MAX = float("inf")
"""As fast as it goes."""

# At full speed numpy works best on much at once, up to what the processor's cache holds.
_BLOCK_S = 40.0
# At a pace this much is taken in ten times a second.
_PACED_BLOCK_S = 0.1


class Playback:
    """Plays a recording.

    Parameters
    ----------
    recording : Recording
        What to play.
    speed : float
        Times real time, or `MAX`; each block comes when its last sample is due.
    block : int, optional
        Samples per block; by default as many as suit the speed.
    """

    def __init__(self, recording: Recording, speed: float = MAX, block: int | None = None) -> None:
        self._recording = recording
        self._speed = speed
        self._block = block

    def messages(self, stop: threading.Event) -> Iterator[SourceMessage]:
        """Yield the stream and its blocks until the end or until `stop` is set; see `Source`."""
        stream = self._recording.stream
        yield stream
        block_s = _BLOCK_S if self._speed == MAX else _PACED_BLOCK_S * self._speed
        started = time.monotonic()
        for block in self._recording.blocks(self._block or max(round(block_s * stream.fs_hz), 1)):
            due_s = block.end / (stream.fs_hz * self._speed) if isinstance(block, Samples) else 0.0
            if stop.wait(max(started + due_s - time.monotonic(), 0)):
                return
            yield block
