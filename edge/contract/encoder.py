"""How an event becomes a payload, and a payload the JSON that is published."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from uuid import UUID

import msgspec
import numpy as np

from edge import messages
from edge.contract.commands import Answer
from edge.contract.payloads import (
    Acknowledged,
    Active,
    ActiveAlert,
    Alert,
    BeatItem,
    Beats,
    Link,
    ModelInfo,
    Moment,
    Payload,
    StripInfo,
    Vitals,
    Waveform,
)
from edge.messages import LabelledBeat, Samples, Stream, Strip
from edge.timebase import StreamClock

_encoder = msgspec.json.Encoder()


def encode(payload: Payload | Answer) -> bytes:
    """Return the JSON that is published."""
    return _encoder.encode(payload)


def link(state: messages.SourceState) -> Link:
    """Return what is published of a live source's state."""
    counted = {name: state.counts.get(name, 0) for name in ("lost", "doubled", "dropped", "damaged", "reconnects")}
    drift_ppm = None if state.drift_ppm is None else round(state.drift_ppm, 1)
    return Link(connected=state.ok, drift_ppm=drift_ppm, **counted)


def without_strip(payload: bytes) -> bytes | None:
    """Return an alert's JSON without its strip, which is nearly all of it; None if it has none."""
    try:
        alert = msgspec.json.decode(payload, type=Alert)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if alert.strip is None else encode(msgspec.structs.replace(alert, strip=None))


class Encoder:
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
