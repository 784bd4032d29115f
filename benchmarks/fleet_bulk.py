"""Bulk re-analysis measured: by one process and two, with a worker killed now and then, of 100,000 short records."""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from benchmarks import common

_KILL_EVERY_S = 30.0
_LOOK_S = 2.0
_FEW = 200
_FS_HZ, _FRAME_BYTES, _SAMPLES = 360, 3, 650_000
"""Of MIT-BIH: two signals of format 212 are three bytes a sample."""
_PIECE_S, _FOLDER = 2, 1000


def archive(mitdb: Path, folder: Path, records: tuple[str, ...], copies: int, seconds: int) -> int:
    """Make copies of records, each of so many seconds (0: whole), their signals linked; return how many."""
    for name in records:
        text = (mitdb / f"{name}.hea").read_text()
        if seconds:
            text = re.sub(r"^(\S+ \d+ \S+) \d+", rf"\1 {_FS_HZ * seconds}", text, count=1)
        for copy in range(copies):
            there = folder / f"{copy:03d}"
            there.mkdir(exist_ok=True)
            (there / f"{name}.hea").write_text(text)
            (there / f"{name}.dat").symlink_to(mitdb / f"{name}.dat")
    return len(records) * copies


def pieces(mitdb: Path, folder: Path, records: tuple[str, ...], n: int) -> None:
    """Make `n` records of two seconds, each another piece of a long one, whose signals are linked."""
    each = -(-n // len(records))
    step = (_SAMPLES - _PIECE_S * _FS_HZ) // each
    made = ((name, k) for k in range(each) for name in records)
    for number, (name, k) in enumerate(islice(made, n)):
        there = folder / f"{number // _FOLDER:04d}"
        if not there.exists():
            there.mkdir()
            for record in records:
                (there / f"{record}.dat").symlink_to(mitdb / f"{record}.dat")
        lines = (mitdb / f"{name}.hea").read_text().splitlines()[1:3]
        piece = f"{name}_{k}"
        signals = [re.sub(r"\.dat 212 ", f".dat 212+{k * step * _FRAME_BYTES} ", line) for line in lines]
        header = [f"{piece} 2 {_FS_HZ} {_PIECE_S * _FS_HZ}", *signals]
        (there / f"{piece}.hea").write_text("\n".join(header) + "\n")


def _replay(archived: Path | str, out: Path, workers: int) -> common.Run:
    words = ("fleet", "replay", archived, "--out", out, "--workers", workers, "--json")
    return common.run([sys.executable, "-m", "edge.cli.app", *words])


def _tables(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.parquet")}


@contextmanager
def _beside(every_s: float, what: Callable[[], None]) -> Iterator[None]:
    """Do something every so often while the block runs."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(every_s):
            what()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _ours(word: str) -> list[Any]:
    """Return the processes below this one that have a word in their command line."""
    import psutil  # noqa: PLC0415

    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if word in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def bulk(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read an archive again in this process, on two, and on two of which one is killed now and then."""
    mitdb = common.data_dir(arguments.data) / "mitdb"
    kills = [0]

    def kill() -> None:
        for worker in _ours("spawn_main")[:1]:
            worker.kill()
            kills[0] += 1

    with TemporaryDirectory() as name:
        folder = Path(name)
        archived = folder / "archive"
        archived.mkdir()
        n = archive(mitdb, archived, common.chosen_records(arguments, mitdb), arguments.copies, arguments.seconds)
        one = _replay(archived, folder / "one", 1)
        two = _replay(archived, folder / "two", 2)
        with _beside(_KILL_EVERY_S, kill):
            _replay(archived, folder / "three", 2)
        expected = _tables(folder / "one")
        return {
            "records": n,
            "ecg_h": msgspec.json.decode(one.output)["ecg_s"] / 3600,
            "one_s": one.seconds,
            "two_s": two.seconds,
            "one_cpu_s": one.cpu_seconds,
            "two_cpu_s": two.cpu_seconds,
            "same": _tables(folder / "two") == expected,
            "kills": kills[0],
            "same_after_kills": _tables(folder / "three") == expected,
            "busy": os.getloadavg()[0],
        }


def many(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read very many very short records on two processes, and look at what the one that asks them keeps in memory."""
    mitdb = common.data_dir(arguments.data) / "mitdb"
    records, memory = common.chosen_records(arguments, mitdb), list[float]()

    def weigh() -> None:
        memory.extend(process.memory_info().rss / 1e6 for process in _ours("fleet replay")[:1])

    with TemporaryDirectory() as name:
        folder = Path(name)
        for size in (_FEW, 10 * _FEW, arguments.tasks):
            (folder / str(size)).mkdir()
            pieces(mitdb, folder / str(size), records, size)
        # What starting costs is in both, and goes.
        few, more = (_replay(folder / str(size), folder / f"out{size}", 1) for size in (_FEW, 10 * _FEW))
        alone_s = (more.cpu_seconds - few.cpu_seconds) / (9 * _FEW)
        with _beside(_LOOK_S, weigh):
            run = _replay(folder / str(arguments.tasks), folder / "out", 2)
        told = msgspec.json.decode(run.output)
        tenth = max(len(memory) // 10, 1)
        return {
            "records": arguments.tasks,
            "ok": told["ok"],
            "seconds": run.seconds,
            "record_ms": 1000 * alone_s,
            "overhead_ms": 1000 * (run.cpu_seconds / arguments.tasks - alone_s),
            "memory_mb": [round(sum(memory[k : k + tenth]) / tenth) for k in range(0, len(memory) - tenth + 1, tenth)],
            "busy": os.getloadavg()[0],
        }


def report_bulk(found: dict[str, Any]) -> list[str]:
    """Return what `bulk` found."""
    ideal = found["one_s"] / 2
    rows = [
        ("one process, s", f"{found['one_s']:.0f}", ""),
        ("two processes, s", f"{found['two_s']:.0f}", f"{ideal / 0.9:.0f}"),
        ("of twice one's speed, by the clock, %", f"{100 * ideal / found['two_s']:.0f}", "90"),
        ("of twice one's speed, by processor time, %", f"{100 * found['one_cpu_s'] / found['two_cpu_s']:.0f}", "90"),
        ("the same bytes", found["same"], True),
        (f"the same bytes, a worker killed {found['kills']} times", found["same_after_kills"], True),
        ("busy", f"{found['busy']:.1f}", ""),
    ]
    return [f"## {found['records']:,} records, {found['ecg_h']:.0f} h of ECG", common.table(_HEADER, rows)]


def report_many(found: dict[str, Any]) -> list[str]:
    """Return what `many` found."""
    memory = found["memory_mb"]
    rows = [
        ("read", f"{found['ok']:,}", f"{found['records']:,}"),
        ("one alone, ms of a processor", f"{found['record_ms']:.1f}", ""),
        ("more than that on two processes, ms", f"{found['overhead_ms']:.2f}", "2"),
        ("client's memory, from tenth to tenth, MB", " ".join(map(str, memory)), "flat"),
        ("busy", f"{found['busy']:.1f}", ""),
    ]
    return [f"## {found['records']:,} records of two seconds, two processes", common.table(_HEADER, rows)]


_HEADER = ("", "measured", "target")
