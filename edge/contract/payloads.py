"""What is published: one struct per topic. The same payloads go over MQTT and into JSON lines."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from edge.messages import Evidence, Label, LeadState, Phase, Priority

State = Literal["online", "degraded", "offline"]
Count = Annotated[int, Meta(ge=0)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[float, Meta(gt=0)]
Time = Annotated[datetime, Meta(tz=True)]


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything that is published."""


class Moment(Payload, frozen=True, kw_only=True):
    """A sample of the stream, in the source's own numbers, and the UTC time it was taken."""

    sample: Count
    time: Time


class ModelInfo(Payload, frozen=True, kw_only=True):
    """The model that classifies the beats, and the SHA-256 of its file."""

    name: str
    sha256: str


class SourceInfo(Payload, frozen=True, kw_only=True):
    """The stream that is being watched: record name or sensor, rate, leads, UTC time of sample 0."""

    name: str
    fs_hz: Rate
    leads: tuple[str, ...]
    start_time: Time


class Link(Payload, frozen=True, kw_only=True):
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


class OutboxInfo(Payload, frozen=True, kw_only=True):
    """What keeps the alerts until the broker has them: how many `pending`, how many `lost` since it was made.

    `aside` counts those that were set aside, because they are damaged or because the broker does not take them.
    `durable` is false while they are kept in memory only; `reason` says why, what was wrong with the file, or that the
    broker does not take them.
    """

    pending: Count
    lost: Count
    durable: bool
    reason: str | None
    aside: Count = 0


class Status(Payload, frozen=True, kw_only=True, omit_defaults=True):
    """Topic `status`, retained: whether the device watches. In the last will `time` and `source` are null.

    It is `degraded` while leads, board, machine or outbox are not as they should be; `reason` names all that is wrong.
    Where nothing keeps the alerts there is no `outbox`.
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


class Vitals(Payload, frozen=True, kw_only=True):
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


class BeatItem(Payload, frozen=True, kw_only=True):
    """A beat at its R peak: AAMI class, how often such a label is right, time since the beat before (null: unknown)."""

    sample: Count
    time: Time
    label: Label
    score: Probability
    rr_ms: float | None


class Beats(Payload, frozen=True, kw_only=True):
    """Topic `beats`: the beats since the last such message."""

    device: str
    stream: str
    beats: tuple[BeatItem, ...]


class StripInfo(Payload, frozen=True, kw_only=True):
    """Clean signal around the onset. `start` counts at `fs_hz`; `mv` holds one list per lead, in mV."""

    start: Count
    time: Time
    fs_hz: Rate
    leads: tuple[str, ...]
    mv: list[list[float]]


class Alert(Payload, frozen=True, kw_only=True):
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


class Acknowledged(Payload, frozen=True, kw_only=True):
    """When somebody has said to have seen an alert, and who or where."""

    time: Time
    by: str | None


class ActiveAlert(Payload, frozen=True, kw_only=True):
    """An alert in force, without its evidence and strip."""

    id: UUID
    kind: str
    priority: Priority
    onset: Moment
    acknowledged: Acknowledged | None = None


class Active(Payload, frozen=True, kw_only=True):
    """Topic `alerts/active`, retained: the alerts in force, oldest first."""

    device: str
    stream: str
    alerts: tuple[ActiveAlert, ...]


class Waveform(Payload, frozen=True, kw_only=True):
    """Topic `waveform`, where switched on: the source's samples. `mv` holds one list per lead; null: no value."""

    device: str
    stream: str
    sample: Count
    time: Time
    fs_hz: Rate
    leads: tuple[str, ...]
    mv: list[list[float | None]]
