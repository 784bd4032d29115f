"""What is said on the wire: one frozen struct a frame, with `from_body` and `to_body`.

A body is `type | payload | CRC-32`, all little-endian. docs/serial-protocol.md is the contract; `codec` puts bodies
on the wire and takes them off it.
"""

from __future__ import annotations

import struct
from typing import ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

VERSION = 1
"""Protocol version that a hello declares."""

MAX_BODY = 250
"""Longest body in bytes, CRC included: a COBS block never overflows, and a byte counts it."""

CRC_BYTES = 4
MAX_LEADS = 15

NO_VALUE = {2: -(1 << 15), 3: -(1 << 23)}
"""The count that means *no value* (electrode off), by sample width in bytes."""

LEAD_OFF_REFERENCE = 1 << 31
BATTERY_UNKNOWN = 255

ACK_OK, ACK_UNKNOWN, ACK_REFUSED = 0, 1, 2


class FrameError(ValueError):
    """A body whose CRC is right and whose content is not."""


class Frame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all frames."""

    TYPE: ClassVar[int]

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Read a body whose type is `TYPE`; raises FrameError if it does not make sense."""
        raise NotImplementedError

    def to_body(self) -> bytes:
        """Return type and payload, without the CRC."""
        raise NotImplementedError


class Hello(Frame, frozen=True, kw_only=True, gc=False):
    """Who the board is and what its numbers mean; sent once a second and on `Identify`.

    Attributes
    ----------
    stream : int
        Number of this stretch of sampling, 0 to 255; changes whenever the counter starts anew.
    rate_mhz : int
        Sampling rate in millihertz.
    adc_bits : int
        Resolution of the converter; full scale is ±2^(bits-1) counts.
    width : int
        Bytes a count takes in sample frames, 2 or 3.
    uv_per_lsb : tuple of float
        Microvolts at the electrodes per count, one per lead (float32 on the wire).
    device, firmware : str
        Id of the board and version of its firmware, ASCII.
    leads : tuple of str
        Lead names in column order.
    """

    TYPE: ClassVar[int] = 0x01
    _HEAD: ClassVar[struct.Struct] = struct.Struct("<BBBBBBI")

    stream: int
    rate_mhz: int
    adc_bits: int
    width: int
    uv_per_lsb: tuple[float, ...]
    device: str
    firmware: str
    leads: tuple[str, ...]
    version: int = VERSION

    @property
    def fs_hz(self) -> float:
        """Sampling rate in Hz."""
        return self.rate_mhz / 1000

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Read a hello."""
        try:
            _, version, stream, n_leads, adc_bits, width, rate_mhz = cls._HEAD.unpack_from(body)
            gains = struct.unpack_from(f"<{n_leads}f", body, cls._HEAD.size)
            device, at = _string(body, cls._HEAD.size + 4 * n_leads)
            firmware, at = _string(body, at)
            names, at = _string(body, at)
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise FrameError(f"hello: {error}") from error
        if not 1 <= n_leads <= MAX_LEADS or width not in NO_VALUE or rate_mhz == 0 or not 8 <= adc_bits <= 8 * width:
            raise FrameError(f"hello: {n_leads} leads of {width} bytes, {adc_bits} bits at {rate_mhz} mHz")
        if not all(np.isfinite(gain) and gain > 0 for gain in gains):
            raise FrameError(f"hello: gains {gains}")
        return cls(
            version=version,
            stream=stream,
            rate_mhz=rate_mhz,
            adc_bits=adc_bits,
            width=width,
            uv_per_lsb=gains,
            device=device,
            firmware=firmware,
            leads=_lead_names(names, n_leads),
        )

    def to_body(self) -> bytes:
        """Return type and payload."""
        n_leads = len(self.uv_per_lsb)
        head = self._HEAD.pack(self.TYPE, self.version, self.stream, n_leads, self.adc_bits, self.width, self.rate_mhz)
        strings = (self.device, self.firmware, ",".join(self.leads))
        packed = b"".join(bytes([len(text)]) + text.encode("ascii") for text in strings)
        return head + struct.pack(f"<{n_leads}f", *self.uv_per_lsb) + packed


class SampleBlock(Frame, frozen=True, kw_only=True, gc=False):
    """Consecutive samples of all leads.

    Attributes
    ----------
    stream : int
        The stream they belong to; its hello says what they mean.
    n_leads, width : int
        Columns, and bytes a count.
    counter : int
        Number of the first sample in its stream, modulo 2^32.
    board_us : int
        Board time of the first sample in microseconds, modulo 2^32.
    data : bytes
        Counts, sample after sample, lead after lead within one.
    """

    HEAD: ClassVar[struct.Struct] = struct.Struct("<BBBII")
    TYPES: ClassVar[dict[int, int]] = {2: 0x10, 3: 0x11}

    stream: int
    n_leads: int
    width: int
    counter: int
    board_us: int
    data: bytes

    @property
    def n_samples(self) -> int:
        """How many samples of each lead."""
        return len(self.data) // (self.n_leads * self.width)

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Read a block of either width."""
        width = 2 if body[0] == cls.TYPES[2] else 3
        if len(body) <= cls.HEAD.size + CRC_BYTES:
            raise FrameError("samples: none in it")
        _, stream, n_leads, counter, board_us = cls.HEAD.unpack_from(body)
        data = body[cls.HEAD.size : -CRC_BYTES]
        if not 1 <= n_leads <= MAX_LEADS or len(data) % (n_leads * width):
            raise FrameError(f"samples: {len(data)} bytes for {n_leads} leads of {width}")
        return cls(stream=stream, n_leads=n_leads, width=width, counter=counter, board_us=board_us, data=data)

    def to_body(self) -> bytes:
        """Return type and payload."""
        head = self.HEAD.pack(self.TYPES[self.width], self.stream, self.n_leads, self.counter, self.board_us)
        return head + self.data

    def counts(self) -> NDArray[np.int32]:
        """Return the counts, shape (n_samples, n_leads)."""
        return unpack_counts(self.data, self.width).reshape(-1, self.n_leads)


class Status(Frame, frozen=True, kw_only=True, gc=False):
    """State of the board, once a second and when an electrode comes or goes.

    Attributes
    ----------
    stream : int
        The stream it is about.
    board_us : int
        Board time in microseconds, modulo 2^32.
    lead_off : int
        One bit an electrode: 2k the positive and 2k+1 the negative one of lead k, bit 31 the reference.
    saturated : int
        One bit per lead whose converter was at its limit since the last status.
    battery : int
        Per cent, 255 where there is none or it is not known.
    dropped : int
        Samples the board itself could not send since the stream began, modulo 2^32.
    """

    TYPE: ClassVar[int] = 0x02
    _BODY: ClassVar[struct.Struct] = struct.Struct("<BBIIHBI")

    stream: int
    board_us: int
    lead_off: int = 0
    saturated: int = 0
    battery: int = BATTERY_UNKNOWN
    dropped: int = 0

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Read a status; a longer one of a later version is read as far as it is known."""
        if len(body) < cls._BODY.size + CRC_BYTES:
            raise FrameError(f"status: {len(body)} bytes")
        _, stream, board_us, lead_off, saturated, battery, dropped = cls._BODY.unpack_from(body)
        return cls(
            stream=stream,
            board_us=board_us,
            lead_off=lead_off,
            saturated=saturated,
            battery=battery,
            dropped=dropped,
        )

    def to_body(self) -> bytes:
        """Return type and payload."""
        return self._BODY.pack(
            self.TYPE, self.stream, self.board_us, self.lead_off, self.saturated, self.battery, self.dropped
        )

    def leads_off(self, n_leads: int) -> tuple[bool, ...]:
        """Whether each lead has lost an electrode; without the reference all have."""
        if self.lead_off & LEAD_OFF_REFERENCE:
            return (True,) * n_leads
        return tuple(bool(self.lead_off >> 2 * lead & 3) for lead in range(n_leads))


class _Plain(Frame, frozen=True, kw_only=True, gc=False):
    """A frame whose payload is its fields in order."""

    LAYOUT: ClassVar[struct.Struct]

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """Read the fields."""
        if len(body) < 1 + cls.LAYOUT.size + CRC_BYTES:
            raise FrameError(f"{cls.__name__.lower()}: {len(body)} bytes")
        return cls(**dict(zip(cls.__struct_fields__, cls.LAYOUT.unpack_from(body, 1), strict=True)))

    def to_body(self) -> bytes:
        """Return type and payload."""
        return bytes([self.TYPE]) + self.LAYOUT.pack(*(getattr(self, name) for name in self.__struct_fields__))


class Pong(_Plain, frozen=True, kw_only=True, gc=False):
    """Answer to a ping: its token, and the board's time in µs when the ping was taken in."""

    TYPE: ClassVar[int] = 0x03
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<II")

    token: int
    board_us: int


class Ack(_Plain, frozen=True, kw_only=True, gc=False):
    """Answer to a command: its type, `ACK_OK`, `ACK_UNKNOWN` or `ACK_REFUSED`, and the value now in force."""

    TYPE: ClassVar[int] = 0x04
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBI")

    command: int
    result: int
    value: int = 0


class Start(_Plain, frozen=True, kw_only=True, gc=False):
    """Command: sample and send. A board does so when powered; this is for after a stop."""

    TYPE: ClassVar[int] = 0x81
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<")


class Stop(_Plain, frozen=True, kw_only=True, gc=False):
    """Command: send no more samples."""

    TYPE: ClassVar[int] = 0x82
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<")


class SetRate(_Plain, frozen=True, kw_only=True, gc=False):
    """Command: sample at this rate, in millihertz, as a new stream."""

    TYPE: ClassVar[int] = 0x83
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<I")

    rate_mhz: int


class Identify(_Plain, frozen=True, kw_only=True, gc=False):
    """Command: say hello now."""

    TYPE: ClassVar[int] = 0x84
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<")


class Ping(_Plain, frozen=True, kw_only=True, gc=False):
    """Command: answer with this token and your time."""

    TYPE: ClassVar[int] = 0x85
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<I")

    token: int


def unpack_counts(data: bytes, width: int) -> NDArray[np.int32]:
    """Turn packed little-endian counts of 2 or 3 bytes into int32, flat."""
    if width == 2:
        return np.frombuffer(data, "<i2").astype(np.int32)
    padded = np.zeros((len(data) // 3, 4), np.uint8)
    padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    shifted: NDArray[np.int32] = padded.view("<i4")[:, 0] >> 8
    return shifted.astype(np.int32, copy=False)


def pack_counts(counts: NDArray[np.int32], width: int) -> bytes:
    """Turn counts into little-endian bytes, `width` each; the inverse of `unpack_counts`."""
    if width == 2:
        return counts.astype("<i2").tobytes()
    return counts.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3].tobytes()


def _string(body: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + body[at]
    if end > len(body) - CRC_BYTES:
        raise IndexError("a string runs over its end")
    return body[at + 1 : end].decode("ascii"), end


def _lead_names(names: str, n_leads: int) -> tuple[str, ...]:
    """Split the names; where a board names none or too few, leads are numbered from 1."""
    given = [name.strip() for name in names.split(",")][:n_leads]
    given += [""] * (n_leads - len(given))
    return tuple(name or f"lead{i}" for i, name in enumerate(given, 1))
