"""`ecg-edge replay` with an outbox, killed and started again over the same ECG.

Each start watches it begun at another time, so that its alerts have ids of their own; what must arrive is known from an
undisturbed run.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.durability_counts import Counts, Phase, ended_by_restart, judge, phase
from benchmarks.durability_network import DEVICE, HOST, Broker, Fate, Network
from edge import messages
from edge.config import load
from edge.contract.encoder import Encoder
from edge.contract.payloads import ModelInfo
from edge.inference.beat_model import BeatModel
from edge.messages import Samples, Stream
from edge.pipeline import Pipeline

FS_HZ = 360
FIRST_START = datetime(2026, 3, 1, tzinfo=UTC)
# Every change is told at once, so that five minutes are full of alerts.
CONFIG = """
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
_STARTED_WITHIN_S = 30.0


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
        self._config.write_text(CONFIG.format(outbox=folder / "outbox.sqlite"))
        counts = np.rint(mv[:, 0] * 1000).astype("<i2")
        counts.tofile(folder / "toy.dat")
        self._alerts = _alerts(self._config, (counts / 1000).astype(np.float32)[:, np.newaxis])

    def expected(self, number: int) -> list[Phase]:
        """Return the phases that a start, if nothing disturbs it, tells."""
        stream = Stream(name="toy", fs_hz=FS_HZ, leads=("MLII",), start_time=_start_time(number))
        encoder = Encoder(DEVICE, ModelInfo(name="", sha256=""), stream)
        return [phase(encoder.alert(alert)) for alert in self._alerts]

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
        watch = ("replay", folder / "toy", "--json", "--config", self._config, "--speed", f"{_SPEED:g}")
        return launch(folder, *watch, "--alerts", folder / "alerts.jsonl", "--mqtt", f"mqtt://{HOST}:{port}")

    def n_told(self, number: int) -> int:
        """Return how many phases that start had written down when it died; the last may not be in the outbox yet."""
        path = self.folder / f"{number}" / "alerts.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0


def launch(folder: Path, *command: str | Path) -> subprocess.Popen[bytes]:
    """Start a command; what it complains of goes into `folder`."""
    with (folder / "stderr").open("ab") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", "edge.cli.app", *map(str, command)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )


def wait_for(path: Path) -> None:
    """Wait until a file is there: a start that has opened its sinks."""
    until = time.monotonic() + _STARTED_WITHIN_S
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.02)


def _start_time(number: int) -> datetime:
    return FIRST_START + timedelta(hours=number)


def _alerts(config: Path, mv: NDArray[np.float32]) -> list[messages.Alert]:
    settings = load(config)
    stream = Stream(name="toy", fs_hz=FS_HZ, leads=("MLII",), start_time=FIRST_START)
    with BeatModel.load(settings.model.name) as model:
        pipeline = Pipeline(stream, model, rhythm=settings.rhythm, alarms=settings.alarms)
        events = [*pipeline.push(Samples(start=0, mv=mv)), *pipeline.flush()]
    return [event for event in events if isinstance(event, messages.Alert)]


def run(folder: Path, mv: NDArray[np.float32], *, kills: int, restarts: int, seed: int = 1) -> Counts:
    """Kill and restart, let the last start finish, and count."""
    chance, counts, begun = random.Random(seed), Counts(), time.monotonic()  # noqa: S311  # repeatable on purpose
    bench, broker = Bench(folder, mv), Broker(folder)
    broker.start()
    broker.listen()
    network = Network(broker)
    fate = Fate(broker, network, counts, restarts, (_WATCHED_S / 2 + 1.0) * kills, random.Random(seed))  # noqa: S311
    fate.start()
    try:
        for number in range(kills):
            with bench.start(number, network.port) as device:
                # One in ten dies while it starts.
                if chance.random() > 0.1:
                    wait_for(folder / f"{number}" / "alerts.jsonl")
                time.sleep(chance.uniform(0.0, _WATCHED_S))
                device.kill()
            counts.device_kills += 1
    finally:
        fate.finish()
    with bench.start(kills, network.port) as device:
        device.wait(120)
    broker.settle()
    broker.stop()
    network.close()
    counts.offline_told = len(broker.offline_after_s)
    received = {phase(alert) for alert in broker.alerts}
    must: list[Phase] = []
    for number in range(kills + 1):
        decided, ends = _must(bench, number, received, last=number == kills)
        counts.phases_decided += len(decided)
        counts.phases_ended_by_restart += len(ends)
        must += decided + ends
    judge(counts, broker.alerts, must)
    counts.seconds = round(time.monotonic() - begun, 1)
    return counts


def _must(bench: Bench, number: int, received: set[Phase], *, last: bool) -> tuple[list[Phase], list[Phase]]:
    """Return what had to arrive of one start: what it decided, and an end for what was then in force."""
    expected = bench.expected(number)
    n = bench.n_told(number)
    if not last and n and expected[n - 1] not in received:
        n -= 1  # written down, and killed before the outbox had it
    decided = expected if last else expected[:n]
    return decided, ended_by_restart(decided)
