"""Where what is published: the topics of a device, and how a broker is to treat each."""

from __future__ import annotations

import msgspec

BASE = "ecg/v1"
"""Above every device; the version of the contract is in it."""


class Topic(msgspec.Struct, frozen=True):
    """One topic of a device.

    Attributes
    ----------
    name : str
        Below the device's own.
    qos : int
        0 at most once, 1 at least once.
    retain : bool
        Whether the broker keeps the newest for those who subscribe later.
    expiry_s : int or None
        After this long it is of no use to anybody, and a broker of MQTT 5 need not keep it.
    """

    name: str
    qos: int = 0
    retain: bool = False
    expiry_s: int | None = None

    def of(self, device: str) -> str:
        """Return the whole topic of a device."""
        return f"{BASE}/{device}/{self.name}"


STATUS = Topic("status", qos=1, retain=True)
VITALS = Topic("vitals", expiry_s=10)
BEATS = Topic("beats", expiry_s=30)
ALERTS = Topic("alerts", qos=1)
ACTIVE = Topic("alerts/active", qos=1, retain=True)
WAVEFORM = Topic("waveform", expiry_s=2)
SNAPSHOT = Topic("snapshot", expiry_s=30)
COMMAND = Topic("command", qos=1)
ANSWER = Topic("command/answer", qos=1, expiry_s=30)
