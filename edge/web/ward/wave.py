"""Samples on their way to browsers: µV in 16 bits, one binary frame a block.

A frame, little-endian: bytes of the whole frame (uint16), bed (uint16), number of leads (uint8), generation (uint8),
samples a lead (uint16), number of the first sample (float64), then one lead after the other in µV (int16), -32768 where
there is no value. The generation counts how often rate or leads have changed; what they are is told over the events.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.contract.payloads import Waveform

NO_VALUE = -32_768
_HEAD = struct.Struct("<HHBBHd")
_LARGEST_UV = 32_767
MAX_LEADS, MAX_SAMPLES = 12, 2_000
"""Of one block; what is larger is not shown."""
KEPT_S = 12.0


def microvolts(mv: Sequence[Sequence[float | None]]) -> bytes:
    """Return one lead after the other as int16 µV; what a lead has no value for is `NO_VALUE`."""
    values = np.array(mv, np.float64) * 1000
    known = np.isfinite(values)
    scaled = np.clip(np.rint(np.where(known, values, 0.0)), -_LARGEST_UV, _LARGEST_UV)
    return np.where(known, scaled, NO_VALUE).astype("<i2").tobytes()


def is_showable(wave: Waveform) -> bool:
    """Return whether a block has the shape that it says it has, and one that fits into a frame."""
    lengths = {len(lead) for lead in wave.mv}
    same = len(lengths) == 1 and len(wave.mv) == len(wave.leads)
    return same and 0 < len(wave.leads) <= MAX_LEADS and 0 < lengths.pop() <= MAX_SAMPLES


class Trace:
    """The last seconds of one bed's waveform, as frames.

    Attributes
    ----------
    fs_hz : float
        Rate; 0 before the first block.
    leads : tuple of str
        Lead names.
    generation : int
        How often these have changed, modulo 256.
    """

    def __init__(self, bed: int) -> None:
        self.fs_hz = 0.0
        self.leads: tuple[str, ...] = ()
        self.generation = 0
        self._bed = bed
        self._stream = ""
        self._frames: deque[tuple[float, bytes]] = deque()
        self._end = 0.0

    def take(self, wave: Waveform) -> bytes:
        """Take a block that is showable; return its frame."""
        what = (wave.fs_hz, wave.leads, wave.stream)
        if what != (self.fs_hz, self.leads, self._stream) or wave.sample < self._end:
            self.fs_hz, self.leads, self._stream = what
            self.generation = (self.generation + 1) % 256
            self._frames.clear()
        n = len(wave.mv[0])
        size = _HEAD.size + 2 * n * len(wave.leads)
        head = _HEAD.pack(size, self._bed, len(wave.leads), self.generation, n, float(wave.sample))
        self._end = float(wave.sample + n)
        frame = head + microvolts(wave.mv)
        self._frames.append((self._end, frame))
        while self._frames[0][0] < self._end - KEPT_S * self.fs_hz:
            self._frames.popleft()
        return frame

    def last(self) -> tuple[bytes, int] | None:
        """Return the last seconds without a gap in them, one lead after the other, and the number of its last sample.

        None if there are none.
        """
        blocks: list[NDArray[np.int16]] = []
        begun = self._end
        for end, frame in reversed(self._frames):
            if end != begun:
                break
            block = np.frombuffer(frame, "<i2", offset=_HEAD.size).reshape(len(self.leads), -1)
            blocks.append(block)
            begun = end - block.shape[1]
        return (np.concatenate(blocks[::-1], axis=1).tobytes(), int(self._end)) if blocks else None

    def frames(self) -> list[bytes]:
        """Return the frames of the last seconds, for who joins late."""
        return [frame for _, frame in self._frames]
