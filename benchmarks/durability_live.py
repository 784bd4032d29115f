"""`ecg-edge run` on a board in software that goes on sending, killed and started again.

What must arrive is what the device itself wrote down: a line of its log for each phase, and its outbox as it lay there
when the process was killed. The outbox numbers what is put into it, so that nothing can be missing from both unseen.
"""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.durability_counts import Counts, Phase, in_force, judge, phase
from benchmarks.durability_network import HOST, Broker, Fate, Network
from benchmarks.durability_replay import CONFIG, FS_HZ, launch, wait_for
from benchmarks.durability_retained import comes_to_fit, retained
from edge.contract.payloads import Alert

# More of everything, and told again soon.
_RULES = "[rhythm]\npattern_cycles = 2\ntachycardia_bpm = 100\ntachycardia_beats = 3\nupdate_s = 2\n"
_SPEED = 20.0
_WATCHED_S = 2.0
_MEAN_START_S = 3.3
# One start in so many is followed by an absence that others are to be told of.
_ABSENT_EVERY = 20
# The will is due after five seconds.
_TOLD_WITHIN_S, _WILL_DELAY_S, _SLACK_S = 10.0, 5.0, 0.5
_STOP_WITHIN_S = 5.0
_MOST_LAST_STARTS = 3


class Killed(msgspec.Struct, frozen=True):
    """What a start left: phases in its log; by its outbox phases that wait, those in force, and how many it had."""

    told: list[Phase]
    waits: list[Phase]
    in_force: list[Phase]
    number: int


class Bench:
    """A board, and the device that watches it.

    Parameters
    ----------
    folder : Path
        For everything they write.
    port : int
        Where the network lets the device in.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self._port = folder, port
        self._config = folder / "edge.toml"
        self._config.write_text(CONFIG.format(outbox=folder / "outbox.sqlite") + _RULES)
        self.killed: list[Killed] = []
        self.started = datetime.now(UTC)

    @contextmanager
    def board(self, mv: NDArray[np.float32], lasts_s: float) -> Iterator[None]:
        """Let a board play the ECG again and again, whoever listens."""
        counts = np.rint(mv[:, 0] * 1000).astype("<i2")
        times = int(lasts_s * _SPEED * FS_HZ / len(counts)) + 1
        np.tile(counts, times).tofile(self.folder / "long.dat")
        (self.folder / "long.hea").write_text(
            f"long 1 {FS_HZ} {times * len(counts)}\nlong.dat 16 1000/mV 16 0 0 0 0 MLII\n"
        )
        playing = launch(
            self.folder, "emulate", self.folder / "long", "--link", self.folder / "tty", "--speed", f"{_SPEED:g}"
        )
        try:
            wait_for(self.folder / "tty")
            yield
            if playing.poll() is not None:
                raise RuntimeError("the board has played everything before the end")
        finally:
            playing.kill()
            playing.wait()

    def log(self) -> Path:
        """Return the log of the start that is to come, or that runs."""
        return self.folder / f"{len(self.killed)}" / "alerts.jsonl"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the device."""
        log = self.log()
        log.parent.mkdir()
        self.started = datetime.now(UTC)
        watch = ("run", "--json", "--config", self._config, "--port", self.folder / "tty")
        return launch(log.parent, *watch, "--alerts", log, "--mqtt", f"mqtt://{HOST}:{self._port}")

    def told(self) -> list[Phase]:
        """Return the phases in that log."""
        log = self.log()
        lines = log.read_bytes().split(b"\n")[:-1] if log.exists() else []
        return [phase(msgspec.json.decode(line, type=Alert)) for line in lines]

    def look(self) -> Killed:
        """Note what a start left, now that it is dead; looks at a copy, to leave the outbox as it is."""
        folder = self.log().parent
        for file in self.folder.glob("outbox.sqlite*"):
            shutil.copy(file, folder)
        waits: list[Phase] = []
        running: list[Phase] = []
        number = 0
        if (folder / "outbox.sqlite").exists():
            with closing(sqlite3.connect(folder / "outbox.sqlite")) as copy:
                tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master")}
                if "counted" in tables:
                    waits = _phases(copy, "SELECT payload FROM outbox ORDER BY seq")
                    running = _phases(copy, "SELECT payload FROM in_force ORDER BY rowid")
                    number = (copy.execute("SELECT seq FROM sqlite_sequence").fetchone() or (0,))[0]
        left = Killed(self.told(), waits, running, number)
        self.killed.append(left)
        return left


def _phases(outbox: sqlite3.Connection, query: str) -> list[Phase]:
    return [phase(msgspec.json.decode(payload, type=Alert)) for (payload,) in outbox.execute(query)]


def must(killed: list[Killed]) -> tuple[list[Phase], int]:
    """Return what the outbox took in, in order, and how much of it were ends of alerts of a start that was killed."""
    phases: list[Phase] = []
    n_ends = 0
    before: list[Phase] = []
    for left in killed:
        still = {name for name, *_ in left.in_force}
        ends = [(name, "end", sample) for name, _, sample in before if name not in still]
        told = left.told
        # The log is written first: the last line may have been all there was time for.
        if told and told[-1] not in left.waits and not _was_put(told[-1], left.in_force, told):
            told = told[:-1]
        phases += ends + told
        n_ends += len(ends)
        before = left.in_force
    return phases, n_ends


def _was_put(last: Phase, running: list[Phase], told: list[Phase]) -> bool:
    """Return whether the outbox has had a phase that no longer waits."""
    if last[1] == "end":
        return last[0] not in {name for name, *_ in running} and last[0] in {name for name, *_ in told[:-1]}
    return last in running


def run(folder: Path, mv: NDArray[np.float32], *, kills: int, restarts: int, seed: int = 2) -> Counts:
    """Kill and restart, stop the last start as a service manager would, and count."""
    chance, counts, begun = random.Random(seed), Counts(), time.monotonic()  # noqa: S311  # repeatable on purpose
    broker = Broker(folder)
    broker.start()
    broker.listen()
    network = Network(broker)
    bench = Bench(folder, network.port)
    lasts_s = _MEAN_START_S * kills
    fate = Fate(broker, network, counts, restarts, lasts_s, random.Random(seed))  # noqa: S311
    with bench.board(mv, 2 * lasts_s + 120):
        fate.start()
        try:
            for number in range(kills):
                _kill_once(bench, broker, fate, counts, chance, absent=number % _ABSENT_EVERY == 2)
        finally:
            fate.finish()
        _stop(bench, broker, counts)
    broker.settle()
    broker.stop()
    network.close()
    phases, counts.phases_ended_by_restart = must(bench.killed)
    counts.phases_decided = len(phases) - counts.phases_ended_by_restart
    judge(counts, broker.alerts, phases)
    # What the outbox numbered and the log does not know of.
    counts.unknown += abs(bench.killed[-1].number - len(phases))
    counts.seconds = round(time.monotonic() - begun, 1)
    return counts


def _kill_once(
    bench: Bench, broker: Broker, fate: Fate, counts: Counts, chance: random.Random, *, absent: bool
) -> None:
    with bench.start() as device:
        if absent:
            with fate.calm:
                _look(bench, broker, counts)
                device.kill()
                _await_will(broker, counts)
        else:
            _live(bench, broker, counts, chance)
            device.kill()
    bench.look()
    counts.device_kills += 1


def _live(bench: Bench, broker: Broker, counts: Counts, chance: random.Random) -> None:
    """Let a start live for a while: one in ten dies while it starts, one in three soon after."""
    fortune = chance.random()
    if fortune > 0.1:
        wait_for(bench.log())
    if fortune > 0.4:
        _look(bench, broker, counts)
    time.sleep(chance.uniform(0.0, _WATCHED_S))


def _look(bench: Bench, broker: Broker, counts: Counts) -> None:
    """Compare what a newcomer is told with what the device that has just started holds to be in force."""
    wait_for(bench.log())
    counts.retained_looked_at += 1
    if not comes_to_fit(broker.port, bench.started, lambda: set(in_force(bench.told())), _TOLD_WITHIN_S):
        counts.retained_wrong += 1


def _await_will(broker: Broker, counts: Counts) -> None:
    n, until = len(broker.offline_after_s), time.monotonic() + _TOLD_WITHIN_S
    while len(broker.offline_after_s) == n and time.monotonic() < until:
        time.sleep(0.1)
    status = retained(broker.port).status
    if len(broker.offline_after_s) == n or status is None or status.state != "offline":
        counts.offline_missing += 1


def _stop(bench: Bench, broker: Broker, counts: Counts) -> None:
    """Stop a start as a service manager does; one more delivers what the one before had no time for."""
    counts.offline_told = len(broker.offline_after_s)
    counts.offline_unfounded = sum(after_s < _WILL_DELAY_S - _SLACK_S for after_s in broker.offline_after_s)
    for _ in range(_MOST_LAST_STARTS):
        with bench.start() as device:
            _look(bench, broker, counts)
            time.sleep(_WATCHED_S)
            device.send_signal(signal.SIGTERM)
            try:
                code = device.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                code = -signal.SIGKILL
                device.kill()
        waits = bench.look().waits
        # What the broker does not have yet is told by the exit code.
        counts.slow_stops += code != (1 if waits else 0)
        if not waits:
            break
    status = retained(broker.port).status
    if status is None or (status.state, status.reason) != ("offline", "stopped"):
        counts.offline_missing += 1
