"""Publishes one stream's results under `ecg/v1/<device_id>/`; docs/mqtt.md is the contract."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from edge import messages
from edge.messages import LabelledBeat, Message, Samples, Stream
from edge.sinks.mqtt_client import Publication, Publisher
from edge.sinks.payloads import Alert, ModelInfo, Publications, SourceInfo, State, Status, encode, link

BASE = "ecg/v1"
# A live view redrawn five times a second looks fluent.
_WAVEFORM_BLOCKS_PER_S = 5
# So long must it last before the state changes: a lead that comes and goes is told by vitals, not here.
_DEGRADED_AFTER_S = 10


class MqttSink:
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
    ) -> None:
        self._publisher = publisher
        self._device = device
        self._model = model
        self._waveform = waveform
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

    @property
    def where(self) -> str:
        """The broker."""
        return self._publisher.where

    def open(self, stream: Stream) -> None:
        """Connect, and say that the device watches `stream`."""
        self._stream = stream
        self._publications = Publications(self._device, self._model, stream)
        self._beats: list[LabelledBeat] = []
        self._active: dict[int, Alert] = {}
        self._availability = _Availability()
        source = SourceInfo(
            name=stream.name,
            fs_hz=stream.fs_hz,
            leads=stream.leads,
            start_time=self._publications.time(0),
        )
        if self._announced:
            self._announced = False
            self._publisher.close()
        self._connect()
        self._problem: str | None = None
        self._status = msgspec.structs.replace(self._will, source=source)
        self._say("online", None)
        self._publish_active()

    def announce(self, reason: str, *, final: bool) -> None:
        """Say why there is no stream to watch, or that there will be none."""
        if not self._announced:
            self._connect()
            self._announced = True
            self._status = self._will
        self._say("offline" if final else "degraded", reason)
        if final:
            self._announced = False
            self._publisher.close()

    def write(self, message: Message) -> None:
        """Publish what the contract has a topic for."""
        match message:
            case LabelledBeat():
                self._beats.append(message)
            case messages.Vitals():
                self._publish_beats()
                self._publish("vitals", encode(self._publications.vitals(message)))
                if self._availability.changes(message) and self._problem is None:
                    self._say(*self._availability.said)
            case messages.SourceState():
                self._publish_link(message)
            case messages.Alert():
                self._publish_alert(message)
            case Samples() if self._waveform:
                for block in _cut(message, round(self._stream.fs_hz / _WAVEFORM_BLOCKS_PER_S)):
                    self._publish("waveform", encode(self._publications.waveform(block)))
            case _:
                pass

    def close(self, reason: str) -> None:
        """Say that the device is offline, wait until everything is acknowledged, and disconnect."""
        self._publish_beats()
        self._say("offline", reason)
        self._publisher.close()

    def _say(self, state: State, reason: str | None) -> None:
        status = msgspec.structs.replace(self._status, state=state, reason=reason, time=datetime.now(UTC))
        self._publish("status", encode(status), qos=1, retain=True)

    def _connect(self) -> None:
        self._publisher.connect(will=self._publication("status", encode(self._will), qos=1, retain=True))

    def _publish_link(self, state: messages.SourceState) -> None:
        self._publications.anchor(state)
        self._status = msgspec.structs.replace(self._status, link=link(state))
        self._problem = None if state.ok else state.reason
        said, reason = self._availability.said
        self._say(*(("degraded", state.reason) if not state.ok else (said, state.reason or reason)))

    def _publish_beats(self) -> None:
        if self._beats:
            self._publish("beats", encode(self._publications.beats(self._beats)))
            self._beats = []

    def _publish_alert(self, alert: messages.Alert) -> None:
        self._publish_beats()  # those it was judged by come first
        payload = self._publications.alert(alert)
        self._publish("alerts", encode(payload), qos=1)
        if alert.phase == "end":
            self._active.pop(alert.number, None)
        else:
            self._active[alert.number] = payload
        self._publish_active()

    def _publish_active(self) -> None:
        active = self._publications.active(list(self._active.values()))
        self._publish("alerts/active", encode(active), qos=1, retain=True)

    def _publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        self._publisher.publish(self._publication(topic, payload, qos=qos, retain=retain))

    def _publication(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Publication:
        return Publication(topic=f"{BASE}/{self._device}/{topic}", payload=payload, qos=qos, retain=retain)


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
