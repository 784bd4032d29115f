"""The ward as it is now: beds, made of MQTT messages alone. No clock, no network, no threads."""

from __future__ import annotations

import logging
import re
from typing import Any, Literal

import msgspec

from edge.contract import topics
from edge.contract.commands import Answer
from edge.contract.payloads import Active, Alert, Beats, Status, Vitals, Waveform
from edge.web.clock import Now
from edge.web.ward.bed import Bed

_log = logging.getLogger(__name__)

MOST_BEDS = 256
_MAX_BYTES = 2_000_000
_TOPIC = re.compile(rf"{re.escape(topics.BASE)}/([A-Za-z0-9_-]{{1,64}})/([a-z/]{{1,32}})")
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    topic.name: msgspec.json.Decoder(kind)
    for topic, kind in (
        (topics.STATUS, Status),
        (topics.VITALS, Vitals),
        (topics.BEATS, Beats),
        (topics.ALERTS, Alert),
        (topics.ACTIVE, Active),
        (topics.WAVEFORM, Waveform),
        (topics.ANSWER, Answer),
    )
}
_RETAINED = (topics.STATUS.name, topics.ACTIVE.name)


class Change(msgspec.Struct, frozen=True):
    """What a message changed.

    Attributes
    ----------
    bed : Bed or None
        The bed it is about.
    told : str
        When who looks is to be told: `never` if the bed looks as before, `soon`, or `now` if alerts changed.
    frame : bytes or None
        Samples for its trace, to be sent after the bed was told.
    answer : Answer or None
        A device's answer to a command.
    """

    bed: Bed | None = None
    told: Literal["never", "soon", "now"] = "never"
    frame: bytes | None = None
    answer: Answer | None = None


class Ward:
    """All beds that were ever heard of.

    Attributes
    ----------
    refused : int
        Messages that were not what their topic says, or too large, or of one bed too many.
    """

    def __init__(self) -> None:
        self.beds: dict[str, Bed] = {}
        self.refused = 0
        self.taken = 0
        self._complained: set[str] = set()

    def take(self, topic: str, payload: bytes, now: Now, *, retained: bool = False) -> Change:
        """Take a message; what cannot be understood changes nothing."""
        match = _TOPIC.fullmatch(topic)
        if match is None or match[2] not in _DECODERS or (retained and match[2] not in _RETAINED):
            return Change()
        device, name = match.groups()
        if not payload:  # somebody has cleared what was retained
            return Change()
        try:
            if len(payload) > _MAX_BYTES:
                raise ValueError(f"{len(payload):,} bytes")
            message = _DECODERS[name].decode(payload)
            if message.device != device:
                raise ValueError("it is of another device")
            bed = self._bed(device)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            self._refuse(topic, error)
            return Change()
        self.taken += 1
        return _apply(bed, message, now)

    def watch(self, now: Now, *, connected: bool) -> list[Bed]:
        """Notice who is silent; return the beds that look different now.

        Without a broker nobody is heard, which is one thing to tell and not one per bed.
        """
        return [bed for bed in self.beds.values() if connected and bed.watch(now)]

    def _bed(self, device: str) -> Bed:
        if device not in self.beds:
            if len(self.beds) >= MOST_BEDS:
                raise ValueError(f"there are {MOST_BEDS} beds already")
            self.beds[device] = Bed(device, len(self.beds))
        return self.beds[device]

    def _refuse(self, topic: str, error: Exception) -> None:
        self.refused += 1
        if topic not in self._complained and len(self._complained) < MOST_BEDS:
            self._complained.add(topic)
            _log.warning("%s: not understood (%s)", topic, str(error)[:160])


def _apply(bed: Bed, message: object, now: Now) -> Change:
    match message:
        case Waveform():
            before = bed.trace.generation
            frame = bed.take_wave(message, now)
            return Change(bed, "never" if bed.trace.generation == before else "now", frame)
        case Vitals():
            bed.take_vitals(message, now)
        case Beats():
            bed.take_beats(message, now)
            return Change(bed)
        case Status():
            bed.take_status(message)
        case Alert():
            bed.alerts.take_phase(message)
            return Change(bed, "now")
        case Active():
            bed.alerts.take_active(message, now)
            return Change(bed, "now")
        case Answer():
            return Change(bed, answer=message)
    return Change(bed, "soon")
