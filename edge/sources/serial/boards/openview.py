"""ProtoCentral boards: HealthyPi, ADS1292R and ADS1293 breakouts."""

from __future__ import annotations

import numpy as np

from edge.sources.serial.boards.items import Block, Description, Item
from edge.sources.serial.settings import BoardSettings, FormatName
from firmware_bridge import openview


class OpenView:
    """ProtoCentral packets; one kind of packet a stretch."""

    name: FormatName = "openview"
    wake = b""

    def __init__(self, options: BoardSettings) -> None:
        self._options = options
        self._decoder = openview.Decoder()
        self._layout: openview.Layout | None = None
        self._stretch = -1
        self.good = 0

    @property
    def bad(self) -> int:
        """Bytes that were no packet, in packets."""
        return self._decoder.skipped // 15

    def push(self, data: bytes, now_s: float | None = None) -> list[Item]:  # noqa: ARG002  # the protocol's
        """Take bytes in; return what they lead to."""
        out: list[Item] = []
        for packet in self._decoder.push(data):
            self.good += 1
            if packet.layout is not self._layout:
                self._layout = packet.layout
                self._stretch += 1
                out.append(self._describe(packet.layout))
            scale = np.float32((self._options.uv_per_lsb or packet.layout.uv_per_lsb) * 1e-3)
            mv = ((packet.counts - (self._options.zero or 0.0)) * scale).astype(np.float32)
            if packet.lead_off:
                mv[:] = np.nan
            out.append(Block(stream=self._stretch, counter=None, board_us=None, mv=mv))
        return out

    def _describe(self, layout: openview.Layout) -> Description:
        names = self._options.leads
        default = ("I", "II", "V1")[: layout.n_leads] if layout.n_leads == 3 else ("II",)
        return Description(
            stream=self._stretch,
            name=layout.board.replace(" ", "-").replace("/", "-").lower(),
            fs_hz=self._options.rate_hz or layout.rate_hz,
            leads=names if names and len(names) == layout.n_leads else default,
            range_mv=None,
            what=f"{layout.board}, OpenView packets",
            modulo=None,
        )
