"""Boards that speak the protocol of docs/serial-protocol.md."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.sources.serial.boards.items import Answer, Block, BoardState, Description, Item
from edge.sources.serial.settings import BoardSettings, FormatName
from firmware_bridge import codec, frames


class Native:
    """The protocol of docs/serial-protocol.md."""

    name: FormatName = "native"
    wake = b"\0" + codec.encode(frames.Identify()) + codec.encode(frames.Start())

    def __init__(self, options: BoardSettings) -> None:
        self._options = options
        self._decoder = codec.Decoder()
        self._hellos: dict[int, frames.Hello] = {}
        self._scale: dict[int, NDArray[np.float32]] = {}
        self._waiting: list[frames.SampleBlock] = []

    # Two seconds of small blocks.
    _MAX_WAITING = 256

    @property
    def good(self) -> int:
        """Frames understood."""
        return self._decoder.stats.frames

    @property
    def bad(self) -> int:
        """Stretches that were no frame."""
        return self._decoder.stats.bad

    def push(self, data: bytes, now_s: float | None = None) -> list[Item]:  # noqa: ARG002  # the protocol's
        """Take bytes in; return what they lead to."""
        out: list[Item] = []
        for frame in self._decoder.push(data):
            match frame:
                case frames.SampleBlock():
                    out += self._block(frame)
                case frames.Hello():
                    out += self._hello(frame)
                case frames.Status():
                    out += self._status(frame)
                case frames.Pong():
                    out.append(Answer(token=frame.token, board_us=frame.board_us))
                case _:
                    pass
        return out

    def _block(self, frame: frames.SampleBlock) -> list[Item]:
        hello = self._hellos.get(frame.stream)
        if hello is None:
            # Its hello is still to come; without it the counts mean nothing.
            self._waiting = [*self._waiting[1 - self._MAX_WAITING :], frame]
            return []
        if frame.n_leads != len(hello.uv_per_lsb) or frame.width != hello.width:
            return []
        counts = frame.counts()
        mv = (counts * self._scale[frame.stream]).astype(np.float32)
        mv[counts == frames.NO_VALUE[frame.width]] = np.nan
        return [Block(stream=frame.stream, counter=frame.counter, board_us=frame.board_us, mv=mv)]

    def _hello(self, hello: frames.Hello) -> list[Item]:
        if hello.version != frames.VERSION:
            raise SourceError(
                hello.device or "board",
                f"speaks version {hello.version} of the protocol, this program speaks {frames.VERSION}",
                "update whichever is older",
            )
        if self._hellos.get(hello.stream) == hello:
            return []
        # A board has one stretch at a time; what it said of earlier ones is over.
        self._hellos = {hello.stream: hello}
        gains = np.array(hello.uv_per_lsb)
        self._scale = {hello.stream: (gains * 1e-3).astype(np.float32)}
        names = self._options.leads
        half = 1 << (hello.adc_bits - 1)
        out: list[Item] = [
            Description(
                stream=hello.stream,
                name=hello.device or "board",
                fs_hz=hello.fs_hz,
                leads=names if names and len(names) == len(gains) else hello.leads,
                range_mv=tuple((-half * gain * 1e-3, (half - 1) * gain * 1e-3) for gain in gains.tolist()),
                what=f"{hello.device or 'board'}, firmware {hello.firmware or 'unnamed'}, native protocol",
                modulo=1 << 32,
                lead_off_detection=True,
            )
        ]
        waiting, self._waiting = self._waiting, []
        for frame in waiting:
            if frame.stream == hello.stream:
                out += self._block(frame)
        return out

    def _status(self, status: frames.Status) -> list[Item]:
        hello = self._hellos.get(status.stream)
        if hello is None:
            return []
        battery = None if status.battery == frames.BATTERY_UNKNOWN else status.battery
        off = status.leads_off(len(hello.uv_per_lsb))
        return [BoardState(stream=status.stream, leads_off=off, battery=battery, dropped=status.dropped)]
