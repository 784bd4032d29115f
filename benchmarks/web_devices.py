"""Devices of a ward in a process of its own: contract payloads in real time over a real broker, alerts now and then."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.contract import payloads, topics
from edge.contract.encoder import encode
from edge.messages import Evidence

FS_HZ, LEADS, BLOCK = 360.0, ("II", "V1"), 72
MODEL = payloads.ModelInfo(name="cnn", sha256="0" * 64)
_ALERT_EVERY_S = 0.5
_WAVES = ((-0.18, 0.025, 0.12), (-0.03, 0.008, -0.1), (0.0, 0.011, 1.0), (0.03, 0.01, -0.2), (0.27, 0.045, 0.25))
"""Of a beat: time after R in s, width in s, height in mV."""


class Ward:
    """Publishes as so many devices would, for ever.

    Parameters
    ----------
    url : str
        The broker.
    names : list of str
        The devices.
    sent : queue
        Told the Unix time at which the first block was published, then id and Unix time of each alert.
    """

    def __init__(self, url: str, names: list[str], sent: Any) -> None:
        self._names = names
        self._sent = sent
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda *_: [self._status(name) for name in names]
        host, port = url.removeprefix("mqtt://").split(":")
        self._client.connect(host, int(port))
        self._client.loop_start()
        t = np.arange(round(60 * FS_HZ)) / FS_HZ
        phase = (t + 0.4) % 0.8 - 0.4
        beat = sum(height * np.exp(-0.5 * ((phase - after) / width) ** 2) for after, width, height in _WAVES)
        self._mv = np.round(np.stack([beat, -0.5 * beat]), 3)

    def run(self) -> None:
        """Publish."""
        time.sleep(1)
        begun, block, next_alert = time.time(), 0, 0.0
        self._sent.put(begun)
        alert: payloads.Alert | None = None
        while True:
            time.sleep(max(0.0, begun + block * BLOCK / FS_HZ - time.time()))
            for i, name in enumerate(self._names):
                self._second(name, block, i)
            if block * BLOCK / FS_HZ >= next_alert:
                next_alert += _ALERT_EVERY_S
                if alert is not None:
                    self._end(alert)
                alert = self._onset(self._names[block % len(self._names)])
            block += 1

    def _second(self, name: str, block: int, i: int) -> None:
        at = block * BLOCK
        start = (at + 997 * i) % (self._mv.shape[1] - BLOCK)
        now = datetime.now(UTC)
        about: dict[str, Any] = {"device": name, "stream": "board"}
        mv = self._mv[:, start : start + BLOCK].tolist()
        self._say(topics.WAVEFORM, payloads.Waveform(**about, sample=at, time=now, fs_hz=FS_HZ, leads=LEADS, mv=mv))
        if block % 5 == i % 5:
            counts = {"N": block // 4, "S": 0, "V": 0, "F": 0, "Q": 0}
            told = {"hr_bpm": 75.0, "reason": None, "leads": dict.fromkeys(LEADS, "good"), "lead_off": ()}
            self._say(topics.VITALS, payloads.Vitals(**about, sample=at, time=now, beats=counts, **told))  # type: ignore[arg-type]
            item = payloads.BeatItem(sample=at, time=now, label="N", score=0.99, rr_ms=800.0)
            self._say(topics.BEATS, payloads.Beats(**about, beats=(item,)))

    def _status(self, name: str) -> None:
        now = datetime.now(UTC)
        source = payloads.SourceInfo(name="board", fs_hz=FS_HZ, leads=LEADS, start_time=now)
        about: dict[str, Any] = {"version": "0", "runtime": "none", "model": MODEL, "source": source, "link": None}
        self._say(topics.STATUS, payloads.Status(device=name, state="online", reason=None, time=now, **about))

    def _onset(self, name: str) -> payloads.Alert:
        moment = payloads.Moment(sample=0, time=datetime.now(UTC))
        mv = self._mv[:, :3600].tolist()
        strip = payloads.StripInfo(start=0, time=moment.time, fs_hz=FS_HZ, leads=LEADS, mv=mv)
        alert = payloads.Alert(
            id=uuid4(),
            device=name,
            stream="board",
            phase="onset",
            kind="vt",
            priority="high",
            onset=moment,
            decision=moment,
            end=None,
            evidence=Evidence(beats=5, rate_per_min=168.0),
            model=MODEL,
            strip=strip,
        )
        self._sent.put((str(alert.id), time.time()))
        self._say(topics.ALERTS, alert)
        listed = payloads.ActiveAlert(id=alert.id, kind=alert.kind, priority=alert.priority, onset=moment)
        self._say(topics.ACTIVE, payloads.Active(device=name, stream="board", alerts=(listed,)))
        return alert

    def _end(self, alert: payloads.Alert) -> None:
        self._say(topics.ACTIVE, payloads.Active(device=alert.device, stream="board", alerts=()))

    def _say(self, topic: topics.Topic, payload: Any) -> None:
        self._client.publish(topic.of(payload.device), encode(payload), topic.qos, topic.retain)


def _publish(url: str, names: list[str], sent: Any) -> None:
    Ward(url, names, sent).run()


@contextmanager
def publishing(url: str, names: list[str]) -> Iterator[Any]:
    """Run the devices in a process of their own; yield the queue of what they tell."""
    context = multiprocessing.get_context("spawn")
    sent = context.Queue()
    process = context.Process(target=_publish, args=(url, names, sent), daemon=True)
    process.start()
    try:
        yield sent
    finally:
        process.kill()
        process.join()
