"""Boards in software: what each kind would send, and how it would answer. Sans-I/O, in the board's own time."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_bridge import cyton, frames, openview, text
from firmware_bridge.codec import Decoder, encode

MilliVolts = NDArray[np.float32]
"""Shape (n_samples, n_leads), NaN where there is no value."""

FORMATS = ("native", "text", "openview", "cyton")


class Board(Protocol):
    """Something that samples and sends.

    Attributes
    ----------
    fs_hz : float
        Its sampling rate.
    running : bool
        Whether it sends samples.
    lead_off : bool
        Whether an electrode is off just now; may be set.
    """

    fs_hz: float
    running: bool
    lead_off: bool

    @property
    def finished(self) -> bool:
        """Whether it has sent all there is."""

    def due(self, board_s: float) -> list[bytes]:
        """Return the packets that are due at this time on the board's clock, oldest first."""

    def receive(self, data: bytes, board_s: float) -> list[bytes]:
        """Take in what the host sent; return the answers."""


class NativeBoard:
    """A board that speaks the native protocol.

    Parameters
    ----------
    mv : float32 array, shape (n_samples, n_leads)
        What its electrodes see.
    fs_hz : float
        Rate of `mv`, and of the board until it is told another.
    leads : tuple of str
        Lead names.
    uv_per_lsb : float
        Microvolts a count.
    adc_bits, width : int
        Resolution, and bytes a count.
    device : str
        Its id.
    block_s : float
        Length of a block of samples.
    stream : int
        Number of its first stream.
    running : bool
        Whether it sends unasked; otherwise it waits for a start.
    """

    def __init__(
        self,
        mv: MilliVolts,
        fs_hz: float,
        leads: tuple[str, ...],
        *,
        uv_per_lsb: float = 5.0,
        adc_bits: int = 16,
        width: int = 2,
        device: str = "emulated",
        block_s: float = 0.05,
        stream: int = 1,
        running: bool = True,
    ) -> None:
        self.fs_hz = fs_hz
        self.running = running
        self.lead_off = False
        self._mv, self._mv_hz = mv, fs_hz
        self._leads = tuple(name.encode("ascii", "replace").decode() for name in leads)
        self._uv, self._bits, self._width, self._device = uv_per_lsb, adc_bits, width, device
        self._block_s = block_s
        self._decoder = Decoder()
        self._stream = stream
        self._began_s = 0.0
        self._second = -1
        self._told_off = False
        self._begin()

    def _begin(self) -> None:
        room = (frames.MAX_BODY - frames.CRC_BYTES - frames.SampleBlock.HEAD.size) // (self._width * len(self._leads))
        self._block = max(min(round(self.fs_hz * self._block_s), room), 1)
        self._counts = self._digitize(_resampled(self._mv, self._mv_hz, self.fs_hz))
        self._sent = 0

    def _digitize(self, mv: MilliVolts) -> NDArray[np.int32]:
        half = 1 << (self._bits - 1)
        lowest = max(-half, frames.NO_VALUE[self._width] + 1)
        counts = np.clip(np.rint(mv.astype(np.float64) * 1000 / self._uv), lowest, half - 1)
        return np.where(np.isnan(counts), frames.NO_VALUE[self._width], counts).astype(np.int32)

    @property
    def finished(self) -> bool:
        """Whether all samples were sent."""
        return self._sent >= len(self._counts)

    @property
    def hello(self) -> frames.Hello:
        """What it says of itself."""
        return frames.Hello(
            stream=self._stream,
            rate_mhz=round(self.fs_hz * 1000),
            adc_bits=self._bits,
            width=self._width,
            uv_per_lsb=(self._uv,) * len(self._leads),
            device=self._device,
            firmware="emulator 1",
            leads=self._leads,
        )

    def restart(self, board_s: float, *, fs_hz: float | None = None) -> list[bytes]:
        """Begin a new stream, as after a loss of power; the record goes on where it was."""
        at_s = self._sent / self.fs_hz
        self.fs_hz = fs_hz or self.fs_hz
        self._stream = (self._stream + 1) % 256
        self._mv = self._mv[round(at_s * self._mv_hz) :]
        self._began_s = board_s
        self._begin()
        return [encode(self.hello)]

    def due(self, board_s: float) -> list[bytes]:
        """Return the packets that are due."""
        out: list[bytes] = []
        if int(board_s) != self._second:
            out.append(encode(self.hello))
        if (int(board_s), self.lead_off) != (self._second, self._told_off):
            self._second, self._told_off = int(board_s), self.lead_off
            out.append(encode(self._status(board_s)))
        if not self.running:
            self._began_s = board_s - self._sent / self.fs_hz
            return out
        taken = min(int((board_s - self._began_s) * self.fs_hz), len(self._counts))
        while taken - self._sent >= self._block or (taken == len(self._counts) and not self.finished):
            out.append(encode(self._samples(min(self._block, taken - self._sent))))
        return out

    def _samples(self, n: int) -> frames.SampleBlock:
        counts = self._counts[self._sent : self._sent + n]
        if self.lead_off:
            counts = np.full_like(counts, frames.NO_VALUE[self._width])
        block = frames.SampleBlock(
            stream=self._stream,
            n_leads=len(self._leads),
            width=self._width,
            counter=self._sent % 2**32,
            board_us=_micros(self._began_s + self._sent / self.fs_hz),
            data=frames.pack_counts(counts, self._width),
        )
        self._sent += n
        return block

    def _status(self, board_s: float) -> frames.Status:
        off = sum(1 << 2 * lead for lead in range(len(self._leads))) if self.lead_off else 0
        return frames.Status(stream=self._stream, board_us=_micros(board_s), lead_off=off)

    def receive(self, data: bytes, board_s: float) -> list[bytes]:
        """Obey commands."""
        return [answer for frame in self._decoder.push(data) for answer in self._obey(frame, board_s)]

    def _obey(self, frame: frames.Frame, board_s: float) -> list[bytes]:
        answers: list[bytes] = []
        match frame:
            case frames.Ping():
                answers = [encode(frames.Pong(token=frame.token, board_us=_micros(board_s)))]
            case frames.Identify():
                answers = [_ack(frame), encode(self.hello)]
            case frames.Start() | frames.Stop():
                self.running = isinstance(frame, frames.Start)
                answers = [_ack(frame)]
            case frames.SetRate(rate_mhz=rate_mhz) if 100_000 <= rate_mhz <= 1_000_000:
                hello = self.restart(board_s, fs_hz=rate_mhz / 1000)
                answers = [_ack(frame, value=rate_mhz), *hello]
            case frames.SetRate():
                answers = [_ack(frame, frames.ACK_REFUSED, round(self.fs_hz * 1000))]
            case _:
                pass
        return answers


def _ack(frame: frames.Frame, result: int = frames.ACK_OK, value: int = 0) -> bytes:
    return encode(frames.Ack(command=frame.TYPE, result=result, value=value))


def _micros(seconds: float) -> int:
    return round(seconds * 1e6) % 2**32


def _resampled(mv: MilliVolts, fs_hz: float, wanted_hz: float) -> MilliVolts:
    """Return the signal at another rate, straight lines between its samples: good enough for a board in software."""
    if fs_hz == wanted_hz:
        return mv
    at = np.arange(int(len(mv) * wanted_hz / fs_hz)) * (fs_hz / wanted_hz)
    return np.stack([np.interp(at, np.arange(len(mv)), lead) for lead in mv.T], axis=1).astype(np.float32)


class _PacketBoard:
    """A board that sends one packet a sample, unasked and without end."""

    n_leads = 1

    def __init__(self, mv: MilliVolts, fs_hz: float, *, running: bool = True) -> None:
        self.fs_hz = fs_hz
        self.running = running
        self.lead_off = False
        self._mv = mv[:, : self.n_leads]
        self._sent = 0
        self._began_s = 0.0

    @property
    def finished(self) -> bool:
        """Whether all samples were sent."""
        return self._sent >= len(self._mv)

    def due(self, board_s: float) -> list[bytes]:
        """Return the packets that are due."""
        if not self.running:
            self._began_s = board_s - self._sent / self.fs_hz
            return []
        first = self._sent
        self._sent = min(int((board_s - self._began_s) * self.fs_hz), len(self._mv))
        return [self._packet(number, self._mv[number]) for number in range(first, self._sent)]

    def receive(self, data: bytes, board_s: float) -> list[bytes]:  # noqa: ARG002  # the protocol's
        """Begin with the first byte, if it had to wait for one."""
        self.running = self.running or bool(data)
        return []

    def _packet(self, number: int, mv: MilliVolts) -> bytes:
        raise NotImplementedError


class TextBoard(_PacketBoard):
    """An Uno with an AD8232: `Serial.println(analogRead(A0))`, `!` for lead-off.

    Gain 1,100 on a 10-bit converter of 5 V, 0 mV in its middle.
    """

    n_leads = 2
    _COUNTS_PER_MV = 1100 * 1024 / 5000

    def _packet(self, number: int, mv: MilliVolts) -> bytes:  # noqa: ARG002
        if self.lead_off or bool(np.isnan(mv).any()):
            return text.encode(())
        return text.encode(tuple(np.clip(np.rint(512 + mv * self._COUNTS_PER_MV), 0, 1023).tolist()))


class OpenViewBoard(_PacketBoard):
    """A HealthyPi 4."""

    _KIND = (2, 20)
    RATE_HZ = openview.LAYOUTS[_KIND].rate_hz

    def _packet(self, number: int, mv: MilliVolts) -> bytes:  # noqa: ARG002
        off = self.lead_off or bool(np.isnan(mv).any())
        counts = np.clip(np.rint(np.nan_to_num(mv) * 1000 / openview.LAYOUTS[self._KIND].uv_per_lsb), -32768, 32767)
        return openview.encode(self._KIND, counts.astype(np.int32), lead_off=off)


class CytonBoard(_PacketBoard):
    """An OpenBCI Cyton, ECG on its first channels; lead-off is a channel at its limit."""

    n_leads = cyton.N_CHANNELS
    _UV = cyton.UV_PER_LSB_AT_GAIN_1 / cyton.DEFAULT_GAIN

    def _packet(self, number: int, mv: MilliVolts) -> bytes:
        if self.lead_off:
            mv = np.full_like(mv, np.nan)
        counts = np.clip(np.rint(mv.astype(np.float64) * 1000 / self._UV), -(2**23), 2**23 - 1)
        return cyton.encode(number, np.where(np.isnan(counts), -(2**23), counts).astype(np.int32))

    def receive(self, data: bytes, board_s: float) -> list[bytes]:  # noqa: ARG002
        """Obey `b` and `s`."""
        for byte in data:
            self.running = byte == cyton.START[0] or (self.running and byte != cyton.STOP[0])
        return []


def make_board(
    name: str, mv: MilliVolts, fs_hz: float, leads: tuple[str, ...], *, running: bool = True, uv_per_lsb: float = 5.0
) -> Board:
    """Return a board of one of `FORMATS` whose electrodes see `mv`; one that knows a single rate samples at that."""
    if name == "native":
        return NativeBoard(mv, fs_hz, leads, running=running, uv_per_lsb=uv_per_lsb)
    kinds: dict[str, type[_PacketBoard]] = {"text": TextBoard, "openview": OpenViewBoard, "cyton": CytonBoard}
    rate_hz = {"openview": OpenViewBoard.RATE_HZ, "cyton": cyton.RATE_HZ}.get(name, fs_hz)
    return kinds[name](_resampled(mv, fs_hz, rate_hz), rate_hz, running=running)
