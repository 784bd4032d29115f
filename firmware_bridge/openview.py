"""ProtoCentral OpenView packets: HealthyPi 3, 4 and 5, ADS1292R, ADS1293 and MAX30001 breakouts.

`0A FA | length u16 | type u8 | payload | 00 0B`, little-endian. No checksum and no counter: a packet is believed if
both its ends are where they should be and its kind is one of the known ones. Some boards send packets of the same
length that hold other things: which board it is, the packets do not say.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HEAD = b"\x0a\xfa"
TAIL = b"\x00\x0b"
_OVERHEAD = 7


class Layout(NamedTuple):
    """Where the ECG lies in a payload.

    Attributes
    ----------
    board : str
        Who sends it.
    dtype : str
        Of a count.
    n_samples, n_leads : int
        Counts, sample after sample from the payload's first byte on.
    lead_off_at : int or None
        Byte whose low five bits are the ADS1292R's lead-off comparators.
    rate_hz : float
        Rate its firmware samples at unless changed.
    uv_per_lsb : float
        Microvolts a count, from reference voltage and gain of that firmware.
    """

    board: str
    dtype: str
    n_samples: int
    n_leads: int
    lead_off_at: int | None
    rate_hz: float
    uv_per_lsb: float


# 2.42 V over a gain of 12, the upper 16 of 24 bits.
_ADS1292R_UV = 2.42e6 / 12 / 2**15
# MAX30001: 1 V over 2^17 counts at a gain of 20.
_MAX30001_UV = 1e6 / 2**17 / 20
# ADS1293: twice 2.4 V over 3.5, full scale B964F0 at the usual decimation.
_ADS1293_UV = 2 * 2.4e6 / 3.5 / 0xB964F0

Kind = tuple[int, int]
"""Type of a packet, and the length of its payload."""

BOARDS: dict[str, dict[Kind, Layout]] = {
    "ads1292r": {
        (2, 8): Layout("ADS1292R breakout", "<i2", 1, 1, None, 125.0, _ADS1292R_UV),
        (2, 20): Layout("ADS1292R breakout", "<i2", 1, 1, 19, 125.0, _ADS1292R_UV),
    },
    "ads1293": {(2, 12): Layout("ADS1293 breakout", "<i4", 1, 3, None, 128.0, _ADS1293_UV)},
    # After the ECG: BioZ, and whether it is left out of this packet.
    "max30001": {(2, 12): Layout("MAX30001 breakout", "<i4", 1, 1, None, 125.0, _MAX30001_UV)},
    # Red and infrared: a pulse oximeter has no ECG.
    "max30102": {(2, 8): Layout("MAX30102 breakout", "<u4", 1, 0, None, 100.0, 1.0)},
    "healthypi4": {(2, 20): Layout("HealthyPi 3/4", "<i2", 1, 1, 19, 125.0, _ADS1292R_UV)},
    "healthypi5": {
        (2, 22): Layout("HealthyPi 5", "<i4", 1, 1, None, 125.0, _MAX30001_UV),
        (3, 50): Layout("HealthyPi 5", "<i4", 8, 1, None, 125.0, _MAX30001_UV),
    },
}
"""By the board's name, the kinds of packets it sends; no leads where there is no ECG in them."""

_ALIKE = "healthypi4"
LAYOUTS: dict[Kind, Layout] = {
    kind: layout for name in (*BOARDS, _ALIKE) for kind, layout in BOARDS[name].items() if layout.n_leads
}
LAYOUTS |= BOARDS["ads1293"]
"""What a packet most likely is, by its kind."""

# Longer ones are not known of any board.
_LONGEST = 128 + _OVERHEAD


def senders(kind: Kind) -> dict[str, Layout]:
    """Return the boards that send packets of this kind, and what those hold."""
    return {name: kinds[kind] for name, kinds in BOARDS.items() if kind in kinds}


class Packet(NamedTuple):
    """One packet with ECG in it.

    Attributes
    ----------
    kind : Kind
        Its type and length.
    layout : Layout
        What it holds.
    counts : int32 array, shape (n_samples, n_leads)
        The counts.
    lead_off : bool
        Whether the board said that an electrode is off.
    """

    kind: Kind
    layout: Layout
    counts: NDArray[np.int32]
    lead_off: bool


class Decoder:
    """Takes packets out of a stream of bytes; holds at most one packet's.

    Parameters
    ----------
    layouts : dict
        What packets hold, by their kind.

    Attributes
    ----------
    skipped : int
        Bytes that were in no packet of a known kind.
    unknown : Counter of Kind
        Packets of other kinds.
    """

    def __init__(self, layouts: dict[Kind, Layout] | None = None) -> None:
        self._layouts = LAYOUTS if layouts is None else layouts
        self.skipped = 0
        self.unknown: Counter[Kind] = Counter()
        self._rest = b""

    def layout_of(self, kind: Kind) -> Layout:
        """Return what packets of a kind that came hold."""
        return self._layouts[kind]

    def push(self, data: bytes) -> list[Packet]:
        """Take bytes in; return the packets they complete."""
        buffer = self._rest + data
        packets: list[Packet] = []
        at = 0
        while (start := buffer.find(HEAD, at)) >= 0:
            self.skipped += start - at
            end = _end(buffer, start)
            if end is None:
                at = start
                break
            packet = self._read(buffer[start:end]) if end > start + 2 else None
            if packet is not None:
                packets.append(packet)
            else:
                self.skipped += end - start
            at = end
        else:
            # Nothing begins here, except perhaps with the very last byte.
            keep = 1 if buffer.endswith(HEAD[:1]) else 0
            self.skipped += len(buffer) - at - keep
            at = len(buffer) - keep
        self._rest = buffer[at:]
        return packets

    def _read(self, packet: bytes) -> Packet | None:
        """Read a whole packet; None if it is of a kind without ECG."""
        payload = packet[5:-2]
        kind = (packet[4], len(payload))
        layout = self._layouts.get(kind)
        if layout is None:
            self.unknown[kind] += 1
            return None
        n = layout.n_samples * layout.n_leads
        counts = np.frombuffer(payload, layout.dtype, n).astype(np.int32).reshape(layout.n_samples, layout.n_leads)
        off = layout.lead_off_at is not None and bool(payload[layout.lead_off_at] & 0x1F)
        return Packet(kind, layout, counts, off)


def _end(buffer: bytes, start: int) -> int | None:
    """One past the packet that begins at `start`; just past its head if that is none; None if it is not all there."""
    if len(buffer) < start + 5:
        return None
    length = int.from_bytes(buffer[start + 2 : start + 4], "little")
    end = start + length + _OVERHEAD
    if length + _OVERHEAD > _LONGEST:
        return start + 2
    if len(buffer) < end:
        return None
    return end if buffer[end - 2 : end] == TAIL else start + 2


def encode(kind: Kind, counts: NDArray[np.int32], *, lead_off: bool = False) -> bytes:
    """Return a packet of one of `LAYOUTS` with these counts and zeros elsewhere."""
    layout = LAYOUTS[kind]
    payload = bytearray(kind[1])
    ecg = counts.astype(layout.dtype).tobytes()
    payload[: len(ecg)] = ecg
    if lead_off and layout.lead_off_at is not None:
        payload[layout.lead_off_at] = 0x1F
    return HEAD + kind[1].to_bytes(2, "little") + bytes(kind[:1]) + bytes(payload) + TAIL
