"""What can happen to packets between a board and its reader."""

from __future__ import annotations

import msgspec
import numpy as np


class LinkFaults(msgspec.Struct, frozen=True, kw_only=True):
    """What to do to a board's packets.

    Attributes
    ----------
    loss, corrupt : float
        Share of packets lost, and share damaged (a bit turned, a byte lost or put in), 0 to 1.
    stall_s : float
        Once a minute the line is silent for so long; what was due comes in one burst afterwards.
    unplug_every_s : float
        So often the port vanishes for `unplugged_s`; the board keeps sampling. 0 is never.
    unplugged_s : float
        How long it is gone.
    drift_ppm : float
        How much faster than true the board's clock runs.
    lead_off : tuple of (float, float)
        When an electrode falls off, and for how long, seconds of board time; once a minute.
    seed : int
        Chance is repeatable.
    """

    loss: float = 0.0
    corrupt: float = 0.0
    stall_s: float = 0.0
    unplug_every_s: float = 0.0
    unplugged_s: float = 2.0
    drift_ppm: float = 0.0
    lead_off: tuple[float, float] = (0.0, 0.0)
    seed: int = 0

    def electrode_off(self, board_s: float) -> bool:
        """Whether an electrode is off at a board time."""
        begin, length = self.lead_off
        return begin <= board_s % 60 < begin + length

    def stalled(self, board_s: float) -> bool:
        """Whether the line is silent at a board time; not in a board's first seconds."""
        return 60 - self.stall_s <= board_s % 60

    def plugged(self, board_s: float) -> bool:
        """Whether the port is there at a board time."""
        period = self.unplug_every_s + self.unplugged_s
        return not self.unplug_every_s or board_s % period < self.unplug_every_s


class FaultInjector:
    """Loses and damages packets.

    Parameters
    ----------
    faults : LinkFaults
        How many.
    """

    def __init__(self, faults: LinkFaults) -> None:
        self._faults = faults
        self._rng = np.random.default_rng(faults.seed)

    def pass_on(self, packets: list[bytes]) -> list[bytes]:
        """Return what arrives of some packets."""
        if not (self._faults.loss or self._faults.corrupt):
            return packets
        arrived = [packet for packet in packets if self._rng.random() >= self._faults.loss]
        return [self._damaged(p) if self._rng.random() < self._faults.corrupt else p for p in arrived]

    def _damaged(self, packet: bytes) -> bytes:
        at = int(self._rng.integers(len(packet)))
        byte = int(self._rng.integers(256))
        match int(self._rng.integers(3)):
            case 0:
                return packet[:at] + bytes([packet[at] ^ (1 << byte % 8)]) + packet[at + 1 :]
            case 1:
                return packet[:at] + packet[at + 1 :]
            case _:
                return packet[:at] + bytes([byte]) + packet[at:]
