"""What the benchmarks share: records, child processes, facts about the machine, and files of results."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

REPO = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
QUICK = ("100", "108", "203", "222")
"""A clean record, a noisy one, one with ventricular and one with supraventricular ectopy."""


class Run(msgspec.Struct, frozen=True):
    """What a child process cost.

    Attributes
    ----------
    started : float
        Unix time at which it was started.
    seconds : float
        Until its end, by the clock on the wall.
    cpu_seconds : float
        Spent computing, in user and system mode.
    peak_mb : float
        Most memory resident at once (`ru_maxrss`), interpreter and libraries included.
    output : str
        What it printed.
    """

    started: float
    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


def options(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, help="folder of the databases (default: $ECG_EDGE_DATA)")
    parser.add_argument("--records", nargs="+", help="MIT-BIH records (default: all)")
    parser.add_argument("--quick", action="store_true", help=f"records {' '.join(QUICK)} only")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write to")
    return parser


def data_dir(given: Path | None) -> Path:
    """Return the folder that holds `mitdb`, or leave with a line that says what is missing."""
    folder = given or (Path(os.environ["ECG_EDGE_DATA"]) if "ECG_EDGE_DATA" in os.environ else None)
    if folder is None or not (folder / "mitdb").is_dir():
        sys.exit(f"no mitdb in {folder}: give --data or set ECG_EDGE_DATA")
    return folder


def chosen_records(arguments: argparse.Namespace, mitdb: Path) -> tuple[str, ...]:
    """Return the records the options ask for."""
    if arguments.records:
        return tuple(arguments.records)
    return QUICK if arguments.quick else tuple(sorted(path.stem for path in mitdb.glob("*.atr")))


def use_one_core() -> None:
    """Keep this process and all its children on one core, and their libraries to one thread."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def run(command: Sequence[object], env: Mapping[str, str] | None = None) -> Run:
    """Run a child process from the repository's root; what it says on standard error is shown.

    A child's peak memory is never below its parent's, which it shares until it has begun: import little beforehand.

    Raises
    ------
    SystemExit
        If it fails.
    """
    started, clock = time.time(), time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO), **(env or {})},
    )
    assert process.stdout is not None  # noqa: S101  (given above)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command[3:6]))} … ended with {process.returncode}")
    seconds = time.perf_counter() - clock
    return Run(started, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def replay(records: Iterable[str], data: Path, model: str, annotations: Path, before: str = "") -> Run:
    """Replay records with the command `ecg-edge replay`, which writes its annotation files.

    Parameters
    ----------
    records : iterable of str
        Names.
    data : Path
        Folder of the database.
    model : str
        Name of the model.
    annotations : Path
        Folder to write to.
    before : str
        Python to run first.
    """
    program = f"{before}\nfrom edge.cli.app import main\nmain()"
    options = ("--data", data, "--model", model, "--annotations", annotations, "--json")
    return run([sys.executable, "-c", program, "replay", *records, *options])


def machine(*packages: str) -> dict[str, Any]:
    """Return what a figure depends on: processor, Python and versions of packages; no names of hosts or folders."""
    versions: dict[str, str] = {}
    for package in ("ecg-edge", "numpy", *packages):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table, first column to the left and the others to the right."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write(
    folder: Path,
    name: str,
    text: Sequence[str],
    *,
    figures: Mapping[str, Any],
    facts: Mapping[str, Any],
    command: str = "",
    cores: str = "one core of ",
) -> None:
    """Print a report and write it as `name.md` and `name.json`.

    Parameters
    ----------
    folder : Path
        Where to.
    name : str
        Of the benchmark.
    text : sequence of str
        Paragraphs and tables in Markdown, the title first.
    figures : mapping
        All figures, for the JSON file.
    facts : mapping
        From `machine`.
    command : str
        What it was measured with, if not the module of that name.
    cores : str
        How much of the machine was used.
    """
    command = command or f"python -m benchmarks.{name}"
    versions = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
    measured = (
        f"Measured with `{command}` on {cores}{facts['cpu']} ({facts['cores']} cores, "
        f"{facts['system']}), Python {facts['python']}, {versions}."
    )
    report = "\n\n".join([text[0], measured, *text[1:]]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(report, encoding="utf-8")
    encoded = msgspec.json.encode({"machine": facts, **figures})
    (folder / f"{name}.json").write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")
    sys.stdout.write(report)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
