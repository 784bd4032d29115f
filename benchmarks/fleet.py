"""What many machines cost: bulk re-analysis on two processes, overhead a task, rows a second into PostgreSQL.

`python -m benchmarks.fleet [--copies 20] [--seconds 60] [--tasks 100000] [--rows 200000] [--only bulk]` prints it and
writes benchmarks/results/fleet.{md,json}. With `--only`, the rest is kept.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from benchmarks import common

_KILL_EVERY_S = 30.0
_OVERHEAD = """
import sys, time, psutil
from edge.fleet.engine import engine
def nothing(where):
    return where
if __name__ == "__main__":
    n, me = int(sys.argv[1]), psutil.Process()
    with engine(2) as does:
        for _ in does.in_order(nothing, map(str, range(500)), lost=None):
            pass
        begun, cpu, memory = time.monotonic(), time.process_time(), []
        for i, _ in enumerate(does.in_order(nothing, map(str, range(n)), lost=None)):
            if i % (n // 10) == 0:
                memory.append(round(me.memory_info().rss / 1e6))
        print(time.monotonic() - begun, time.process_time() - cpu, *memory)
"""


def archive(mitdb: Path, folder: Path, records: tuple[str, ...], copies: int, seconds: int) -> int:
    """Make copies of records, each of so many seconds (0: whole), their signals linked; return how many."""
    for name in records:
        text = (mitdb / f"{name}.hea").read_text()
        if seconds:
            text = re.sub(r"^(\S+ \d+ \S+) \d+", rf"\1 {360 * seconds}", text, count=1)
        for copy in range(copies):
            there = folder / f"{copy:03d}"
            there.mkdir(exist_ok=True)
            (there / f"{name}.hea").write_text(text)
            (there / f"{name}.dat").symlink_to(mitdb / f"{name}.dat")
    return len(records) * copies


def _replay(archived: Path, out: Path, workers: int) -> common.Run:
    words = ("fleet", "replay", archived, "--out", out, "--workers", workers, "--json")
    return common.run([sys.executable, "-m", "edge.cli.app", *words])


def _tables(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.parquet")}


def _killing(stop: threading.Event, count: list[int]) -> None:
    """Kill one of our workers every so often."""
    import psutil  # noqa: PLC0415

    while not stop.wait(_KILL_EVERY_S):
        ours = psutil.Process().children(recursive=True)
        workers = [child for child in ours if "spawn_main" in " ".join(child.cmdline())]
        if workers:
            workers[0].kill()
            count[0] += 1


def bulk(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read an archive again in this process, on two, and on two of which one is killed now and then."""
    mitdb = common.data_dir(arguments.data) / "mitdb"
    with TemporaryDirectory() as name:
        folder = Path(name)
        archived = folder / "archive"
        archived.mkdir()
        n = archive(mitdb, archived, common.chosen_records(arguments, mitdb), arguments.copies, arguments.seconds)
        one = _replay(archived, folder / "one", 1)
        two = _replay(archived, folder / "two", 2)
        stop, kills = threading.Event(), [0]
        killing = threading.Thread(target=_killing, args=(stop, kills))
        killing.start()
        _replay(archived, folder / "three", 2)
        stop.set()
        killing.join()
        expected = _tables(folder / "one")
        ecg_s = msgspec.json.decode(one.output)["ecg_s"]
        return {
            "records": n,
            "ecg_h": ecg_s / 3600,
            "one_s": one.seconds,
            "two_s": two.seconds,
            "one_cpu_s": one.cpu_seconds,
            "two_cpu_s": two.cpu_seconds,
            "same": _tables(folder / "two") == expected,
            "kills": kills[0],
            "same_after_kills": _tables(folder / "three") == expected,
            "busy": os.getloadavg()[0],
        }


def overhead(arguments: argparse.Namespace) -> dict[str, Any]:
    """Give a cluster of two processes tasks that do nothing."""
    with TemporaryDirectory() as name:
        script = Path(name) / "overhead.py"
        script.write_text(_OVERHEAD)
        said = common.run([sys.executable, script, arguments.tasks]).output.split()
    seconds, cpu, *memory = map(float, said)
    return {
        "tasks": arguments.tasks,
        "ms": 1000 * seconds / arguments.tasks,
        "client_cpu_ms": 1000 * cpu / arguments.tasks,
        "memory_mb": memory,
        "busy": os.getloadavg()[0],
    }


def collect(arguments: argparse.Namespace) -> dict[str, Any]:
    """Store vitals of 10,000 devices in PostgreSQL, from payload to commit."""
    sys.path.insert(0, str(common.REPO / "tests"))
    from fleet_messages import message, vitals  # noqa: PLC0415
    from postgresql import cluster  # noqa: PLC0415

    from edge.fleet.collect import MOST  # noqa: PLC0415
    from edge.fleet.store import database  # noqa: PLC0415
    from edge.fleet.store.store import Store  # noqa: PLC0415

    with cluster() as server:
        engine = database.connect(server.url)
        database.migrate(engine)
        store = Store(engine)
        messages = [message(vitals(f"bed-{n % 10_000}", n // 10_000)) for n in range(arguments.rows)]
        store.put(messages[:MOST])
        begun, cpu = time.monotonic(), time.process_time()
        for start in range(MOST, len(messages), MOST):
            store.put(messages[start : start + MOST])
        seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
        engine.dispose()
        n = store.stored["vitals"] - MOST
    return {"rows": n, "rows_per_s": n / seconds, "cpu_us": 1e6 * cpu / n, "busy": os.getloadavg()[0]}


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "bulk": bulk,
    "overhead": overhead,
    "collect": collect,
}


def report(figures: dict[str, Any]) -> list[str]:
    """Return the report, part by part."""
    text = [
        "# Many machines, on one",
        "Figures of a machine that does other things too: `busy` is its load average then.",
    ]
    if found := figures.get("bulk"):
        ideal = found["one_s"] / 2
        rows = [
            ("one process, s", f"{found['one_s']:.0f}", ""),
            ("two processes, s", f"{found['two_s']:.0f}", f"{ideal / 0.9:.0f}"),
            ("of twice one's speed, %", f"{100 * ideal / found['two_s']:.0f}", "90"),
            ("processor time of two to that of one", f"{found['two_cpu_s'] / found['one_cpu_s']:.2f}", ""),
            ("the same bytes", found["same"], True),
            (f"the same bytes, a worker killed {found['kills']} times", found["same_after_kills"], True),
            ("busy", f"{found['busy']:.1f}", ""),
        ]
        text += [f"## {found['records']:,} records, {found['ecg_h']:.0f} h of ECG", _table(rows)]
    if found := figures.get("overhead"):
        first, last = found["memory_mb"][1], found["memory_mb"][-1]
        rows = [
            ("a task, ms", f"{found['ms']:.2f}", "2"),
            ("of it the client's processor, ms", f"{found['client_cpu_ms']:.2f}", ""),
            ("client's memory after a tenth and at the end, MB", f"{first:.0f}, {last:.0f}", "flat"),
            ("busy", f"{found['busy']:.1f}", ""),
        ]
        text += [f"## {found['tasks']:,} tasks that do nothing, two processes", _table(rows)]
    if found := figures.get("collect"):
        rows = [
            ("rows a second", f"{found['rows_per_s']:,.0f}", "5,000"),
            ("collector's processor a row, µs", f"{found['cpu_us']:.0f}", ""),
            ("busy", f"{found['busy']:.1f}", ""),
        ]
        text += [f"## {found['rows']:,} vitals of 10,000 devices into PostgreSQL", _table(rows)]
    return text


def _table(rows: list[tuple[Any, ...]]) -> str:
    return common.table(("", "measured", "target"), rows)


def main() -> None:
    """Measure what is asked for."""
    parser = common.options((__doc__ or "").splitlines()[0])
    parser.add_argument("--copies", type=int, default=20, help="of each record")
    parser.add_argument("--seconds", type=int, default=60, help="of each copy; 0: all")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--only", choices=PARTS, help="one of the three")
    arguments = parser.parse_args()
    kept = arguments.results / "fleet.json"
    figures = msgspec.json.decode(kept.read_bytes()) if arguments.only and kept.exists() else {}
    for name in [arguments.only] if arguments.only else PARTS:
        figures[name] = PARTS[name](arguments)
    facts = common.machine("distributed", "pyarrow", "psycopg", "sqlalchemy")
    figures.pop("machine", None)
    common.write(arguments.results, "fleet", report(figures), figures=figures, facts=facts, cores="")


if __name__ == "__main__":
    main()
