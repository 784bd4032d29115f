"""Devices for the ward page, without boards: contract payloads, from a client of the real broker's."""

from __future__ import annotations

import math
import sys
import threading
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4

import numpy as np
import paho.mqtt.client as paho
from front_end import ecg
from paho.mqtt.enums import CallbackAPIVersion

from edge.contract import commands, topics
from edge.contract.encoder import encode
from edge.contract.payloads import (
    Acknowledged,
    Active,
    ActiveAlert,
    Alert,
    ModelInfo,
    Moment,
    Payload,
    SourceInfo,
    Status,
    StripInfo,
    Vitals,
    Waveform,
)
from edge.messages import Evidence

MODEL = ModelInfo(name="cnn", sha256="0" * 64)
FS_HZ = 360.0
LEADS = ("II", "V1")
BLOCK = 72
_TEN_SECONDS = ecg(10.0)[0]


def status(device: str, state: str = "online", reason: str | None = None, *, will: bool = False) -> Status:
    now = datetime.now(UTC)
    source = SourceInfo(name="board", fs_hz=FS_HZ, leads=LEADS, start_time=now)
    return Status(
        device=device,
        state=state,  # type: ignore[arg-type]
        reason=reason,
        time=None if will else now,
        version="0",
        runtime="none",
        model=MODEL,
        source=None if will else source,
        link=None,
    )


def vitals(device: str, sample: int = 0, hr_bpm: float | None = 75.0, reason: str | None = None) -> Vitals:
    return Vitals(
        device=device,
        stream="board",
        sample=sample,
        time=datetime.now(UTC),
        hr_bpm=hr_bpm,
        reason=reason,
        leads={"II": "good", "V1": "noisy"},
        lead_off=(),
        beats={"N": 10, "S": 0, "V": 1, "F": 0, "Q": 0},
    )


def wave(device: str, sample: int, mv: np.ndarray, leads: tuple[str, ...] = LEADS) -> Waveform:
    values = np.round(mv.T.astype(float), 3).tolist()
    return Waveform(
        device=device, stream="board", sample=sample, time=datetime.now(UTC), fs_hz=FS_HZ, leads=leads, mv=values
    )


def alert(
    device: str,
    phase: str = "onset",
    kind: str = "vt",
    priority: str = "high",
    *,
    number: UUID | None = None,
    strip: bool = True,
) -> Alert:
    now = Moment(sample=3600, time=datetime.now(UTC))
    mv = np.round(_TEN_SECONDS.T.astype(float), 3).tolist()
    return Alert(
        id=number or uuid4(),
        device=device,
        stream="board",
        phase=phase,  # type: ignore[arg-type]
        kind=kind,
        priority=priority,  # type: ignore[arg-type]
        onset=now,
        decision=now,
        end=now if phase == "end" else None,
        evidence=Evidence(beats=5, rate_per_min=168.0, duration_s=1.8, mean_score=0.97),
        model=MODEL,
        strip=StripInfo(start=0, time=now.time, fs_hz=FS_HZ, leads=LEADS, mv=mv) if strip else None,
    )


class Devices:
    """Some devices that publish in real time and do as they are told; alerts when the test says so."""

    def __init__(self, url: str, names: list[str]) -> None:
        self.names = names
        self.commands: list[tuple[str, commands.Command | commands.Refusal]] = []
        self._alerts: dict[str, dict[UUID, Alert]] = {name: {} for name in names}
        self._seen: dict[UUID, Acknowledged] = {}
        self._mv = ecg(60.0, rr_s=0.8)[0]
        self._stop = threading.Event()
        self.silent: set[str] = set()
        self.times = 1.0  # as large as they usually are
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        host, port = url.removeprefix("mqtt://").split(":")
        self.client.connect(host, int(port))
        self.client.loop_start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def say(self, topic: topics.Topic, payload: Payload | commands.Answer) -> None:
        device = payload.device  # type: ignore[union-attr]
        self.client.publish(topic.of(device), encode(payload), topic.qos, topic.retain)

    def raise_alert(self, device: str, kind: str = "vt", priority: str = "high") -> Alert:
        told = alert(device, "onset", kind, priority)
        self._alerts[device][told.id] = told
        self.say(topics.ALERTS, told)
        self._say_active(device)
        return told

    def end_alert(self, told: Alert) -> None:
        del self._alerts[told.device][told.id]
        self.say(topics.ALERTS, alert(told.device, "end", told.kind, told.priority, number=told.id, strip=False))
        self._say_active(told.device)

    def forget(self, device: str) -> None:
        """Be as after a restart that lost the alerts in force."""
        self._alerts[device].clear()

    def rest(self) -> None:
        """End all alerts, and speak again."""
        self.silent.clear()
        self.commands.clear()
        for name in self.names:
            self._alerts[name].clear()
            self._say_active(name)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> Devices:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        for name in self.names:
            client.subscribe(topics.COMMAND.of(name), 1)
            self.say(topics.STATUS, status(name))
            self._say_active(name)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        device = message.topic.split("/")[2]
        command = commands.parse(bytes(message.payload))
        self.commands.append((device, command))
        if isinstance(command, commands.Acknowledge):
            known = command.alert in self._alerts[device]
            if known:
                self._seen[command.alert] = Acknowledged(time=datetime.now(UTC), by=command.by)
                self._say_active(device)
            reason = None if known else "no alert in force has this id"
            now = datetime.now(UTC)
            answer = commands.Answer(
                device=device, command="acknowledge", request=command.request, ok=known, reason=reason, time=now
            )
            self.say(topics.ANSWER, answer)

    def _say_active(self, device: str) -> None:
        items = tuple(
            ActiveAlert(id=a.id, kind=a.kind, priority=a.priority, onset=a.onset, acknowledged=self._seen.get(a.id))
            for a in self._alerts[device].values()
        )
        self.say(topics.ACTIVE, Active(device=device, stream="board", alerts=items))

    def _run(self) -> None:
        begun, block = time.monotonic(), 0
        while not self._stop.wait(max(0.0, begun + block * BLOCK / FS_HZ - time.monotonic())):
            at = block * BLOCK
            for i, name in enumerate(self.names):
                if name in self.silent:
                    continue
                start = (at + i * 997) % (len(self._mv) - BLOCK)
                self.say(topics.WAVEFORM, wave(name, at, self.times * self._mv[start : start + BLOCK]))
                if block % 5 == i % 5:
                    self.say(topics.VITALS, vitals(name, at, 75.0 + 3 * math.sin(block / 50 + i)))
            block += 1


if __name__ == "__main__":
    with Devices(sys.argv[1], [f"bed-{i + 1}" for i in range(int(sys.argv[2]))]) as devices:
        time.sleep(float(sys.argv[3]))
