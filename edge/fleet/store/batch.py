"""What is published, as rows of the tables."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from edge.contract import topics
from edge.contract.payloads import Alert, Payload, Status, Vitals
from edge.fleet.store.tables import began

Row = tuple[Any, ...]
"""In the order of its table's columns."""

LATEST_EVERY_S = 10.0
_BIGGEST = 2**63 - 1


class Message(msgspec.Struct, frozen=True):
    """A message as it came.

    Attributes
    ----------
    topic : str
        Where it was published.
    payload : bytes
        What was.
    received : datetime
        When it came, UTC.
    """

    topic: str
    payload: bytes
    received: datetime


class RejectedError(ValueError):
    """A message that is not believed; says why."""


_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    topics.ALERTS.name: msgspec.json.Decoder(Alert),
    topics.VITALS.name: msgspec.json.Decoder(Vitals),
    topics.STATUS.name: msgspec.json.Decoder(Status),
}
TOPICS: tuple[tuple[str, int], ...] = tuple(
    (topic.of("+"), topic.qos) for topic in (topics.STATUS, topics.ALERTS, topics.VITALS)
)
"""What is subscribed to, and with which QoS."""


def device_of(topic: str) -> str:
    """Return whose topic it is.

    >>> device_of("ecg/v1/bed-3/alerts")
    'bed-3'
    """
    return topic.removeprefix(f"{topics.BASE}/").partition("/")[0]


def kind_of(topic: str) -> str:
    """Return the topic below the device's own.

    >>> kind_of("ecg/v1/bed-3/alerts")
    'alerts'
    """
    return topic.removeprefix(f"{topics.BASE}/").partition("/")[2]


def understood(message: Message) -> Payload:
    """Return what a message says.

    Raises
    ------
    RejectedError
        If it cannot be understood, or says that it is another device's.
    """
    try:
        payload: Payload = _DECODERS[kind_of(message.topic)].decode(message.payload)
        message.payload.decode()
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedError(f"cannot be understood, {error}") from error
    claimed = getattr(payload, "device", None)
    if claimed != device_of(message.topic):
        raise RejectedError(f"claims to be of {claimed}")
    return payload


class Batch:
    """Rows that are stored together, or not at all.

    Parameters
    ----------
    known : dict of str to Row
        The row of each device, so that a status that is only repeated is not told again; brought up to date.
    told : dict of str to datetime
        When each device's `latest` was renewed last; brought up to date.
    """

    def __init__(self, known: dict[str, Row], told: dict[str, datetime]) -> None:
        self._known, self._told = known, told
        self.alerts: list[Row] = []
        self.vitals: list[Row] = []
        self.statuses: list[Row] = []
        self.rejected: list[Row] = []
        self.devices: dict[str, Row] = {}
        self.latest: dict[str, Row] = {}

    def add(self, message: Message) -> None:
        """Take in a message; one that is not believed becomes a row of those."""
        try:
            self._add(message, understood(message))
        except ValueError as error:
            self.reject(message, str(error))

    def _add(self, message: Message, payload: Payload) -> None:
        match payload:
            case Alert():
                self.alerts.append(_alert(message, payload))
            case Vitals():
                self._vitals(message, payload)
            case Status():
                self._status(message, payload)

    def reject(self, message: Message, reason: str) -> None:
        """Keep a message as one that is not believed."""
        digest = hashlib.sha256(message.payload).hexdigest()
        self.rejected.append((message.received, clean(message.topic), digest, clean(reason), message.payload))

    def _vitals(self, message: Message, payload: Vitals) -> None:
        device, received = payload.device, message.received
        leads = clean(" ".join(f"{lead}:{state}" for lead, state in payload.leads.items()))
        hr, reason = payload.hr_bpm, clean(payload.reason)
        counts = tuple(_bounded(payload.beats.get(label, 0)) for label in ("N", "S", "V", "F", "Q"))
        stream = clean(payload.stream)
        self.vitals.append(
            (received, device, _bounded(payload.sample), payload.time, stream, hr, reason, leads, *counts)
        )
        before = self._told.get(device)
        # Either way: this machine's clock may have been set back.
        if before is None or abs((received - before).total_seconds()) >= LATEST_EVERY_S:
            self._told[device] = received
            self.latest[device] = (device, received, payload.time, hr, reason, leads)

    def _status(self, message: Message, payload: Status) -> None:
        device, text, before = payload.device, message.payload.decode(), self._known.get(payload.device)
        if before is not None and before[-1] == text:
            return
        said = (payload.state, clean(payload.reason), payload.time)
        made_by = (clean(payload.version), clean(payload.model.name), clean(payload.model.sha256))
        self._known[device] = self.devices[device] = (device, message.received, *said, *made_by, text)
        if before is None or before[2:4] != said[:2]:
            self.statuses.append((device, message.received, *said))


def _alert(message: Message, alert: Alert) -> Row:
    return (
        began(alert.id),
        alert.id,
        alert.phase,
        _bounded(alert.decision.sample),
        alert.device,
        clean(alert.stream),
        clean(alert.kind),
        alert.priority,
        alert.onset.time,
        alert.decision.time,
        None if alert.end is None else alert.end.time,
        clean(alert.reason),
        message.payload.decode(),
        message.received,
    )


def _bounded(number: int) -> int:
    if number > _BIGGEST:
        raise RejectedError(f"{number} is no number of a sample")
    return number


def clean(text: Any) -> Any:
    r"""Return a text without what no database takes.

    >>> clean("a\0b")
    'a\ufffdb'
    """
    return text.replace("\0", "\ufffd") if isinstance(text, str) else text
