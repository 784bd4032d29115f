"""What watching costs: `ecg-edge run` with a broker, on a board in software that sends real ECG in real time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import paho.mqtt.client as paho
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks import common
from benchmarks.serial import broker
from edge.messages import Samples
from edge.sources.wfdb_record import WfdbRecord
from firmware_bridge.boards import NativeBoard
from firmware_bridge.emulator import Emulator, Pty

RECORD = "208"
FS_HZ, LEADS = 360.0, ("MLII", "V1")
TARGET_CPU, TARGET_MB = 3.0, 120.0
_WARM_S = 10.0
_PATIENCE_S = 60.0
# Of the clock on the wall.
_AHEAD_S = 0.25


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a process holds at one moment: resident memory, open files, threads; processor seconds since its start."""

    rss_mb: float
    fds: int
    threads: int
    cpu_s: float


class Watched:
    """`ecg-edge run` while it watches.

    Attributes
    ----------
    process : Popen
        The command.
    status : dict
        The newest payload of that topic.
    sample : int
        The newest sample it has told of.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, told: Any) -> None:
        self.process = process
        self._told = told
        self.status: dict[str, Any] = {}
        self.sample = 0
        self._news = threading.Condition()
        self._seen = psutil.Process(process.pid)
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe([("ecg/v1/+/status", 1), ("ecg/v1/+/vitals", 0)])
        host, port = url.removeprefix("mqtt://").split(":")
        self._client.connect(host, int(port))
        self._client.loop_start()

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        said = msgspec.json.decode(message.payload)
        with self._news:
            if message.topic.endswith("/status"):
                self.status = said
            else:
                self.sample = said["sample"]
                self._told.value = self.sample / FS_HZ
            self._news.notify_all()

    def wait_for(self, sample: int) -> bool:
        """Wait until a sample has been told of; return whether it ever was."""
        with self._news:
            while self.sample < sample and self.process.poll() is None:
                before = self.sample
                if not self._news.wait_for(lambda before=before: self.sample != before, _PATIENCE_S):  # type: ignore[misc]
                    return False
            return self.sample >= sample

    def cost(self) -> Cost:
        """Return what it holds now."""
        with self._seen.oneshot():
            times = self._seen.cpu_times()
            return Cost(
                rss_mb=self._seen.memory_info().rss / 1e6,
                fds=self._seen.num_fds(),
                threads=self._seen.num_threads(),
                cpu_s=times.user + times.system,
            )

    def stop(self) -> dict[str, Any]:
        """End it as Ctrl-C does; return the summary it prints."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=_PATIENCE_S)
        self._client.disconnect()
        self._client.loop_stop()
        summary: dict[str, Any] = msgspec.json.decode(out.splitlines()[0])
        return summary


class _Led(NativeBoard):
    """A board that is never far ahead of what it has been told was found in its samples: nothing then piles up."""

    told: Any
    ahead_s: float

    def due(self, board_s: float) -> list[bytes]:
        return super().due(self._held_back(board_s))

    def receive(self, data: bytes, board_s: float) -> list[bytes]:
        return super().receive(data, self._held_back(board_s))

    def _held_back(self, board_s: float) -> float:
        return float(min(board_s, self.told.value + self.ahead_s))


def _board(paths: Any, told: Any, records: Sequence[Path], seconds: float, speed: float) -> None:
    """Be a board whose electrodes see one record after the other; a process of its own."""
    n = round(seconds * FS_HZ)
    parts: list[Any] = []
    for record in records:
        if sum(map(len, parts)) < n:
            parts += [block.mv[:, :2] for block in WfdbRecord(record).blocks(100_000) if isinstance(block, Samples)]
    mv = np.concatenate(parts)[:n]
    board = NativeBoard(mv, FS_HZ, LEADS, running=False) if speed == 1 else _Led(mv, FS_HZ, LEADS)
    if isinstance(board, _Led):
        board.told, board.ahead_s = told, _AHEAD_S * speed
    del parts
    line = Pty()
    paths.put(line.path)
    Emulator(board, line, speed=speed).run()
    time.sleep(_PATIENCE_S)


@contextmanager
def watched(records: Sequence[Path], seconds: float, *, speed: float = 1.0, config: str = "") -> Iterator[Watched]:
    """Run board, broker and `ecg-edge run`, each in a process of its own.

    Parameters
    ----------
    records : sequence of Path
        What the board plays, one after the other.
    seconds : float
        Of ECG.
    speed : float
        Times real time.
    config : str
        TOML that follows port and broker, in the section `[mqtt]`.
    """
    spawn = multiprocessing.get_context("spawn")
    paths: Any = spawn.Queue()
    told = spawn.Value("d", 0.0)
    board = spawn.Process(target=_board, args=(paths, told, tuple(records), seconds, speed), daemon=True)
    board.start()
    try:
        with broker() as url, tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "edge.toml"
            port = paths.get(timeout=600)
            file.write_text(
                f'[sensor]\nport = "{port}"\n[mqtt]\nurl = "{url}"\n' + config,
                encoding="utf-8",
            )
            alerts = Path(folder) / "alerts.jsonl"
            command = [
                sys.executable,
                "-m",
                "edge.cli.app",
                "run",
                "--config",
                str(file),
                "--alerts",
                str(alerts),
                "--json",
            ]
            state = {**os.environ, "XDG_STATE_HOME": folder, "OMP_NUM_THREADS": "1"}
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=common.REPO, env=state) as process:
                try:
                    yield Watched(process, url, told)
                finally:
                    process.kill()
    finally:
        board.kill()


def main() -> None:
    """Measure and write the results."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--seconds", type=float, default=70.0, help="of ECG, the first ten of which do not count")
    arguments = parser.parse_args()
    mitdb = common.data_dir(arguments.data) / "mitdb"
    seconds = 20.0 if arguments.quick else arguments.seconds
    with watched([mitdb / RECORD], seconds + 10) as run:
        run.wait_for(round(_WARM_S * FS_HZ))
        before, began_s = run.cost(), time.monotonic()
        run.wait_for(round((seconds - 1) * FS_HZ))
        after, wall_s = run.cost(), time.monotonic() - began_s
        status = run.status
        summary = run.stop()
    figures = {
        "seconds": wall_s,
        "cpu_percent": 100 * (after.cpu_s - before.cpu_s) / wall_s,
        "rss_mb": after.rss_mb,
        "threads": after.threads,
        "lost": status["link"]["lost"] + status["link"]["dropped"],
        "beats": sum(summary["beats"].values()),
    }
    report(figures, arguments.results)


def report(figures: dict[str, Any], folder: Path) -> None:
    """Write down what was measured."""
    text = [
        "# What watching costs",
        f"`ecg-edge run` with a file of alerts, outbox and broker, on a board in software that sends record {RECORD} "
        f"(two leads at {FS_HZ:g} Hz) through a pty in real time, for {figures['seconds']:.0f} s after the first "
        f"{_WARM_S:g}: {figures['lost']} samples lost.",
        common.table(
            ["", "measured", "target"],
            [
                ["processor, % of one core", f"{figures['cpu_percent']:.1f}", f"{TARGET_CPU:g}"],
                ["resident memory, MB", f"{figures['rss_mb']:.0f}", f"{TARGET_MB:g}"],
            ],
        ),
    ]
    common.write(folder, "live", text, figures=figures, facts=common.machine("tflite-runtime", "paho-mqtt", "pyserial"))


if __name__ == "__main__":
    main()
