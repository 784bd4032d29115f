"""ProtoCentral boards: HealthyPi, and breakouts of ADS1292R, ADS1293, MAX30001 and MAX30102."""

from __future__ import annotations

import numpy as np

from edge.errors import SourceError
from edge.sources.serial.boards.items import Block, BoardState, Description, Item
from edge.sources.serial.boards.pace import Pace
from edge.sources.serial.settings import MAX_HZ, MIN_HZ, BoardSettings, FormatName
from firmware_bridge import openview

# So many packets of a kind nobody knows are no accident.
_MANY = 50


class OpenView:
    """ProtoCentral packets; one kind of packet a stretch."""

    name: FormatName = "openview"
    wake = b""

    def __init__(self, options: BoardSettings) -> None:
        self._options = options
        known = openview.BOARDS.get(options.board or "")
        self._decoder = openview.Decoder(known)
        self._kind: openview.Kind | None = None
        self._stretch = -1
        self._pace = Pace()
        self._fs_hz = 0.0
        self._notes: tuple[str, ...] = ()
        self._off = False
        self.good = 0

    @property
    def bad(self) -> int:
        """Bytes that were no packet, in packets."""
        return self._decoder.skipped // 15

    def push(self, data: bytes, now_s: float | None = None) -> list[Item]:
        """Take bytes in that were there at `now_s`; return what they lead to.

        Raises
        ------
        SourceError
            If there is no ECG in the packets, or nobody knows what is in them.
        """
        out: list[Item] = []
        n_samples = 0
        for packet in self._decoder.push(data):
            self.good += 1
            layout = packet.layout
            if not layout.n_leads:
                raise SourceError(layout.board, "a pulse oximeter sends no ECG", "give a board with an ECG front end")
            if packet.kind != self._kind:
                self._kind, self._pace = packet.kind, Pace()
                self._fs_hz = self._options.rate_hz or layout.rate_hz
                out.append(self._describe(layout))
            scale = np.float32((self._options.uv_per_lsb or layout.uv_per_lsb) * 1e-3)
            mv = ((packet.counts - (self._options.zero or 0.0)) * scale).astype(np.float32)
            if packet.lead_off:
                mv[:] = np.nan
            out.append(Block(stream=self._stretch, counter=None, board_us=None, mv=mv))
            if packet.lead_off != self._off:
                self._off = packet.lead_off
                off = (self._off,) * layout.n_leads
                out.append(BoardState(stream=self._stretch, leads_off=off, battery=None, dropped=0))
            n_samples += len(mv)
        if now_s is not None:
            self._pace.add(n_samples, now_s)
            out = [*self._at_another_rate(now_s), *out]
        if not self.good and sum(self._decoder.unknown.values()) >= _MANY:
            ((kind, length), _), *_ = self._decoder.unknown.most_common(1)
            raise SourceError("OpenView board", f"packets of type {kind} and {length} bytes, of no known board")
        return out

    def _at_another_rate(self, now_s: float) -> list[Item]:
        """Return another description if samples do not come at the rate that such a board has unless changed."""
        rate_hz = self._pace.other_than(self._fs_hz, now_s)
        if self._kind is None or rate_hz is None or not MIN_HZ <= rate_hz <= MAX_HZ:
            return []
        self._notes = (f"samples come at {rate_hz:g} a second, not at {self._fs_hz:g}",)
        self._fs_hz = rate_hz
        return [self._describe(self._decoder.layout_of(self._kind))]

    def _describe(self, layout: openview.Layout) -> Description:
        assert self._kind is not None  # noqa: S101  # there is one once there was a packet
        self._stretch += 1
        self._off = False
        names = self._options.leads
        default = ("I", "II", "V1")[: layout.n_leads] if layout.n_leads == 3 else ("II",)
        return Description(
            stream=self._stretch,
            name=layout.board.replace(" ", "-").replace("/", "-").lower(),
            fs_hz=self._fs_hz,
            leads=names if names and len(names) == layout.n_leads else default,
            range_mv=None,
            what=f"{layout.board}, OpenView packets",
            modulo=None,
            notes=self._notes,
            lead_off_detection=layout.lead_off_at is not None,
            question=self._question(self._kind),
        )

    def _question(self, kind: openview.Kind) -> str | None:
        """Ask which board it is, where several send such packets and hold other things in them."""
        senders = openview.senders(kind)
        contents = {layout._replace(board="") for layout in senders.values()}
        if self._options.board is not None or len(contents) < 2:
            return None
        return f"packets of {kind[1]} bytes are sent by {' and by '.join(senders)}, with other things in them"
