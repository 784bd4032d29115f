"""A message on its way out, and who brings it to a broker."""

from __future__ import annotations

from typing import Protocol

import msgspec

from edge.contract.topics import Topic
from edge.sinks.outbox.outbox import Entry

# A fixed header of at most five bytes, the topic's length, a number, properties with an expiry.
_OVERHEAD_BYTES = 5 + 2 + 2 + 6


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A message that nothing but the connection keeps.

    Attributes
    ----------
    topic, payload : str, bytes
        What is said where.
    qos : int
        0 at most once, 1 at least once.
    retain : bool
        Whether the broker keeps it for those who subscribe later.
    expiry_s : int or None
        After this long it is of no use to anybody, and the broker need not keep it (MQTT 5).
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    expiry_s: int | None = None

    @property
    def packet_bytes(self) -> int:
        """How large its packet is, at most."""
        return _OVERHEAD_BYTES + len(self.topic.encode()) + len(self.payload)


def publication(topic: Topic, device: str, payload: bytes) -> Publication:
    """Return what is said of a device in one of its topics."""
    return Publication(
        topic=topic.of(device), payload=payload, qos=topic.qos, retain=topic.retain, expiry_s=topic.expiry_s
    )


class Publisher(Protocol):
    """Brings messages to a broker."""

    @property
    def where(self) -> str:
        """The broker's address, for people."""

    @property
    def trouble(self) -> str | None:
        """Why the broker is not there or does not take what it is given, as far as that is known."""

    @property
    def undelivered(self) -> str | None:
        """What the broker does not have although the connection was closed."""

    def connect(self, will: Publication) -> None:
        """Connect; the broker is to publish `will` if the connection breaks. May raise `SinkError`.

        If already connected, begin anew: what was retained is forgotten.
        """

    def publish(self, publication: Publication) -> None:
        """Send a message. May raise `SinkError`."""

    def deliver(self, entry: Entry) -> None:
        """Keep a phase of an alert until the broker has it. May raise `SinkError`."""

    def close(self, farewell: Publication | None = None) -> None:
        """Wait until everything was acknowledged, say farewell, and disconnect. May raise `SinkError`."""
