"""What is published: one struct a topic, and how an event becomes one.

The same payloads go over MQTT and into JSON lines.
"""

from __future__ import annotations

import sys
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import numpy as np
from msgspec import Meta

from edge import messages
from edge.contract.commands import Answer, Command
from edge.messages import Evidence, Label, LabelledBeat, LeadState, Phase, Priority, Samples, Stream, Strip
from edge.timebase import StreamClock

State = Literal["online", "degraded", "offline"]
Count = Annotated[int, Meta(ge=0)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[float, Meta(gt=0)]
Time = Annotated[datetime, Meta(tz=True)]


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything that is published."""


class Moment(_Payload, frozen=True, kw_only=True):
    """A sample of the stream, in the source's own numbers, and the UTC time it was taken."""

    sample: Count
    time: Time


class ModelInfo(_Payload, frozen=True, kw_only=True):
    """The model that classifies the beats, and the SHA-256 of its file."""

    name: str
    sha256: str


class SourceInfo(_Payload, frozen=True, kw_only=True):
    """The stream that is being watched: record name or sensor, rate, leads, UTC time of sample 0."""

    name: str
    fs_hz: Rate
    leads: tuple[str, ...]
    start_time: Time


class Link(_Payload, frozen=True, kw_only=True):
    """How the board is heard: whether it is, its clock's drift in ppm, and counts since the start.

    Samples `lost` on the way, `doubled`, `dropped` here for want of time; stretches of bytes `damaged`; `reconnects`.
    """

    connected: bool
    drift_ppm: float | None
    lost: Count
    doubled: Count
    dropped: Count
    damaged: Count
    reconnects: Count


def link(state: messages.SourceState) -> Link:
    """Return what is published of a live source's state."""
    counted = {name: state.counts.get(name, 0) for name in ("lost", "doubled", "dropped", "damaged", "reconnects")}
    drift_ppm = None if state.drift_ppm is None else round(state.drift_ppm, 1)
    return Link(connected=state.ok, drift_ppm=drift_ppm, **counted)


class OutboxInfo(_Payload, frozen=True, kw_only=True):
    """What keeps the alerts until the broker has them: how many `pending`, how many `lost` since it was made.

    `durable` is false while they are kept in memory only; `reason` says why, what was wrong with the file, or that the
    broker does not take them.
    """

    pending: Count
    lost: Count
    durable: bool
    reason: str | None


class Status(_Payload, frozen=True, kw_only=True):
    """Topic `status`, retained: whether the device watches. In the last will `time` and `source` are null.

    It is `degraded` while leads, board, machine or outbox are not as they should be; `reason` names all that is wrong.
    """

    device: str
    state: State
    reason: str | None
    time: Time | None
    version: str
    runtime: str
    model: ModelInfo
    source: SourceInfo | None
    link: Link | None
    outbox: OutboxInfo | None = None


class Vitals(_Payload, frozen=True, kw_only=True):
    """Topic `vitals`, once a second: heart rate, or null and the reason; never 0. `beats` counts since the start."""

    device: str
    stream: str
    sample: Count
    time: Time
    hr_bpm: Rate | None
    reason: str | None
    leads: dict[str, LeadState]
    lead_off: tuple[str, ...]
    beats: dict[Label, Count]


class BeatItem(_Payload, frozen=True, kw_only=True):
    """A beat at its R peak: AAMI class, how often such a label is right, time since the beat before (null: unknown)."""

    sample: Count
    time: Time
    label: Label
    score: Probability
    rr_ms: float | None


class Beats(_Payload, frozen=True, kw_only=True):
    """Topic `beats`: the beats since the last such message."""

    device: str
    stream: str
    beats: tuple[BeatItem, ...]


class StripInfo(_Payload, frozen=True, kw_only=True):
    """Clean signal around the onset. `start` counts at `fs_hz`; `mv` holds one list a lead, in mV."""

    start: Count
    time: Time
    fs_hz: Rate
    leads: tuple[str, ...]
    mv: list[list[float]]


class Alert(_Payload, frozen=True, kw_only=True):
    """Topic `alerts`: one phase of an alert. All phases carry the same `id`; `decision` says when it was known.

    `reason` says why an alert ended although nobody saw its end; `end` is then null.
    """

    id: UUID
    device: str
    stream: str
    phase: Phase
    kind: str
    priority: Priority
    onset: Moment
    decision: Moment
    end: Moment | None
    evidence: Evidence
    model: ModelInfo
    strip: StripInfo | None
    reason: str | None = None


class Acknowledged(_Payload, frozen=True, kw_only=True):
    """When somebody has said to have seen an alert, and who or where."""

    time: Time
    by: str | None


class ActiveAlert(_Payload, frozen=True, kw_only=True):
    """An alert in force, without its evidence and strip."""

    id: UUID
    kind: str
    priority: Priority
    onset: Moment
    acknowledged: Acknowledged | None = None


class Active(_Payload, frozen=True, kw_only=True):
    """Topic `alerts/active`, retained: the alerts in force, oldest first."""

    device: str
    stream: str
    alerts: tuple[ActiveAlert, ...]


class Waveform(_Payload, frozen=True, kw_only=True):
    """Topic `waveform`, where switched on: the source's samples. `mv` holds one list a lead; null: no value."""

    device: str
    stream: str
    sample: Count
    time: Time
    fs_hz: Rate
    leads: tuple[str, ...]
    mv: list[list[float | None]]


TOPICS: dict[str, Any] = {
    "status": Status,
    "vitals": Vitals,
    "beats": Beats,
    "alerts": Alert,
    "alerts/active": Active,
    "waveform": Waveform,
    "snapshot": Waveform,
    "command": Command,
    "command/answer": Answer,
}
"""Payload of each topic under `ecg/v1/<device_id>/`."""

_encoder = msgspec.json.Encoder()


def encode(payload: _Payload | Answer) -> bytes:
    """Return the JSON that is published."""
    return _encoder.encode(payload)


class Publications:
    """Turns the events of one stream into payloads.

    Parameters
    ----------
    device : str
        Device id.
    model : ModelInfo
        The model that classifies the beats.
    stream : Stream
        The stream the events are of.
    """

    def __init__(self, device: str, model: ModelInfo, stream: Stream) -> None:
        self._device = device
        self._model = model
        self._stream = stream
        self._clock = StreamClock(stream)

    def anchor(self, state: messages.SourceState) -> None:
        """Take times from what a live source says of its clock, from now on."""
        self._clock.anchor(state)

    def time(self, sample: int, fs_hz: float | None = None) -> datetime:
        """Return the UTC time of a sample, as `StreamClock.time`."""
        return self._clock.time(sample, fs_hz)

    def moment(self, sample: int) -> Moment:
        """Return a sample with its time."""
        return Moment(sample=sample, time=self.time(sample))

    def alert_id(self, number: int, onset: int) -> UUID:
        """Return the UUIDv7 (RFC 9562, 5.7) of an alert: the onset's time, and a hash of what makes it this alert.

        It is the same in every sink, in every phase, and each time the same stream is looked at.
        """
        stream = self._stream
        # Not what is known of the clock by now: that may have changed since the onset was told.
        unix_ms = round(self._clock.nominal_time(onset).timestamp() * 1000)
        identity = f"{self._device}\n{stream.name}\n{stream.start_time.timestamp()}\n{number}"
        random = int.from_bytes(blake2b(identity.encode(), digest_size=10).digest())
        rand_a, rand_b = random >> 68, random & (1 << 62) - 1
        return UUID(int=(unix_ms & (1 << 48) - 1) << 80 | 7 << 76 | rand_a << 64 | 2 << 62 | rand_b)

    def vitals(self, vitals: messages.Vitals) -> Vitals:
        """Return the payload of one second."""
        leads = dict(zip(self._stream.leads, vitals.leads, strict=True))
        return Vitals(
            device=self._device,
            stream=self._stream.name,
            sample=vitals.sample,
            time=self.time(vitals.sample),
            hr_bpm=None if vitals.hr_bpm is None else round(vitals.hr_bpm, 1),
            reason=vitals.reason,
            leads=leads,
            lead_off=tuple(lead for lead, state in leads.items() if state == "off"),
            beats=dict(vitals.beats),  # type: ignore[arg-type]  # its keys are the labels
        )

    def beats(self, beats: list[LabelledBeat]) -> Beats:
        """Return the payload of some beats."""
        items = (
            BeatItem(
                sample=beat.sample,
                time=self.time(beat.sample),
                label=beat.label,
                score=round(beat.score, 4),
                rr_ms=None if beat.rr_ms is None else round(beat.rr_ms, 2),
            )
            for beat in beats
        )
        return Beats(device=self._device, stream=self._stream.name, beats=tuple(items))

    def alert(self, alert: messages.Alert) -> Alert:
        """Return the payload of one phase of an alert."""
        return Alert(
            id=self.alert_id(alert.number, alert.onset),
            device=self._device,
            stream=self._stream.name,
            phase=alert.phase,
            kind=alert.kind,
            priority=alert.priority,
            onset=self.moment(alert.onset),
            decision=self.moment(alert.decided),
            end=None if alert.end is None else self.moment(alert.end),
            evidence=alert.evidence,
            model=self._model,
            strip=None if alert.strip is None else self._strip(alert.strip),
        )

    def active(self, alerts: list[Alert], seen: dict[UUID, Acknowledged] | None = None) -> Active:
        """Return the payload of the alerts in force, and which of them somebody has `seen`."""
        known = seen or {}
        items = (
            ActiveAlert(id=a.id, kind=a.kind, priority=a.priority, onset=a.onset, acknowledged=known.get(a.id))
            for a in alerts
        )
        return Active(device=self._device, stream=self._stream.name, alerts=tuple(items))

    def waveform(self, samples: Samples) -> Waveform:
        """Return the payload of a block of samples."""
        mv = np.round(samples.mv.T.astype(np.float64), 3)
        return Waveform(
            device=self._device,
            stream=self._stream.name,
            sample=samples.start,
            time=self.time(samples.start),
            fs_hz=self._stream.fs_hz,
            leads=self._stream.leads,
            mv=mv.tolist(),  # NaN becomes null
        )

    def _strip(self, strip: Strip) -> StripInfo:
        return StripInfo(
            start=strip.start,
            time=self.time(strip.start, strip.fs_hz),
            fs_hz=strip.fs_hz,
            leads=strip.leads,
            mv=np.round(strip.mv.T.astype(np.float64), 3).tolist(),
        )


def schema(topic: str) -> dict[str, Any]:
    """Return the JSON schema (2020-12) of a topic's payload."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"ecg/v1/<device_id>/{topic}",
        **msgspec.json.schema(TOPICS[topic]),
    }


def schema_file(topic: str) -> str:
    """Return the name of the file that holds a topic's schema."""
    return topic.replace("/", "-") + ".json"


def write_schemas(folder: Path) -> None:
    """Write the schema of every topic to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for topic in TOPICS:
        text = msgspec.json.format(msgspec.json.encode(schema(topic)), indent=2).decode()
        (folder / schema_file(topic)).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schemas"))
