"""OpenBCI Cyton."""

from __future__ import annotations

import numpy as np

from edge.sources.serial.boards.items import Block, Description, Item
from edge.sources.serial.settings import BoardSettings, FormatName
from firmware_bridge import cyton


class Cyton:
    """OpenBCI Cyton."""

    name: FormatName = "cyton"
    wake = cyton.START

    def __init__(self, options: BoardSettings) -> None:
        self._channels = [channel - 1 for channel in options.channels if 1 <= channel <= cyton.N_CHANNELS] or [0]
        uv = options.uv_per_lsb or cyton.UV_PER_LSB_AT_GAIN_1 / cyton.DEFAULT_GAIN
        self._scale = np.float32(uv * 1e-3)
        self._options = options
        self._decoder = cyton.Decoder()
        self._described = False
        self.good = 0

    @property
    def bad(self) -> int:
        """Bytes that were no packet, in packets."""
        return self._decoder.skipped // cyton.PACKET_BYTES

    def push(self, data: bytes, now_s: float | None = None) -> list[Item]:  # noqa: ARG002  # the protocol's
        """Take bytes in; return what they lead to."""
        packets = self._decoder.push(data)
        if not packets:
            return []
        self.good += len(packets)
        out: list[Item] = [] if self._described else [self._describe()]
        self._described = True
        numbers = np.array([packet.number for packet in packets])
        breaks = np.flatnonzero(np.diff(numbers) % cyton.COUNTER_MODULO != 1) + 1
        counts = np.stack([packet.counts for packet in packets])[:, self._channels]
        mv = (counts * self._scale).astype(np.float32)
        for run, first in zip(np.split(mv, breaks), np.r_[0, breaks], strict=True):
            out.append(Block(stream=0, counter=int(numbers[first]), board_us=None, mv=run))
        return out

    def _describe(self) -> Description:
        names = self._options.leads
        half = float(self._scale) * 2**23
        return Description(
            stream=0,
            name="cyton",
            fs_hz=self._options.rate_hz or cyton.RATE_HZ,
            leads=names if names and len(names) == len(self._channels) else tuple(f"ch{c + 1}" for c in self._channels),
            range_mv=((-half, half),) * len(self._channels),
            what=f"OpenBCI Cyton, channels {', '.join(str(c + 1) for c in self._channels)}",
            modulo=cyton.COUNTER_MODULO,
        )
