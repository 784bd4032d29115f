"""Frames to bytes and bytes to frames. Sans-I/O: whoever has the port pushes what came and takes what it led to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

from cobs import cobs

from firmware_bridge.frames import (
    CRC_BYTES,
    MAX_BODY,
    Ack,
    Frame,
    FrameError,
    Hello,
    Identify,
    Ping,
    Pong,
    SampleBlock,
    SetRate,
    Start,
    Status,
    Stop,
)

MAX_ENCODED = MAX_BODY + 1
"""Longest run of bytes between two delimiters that can be a frame."""

MIN_ENCODED = 1 + CRC_BYTES + 1

_RESIDUE = 0x2144DF1C
"""CRC-32 of anything followed by its own CRC-32, little-endian."""

_READERS: dict[int, Callable[[bytes], Frame]] = {
    frame.TYPE: frame.from_body for frame in (Hello, Status, Pong, Ack, Start, Stop, SetRate, Identify, Ping)
} | dict.fromkeys(SampleBlock.TYPES.values(), SampleBlock.from_body)


def encode(frame: Frame) -> bytes:
    """Return the bytes of a frame, the delimiting zero after it included.

    Raises
    ------
    FrameError
        If the frame is longer than the protocol allows.
    """
    body = frame.to_body()
    if len(body) + CRC_BYTES > MAX_BODY:
        raise FrameError(f"{type(frame).__name__.lower()}: {len(body)} bytes, {MAX_BODY - CRC_BYTES} fit")
    encoded: bytes = cobs.encode(body + crc32(body).to_bytes(CRC_BYTES, "little"))
    return encoded + b"\0"


@dataclass(slots=True)
class DecoderStats:
    """What a decoder has seen.

    Attributes
    ----------
    n_bytes, frames : int
        Bytes pushed and frames given out.
    bad_cobs, bad_crc, too_long, malformed : int
        Stretches between two zeros that were no frame, by what was wrong.
    unknown : int
        Sound frames of a type this version does not know; ignored.
    """

    n_bytes: int = 0
    frames: int = 0
    bad_cobs: int = 0
    bad_crc: int = 0
    too_long: int = 0
    malformed: int = 0
    unknown: int = 0

    @property
    def bad(self) -> int:
        """Stretches that were no frame."""
        return self.bad_cobs + self.bad_crc + self.too_long + self.malformed


class Decoder:
    """Takes frames out of a stream of bytes that may start, break or lie anywhere.

    Holds at most one frame's bytes. After anything it is in step again at the next zero byte. Never raises on content.
    """

    def __init__(self) -> None:
        self.stats = DecoderStats()
        self._rest = b""
        self._overlong = False

    @property
    def held(self) -> int:
        """Bytes kept for the next push; never more than `MAX_ENCODED`."""
        return len(self._rest)

    def push(self, data: bytes) -> list[Frame]:
        """Take bytes in; return the frames they complete."""
        self.stats.n_bytes += len(data)
        *pieces, rest = (self._rest + data).split(b"\0")
        if pieces and self._overlong:
            self._overlong = False
            pieces[0] = b""
        self._keep(rest)
        # Zeros in a row are an idle line, not a fault.
        frames = [frame for piece in pieces if piece and (frame := self._read(piece)) is not None]
        self.stats.frames += len(frames)
        return frames

    def _keep(self, rest: bytes) -> None:
        if self._overlong:
            rest = b""
        elif len(rest) > MAX_ENCODED:
            self._overlong = True
            self.stats.too_long += 1
            rest = b""
        self._rest = rest

    def _read(self, piece: bytes) -> Frame | None:
        if len(piece) > MAX_ENCODED:
            self.stats.too_long += 1
            return None
        try:
            body: bytes = cobs.decode(piece)
        except cobs.DecodeError:
            self.stats.bad_cobs += 1
            return None
        if crc32(body) != _RESIDUE or len(piece) < MIN_ENCODED:
            self.stats.bad_crc += 1
            return None
        reader = _READERS.get(body[0])
        if reader is None:
            self.stats.unknown += 1
            return None
        try:
            return reader(body)
        except FrameError:
            self.stats.malformed += 1
            return None
