"""Publishes one stream's results under `ecg/v1/<device_id>/`; docs/mqtt.md is the contract."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from edge import messages
from edge.contract import topics
from edge.contract.commands import Answer
from edge.contract.encoder import Encoder, encode, link
from edge.contract.payloads import Acknowledged, Alert, ModelInfo, Payload, SourceInfo, State, Status
from edge.contract.topics import Topic
from edge.messages import LabelledBeat, Message, Samples, Stream
from edge.sinks import Sink
from edge.sinks.mqtt.command_handler import SNAPSHOT_S, CommandHandler, LastSamples
from edge.sinks.mqtt.publication import Publication, Publisher, publication
from edge.sinks.outbox.notices import OutboxNotices
from edge.sinks.outbox.outbox import Entry, Outbox

# A live view redrawn five times a second looks fluent.
_WAVEFORM_BLOCKS_PER_S = 5
# So long must it last before the state changes: a lead that comes and goes is told by vitals, not here.
_DEGRADED_AFTER_S = 10


class MqttSink(Sink):
    """Sink that publishes over MQTT.

    Parameters
    ----------
    publisher : Publisher
        The connection.
    device : str
        Device id.
    version : str
        Of this program.
    runtime : str
        Interpreter that runs the model.
    model : ModelInfo
        The model that classifies the beats.
    waveform : bool
        Whether to publish samples.
    outbox : Outbox, optional
        What `publisher` keeps the alerts in.
    commands : CommandHandler, optional
        Carries out commands that arrive.
    """

    def __init__(
        self,
        publisher: Publisher,
        *,
        device: str,
        version: str,
        runtime: str,
        model: ModelInfo,
        waveform: bool = False,
        outbox: Outbox | None = None,
        commands: CommandHandler | None = None,
    ) -> None:
        self._publisher = publisher
        self._device = device
        self._model = model
        self._waveform = waveform
        self._commands = commands
        self._notices = OutboxNotices(outbox) if outbox is not None else None
        self._will = Status(
            device=device,
            state="offline",
            reason="connection lost",
            time=None,
            version=version,
            runtime=runtime,
            model=model,
            source=None,
            link=None,
        )
        self._announced = False
        self._forget()

    @property
    def where(self) -> str:
        """The broker."""
        return self._publisher.where

    @property
    def undelivered(self) -> str | None:
        """What the broker does not have, and what becomes of it."""
        return self._publisher.undelivered

    @property
    def trouble(self) -> str | None:
        """What is wrong with the broker, or with what keeps the alerts meanwhile."""
        kept = self._notices.trouble if self._notices is not None else None
        return "; ".join(filter(None, (self._publisher.trouble, kept))) or None

    def open(self, stream: Stream) -> None:
        """Connect, and say that the device watches `stream`."""
        self._stream = stream
        self._encoder = Encoder(self._device, self._model, stream)
        self._forget(stream.fs_hz)
        source = SourceInfo(
            name=stream.name,
            fs_hz=stream.fs_hz,
            leads=stream.leads,
            start_time=self._encoder.time(0),
        )
        self._announced = False
        self._connect()
        self._source: messages.SourceState | None = None
        self._status = msgspec.structs.replace(self._will, source=source)
        self._end_what_nobody_watched()
        self._say("online", None)
        self._publish_active()

    def _forget(self, fs_hz: float = 0.0) -> None:
        """Begin without anything of an earlier stream."""
        self._beats: list[LabelledBeat] = []
        self._active: dict[int, Alert] = {}
        self._seen: dict[UUID, Acknowledged] = {}
        self._last = LastSamples(round(SNAPSHOT_S * fs_hz))
        self._availability = _Availability()

    def announce(self, reason: str, *, final: bool) -> None:
        """Say why there is no stream to watch, or that there will be none."""
        if not self._announced:
            self._connect()
            self._announced = True
            self._status = self._will
        if final:
            self._announced = False
            self._publisher.close(self._status_now("offline", reason))
        else:
            self._say("degraded", reason)
            self._obey()

    def write(self, message: Message) -> None:
        """Publish what the contract has a topic for."""
        match message:
            case LabelledBeat():
                self._beats.append(message)
            case messages.Vitals():
                self._publish_beats()
                self._publish(topics.VITALS, self._encoder.vitals(message))
                self._look_after_outbox(message.sample)
                if self._availability.changes(message) and (self._source is None or self._source.ok):
                    self._say(*self._standing())
            case messages.SourceState():
                self._publish_link(message)
            case messages.Alert():
                self._publish_alert(message)
            case Samples():
                self._take_samples(message)
            case _:
                pass
        self._obey()

    def _take_samples(self, message: Samples) -> None:
        if self._waveform:
            for block in _cut(message, round(self._stream.fs_hz / _WAVEFORM_BLOCKS_PER_S)):
                self._publish(topics.WAVEFORM, self._encoder.waveform(block))
        if self._commands is not None:
            self._last.add(message)

    def _obey(self) -> None:
        """Carry out the commands that have come, whether or not samples do."""
        if self._commands is None:
            return
        while answer := self._commands.next(acknowledge=self._acknowledge, snapshot=self._publish_snapshot):
            self._publish(topics.ANSWER, answer)

    def _acknowledge(self, alert: UUID, by: str | None) -> bool:
        if alert not in (active.id for active in self._active.values()):
            return False
        self._seen[alert] = Acknowledged(time=datetime.now(UTC), by=by)
        self._publish_active()
        return True

    def _publish_snapshot(self) -> bool:
        samples = self._last.samples()
        if samples is not None:
            self._publish(topics.SNAPSHOT, self._encoder.waveform(samples))
        return samples is not None

    def close(self, reason: str) -> None:
        """Say that the device is offline, wait until everything is acknowledged, and disconnect."""
        self._publish_beats()
        self._publisher.close(self._status_now("offline", reason))

    def _say(self, state: State, reason: str | None) -> None:
        self._publisher.publish(self._status_now(state, reason))

    def _status_now(self, state: State, reason: str | None) -> Publication:
        if self._notices is not None:
            self._status = msgspec.structs.replace(self._status, outbox=self._notices.info())
            if self._notices.trouble is not None and state != "offline":
                state, reason = "degraded", "; ".join(filter(None, (reason, self._notices.trouble)))
        status = msgspec.structs.replace(self._status, state=state, reason=reason, time=datetime.now(UTC))
        return publication(topics.STATUS, self._device, encode(status))

    def _connect(self) -> None:
        self._publisher.connect(will=publication(topics.STATUS, self._device, encode(self._will)))

    def _publish_link(self, state: messages.SourceState) -> None:
        self._encoder.anchor(state)
        self._status = msgspec.structs.replace(self._status, link=link(state))
        self._source = state
        self._say(*self._standing())

    def _publish_beats(self) -> None:
        if self._beats:
            self._publish(topics.BEATS, self._encoder.beats(self._beats))
            self._beats = []

    def _publish_alert(self, alert: messages.Alert) -> None:
        self._publish_beats()  # those it was judged by come first
        payload = self._encoder.alert(alert)
        self._publish_phase(payload)
        if alert.phase == "end":
            self._active.pop(alert.number, None)
            self._seen.pop(payload.id, None)
        else:
            self._active[alert.number] = payload
        self._publish_active()

    def _publish_phase(self, payload: Alert) -> None:
        self._publisher.deliver(
            Entry(
                topic=topics.ALERTS.of(self._device),
                payload=encode(payload),
                id=str(payload.id),
                kind=payload.kind,
                phase=payload.phase,
                priority=payload.priority,
                in_force=encode(msgspec.structs.replace(payload, strip=None)),
            )
        )

    def _end_what_nobody_watched(self) -> None:
        """End the alerts that were in force when this device stopped without a word."""
        if self._notices is not None:
            for payload in self._notices.abandoned():
                self._publish_phase(payload)

    def _look_after_outbox(self, sample: int) -> None:
        """Tell of alerts that were lost, and of a disk that fails or works again."""
        if self._notices is None:
            return
        for payload in self._notices.of_losses(self._encoder, sample):
            self._publish_phase(payload)
        if self._notices.changed():
            self._say(*self._standing())

    def _standing(self) -> tuple[State, str | None]:
        """Return what holds now: of the leads, of the board, of this machine."""
        state, reason = self._availability.said
        source = self._source
        if source is None:
            return state, reason
        reasons = (source.reason or (reason if source.ok else None), *source.problems)
        well = source.ok and not source.problems
        return state if well else "degraded", "; ".join(filter(None, reasons)) or None

    def _publish_active(self) -> None:
        active = self._encoder.active(list(self._active.values()), self._seen)
        self._publish(topics.ACTIVE, active)

    def _publish(self, topic: Topic, payload: Payload | Answer) -> None:
        self._publisher.publish(publication(topic, self._device, encode(payload)))


class _Availability:
    """Whether any lead can be read, told only once it has been so, or not, for a while."""

    def __init__(self) -> None:
        self.said: tuple[State, str | None] = ("online", None)
        self._contrary_s = 0

    def changes(self, vitals: messages.Vitals) -> bool:
        """Take in a second; return whether `said` is now another."""
        readable = any(state in ("good", "noisy") for state in vitals.leads)
        self._contrary_s = self._contrary_s + 1 if readable != (self.said[0] == "online") else 0
        if self._contrary_s < _DEGRADED_AFTER_S:
            return False
        self._contrary_s = 0
        self.said = ("online", None) if readable else ("degraded", vitals.reason or "no lead can be read")
        return True


def _cut(samples: Samples, n: int) -> Iterator[Samples]:
    """Cut a block into blocks of at most `n` samples."""
    for first in range(0, len(samples.mv), n):
        yield Samples(start=samples.start + first, mv=samples.mv[first : first + n])
