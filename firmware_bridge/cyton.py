"""OpenBCI Cyton: 33-byte packets of eight 24-bit channels with an 8-bit counter, 250 Hz.

`A0 | number u8 | 8 × i24 big-endian | 6 auxiliary bytes | C0 to CF`. The board sends after `b` and stops on `s`;
on `v` it says in text who it is, ending with `$$$`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PACKET_BYTES = 33
N_CHANNELS = 8
RATE_HZ = 250.0
COUNTER_MODULO = 256

UV_PER_LSB_AT_GAIN_1 = 4.5e6 / (2**23 - 1)
DEFAULT_GAIN = 24

START, STOP, RESET = b"b", b"s", b"v"
_HEAD = 0xA0


class Packet(NamedTuple):
    """One sample of all channels.

    Attributes
    ----------
    number : int
        The board's count of packets, modulo 256.
    counts : int32 array, shape (8,)
        Two's complement counts.
    """

    number: int
    counts: NDArray[np.int32]


class Decoder:
    """Takes packets out of a stream of bytes; holds less than two packets'."""

    def __init__(self) -> None:
        self.skipped = 0
        self._rest = b""
        self._in_step = False

    def push(self, data: bytes) -> list[Packet]:
        """Take bytes in; return the packets they complete."""
        buffer = self._rest + data
        packets: list[Packet] = []
        at = 0
        while len(buffer) - at >= PACKET_BYTES + (not self._in_step):
            if self._is_packet(buffer, at):
                packets.append(_read(buffer[at : at + PACKET_BYTES]))
                self._in_step = True
                at += PACKET_BYTES
                continue
            self._in_step = False
            found = buffer.find(_HEAD, at + 1)
            skip_to = found if found >= 0 else len(buffer)
            self.skipped += skip_to - at
            at = skip_to
        self._rest = buffer[at:]
        return packets

    def _is_packet(self, buffer: bytes, at: int) -> bool:
        """Whether both ends are right, and out of step the next one's head too: A0 is common among the counts."""
        end = at + PACKET_BYTES
        if buffer[at] != _HEAD or buffer[end - 1] & 0xF0 != 0xC0:
            return False
        return self._in_step or buffer[end] == _HEAD


def _read(packet: bytes) -> Packet:
    padded = np.zeros((N_CHANNELS, 4), np.uint8)
    padded[:, :3] = np.frombuffer(packet, np.uint8, 3 * N_CHANNELS, 2).reshape(N_CHANNELS, 3)
    return Packet(packet[1], (padded.view(">i4")[:, 0] >> 8).astype(np.int32))


def encode(number: int, counts: NDArray[np.int32]) -> bytes:
    """Return the packet of one sample; channels that are not given are 0."""
    channels = np.zeros(N_CHANNELS, ">i4")
    channels[: len(counts)] = counts
    data = channels.reshape(-1, 1).view(np.uint8)[:, 1:].tobytes()
    return bytes([_HEAD, number % COUNTER_MODULO]) + data + bytes(6) + b"\xc0"
