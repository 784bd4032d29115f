"""Compares what two machines found in one record; `smoke_arm64.sh` calls it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import wfdb

BEATS = frozenset("NSVFQ")


def beats(folder: Path, record: str) -> dict[int, str]:
    """Return beats by R peak."""
    found = wfdb.rdann(str(folder / record), "edge")
    return {int(at): label for at, label in zip(found.sample, found.symbol, strict=True) if label in BEATS}


def compare(work: Path, record: str, model: str, most_percent: float) -> tuple[str, bool]:
    """Return a line of the table, and whether it is good enough."""
    here, arm = beats(work / f"here-{model}", record), beats(work / f"arm-{model}", record)
    both = here.keys() & arm.keys()
    odd_peaks = len(here.keys() ^ arm.keys())
    odd_labels = sum(here[at] != arm[at] for at in both)
    percent = 100 * (odd_peaks + odd_labels) / max(len(here), 1)
    alerts = [json.loads((work / f"{where}-{model}.json").read_text())["alerts"] for where in ("here", "arm")]
    ok = percent <= most_percent and len(here) > 0
    row = f"| {model} | {len(here):,} | {len(arm):,} | {odd_peaks} | {odd_labels} | {percent:.3f} % |"
    return f"{row} {'equal' if alerts[0] == alerts[1] else f'{alerts[0]} / {alerts[1]}'} |", ok


def main() -> int:
    """Print the report; return the exit code."""
    work, record, most_percent = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    versions: list[dict[str, Any]] = [
        json.loads((work / f"{where}-version.json").read_text()) for where in ("here", "arm")
    ]
    rows = [compare(work, record, model, most_percent) for model in ("cnn", "lstm")]
    ok = all(good for _, good in rows)
    print(f"# arm64 under qemu-user, {datetime.now(UTC):%Y-%m-%d}\n")
    print(
        f"`make smoke-arm64`: the wheel installed in Debian Bookworm arm64, record {record} replayed there and here.\n"
    )
    for where, said in zip(("here", "there"), versions, strict=True):
        print(f"- {where}: {said['platform']}, Python {said['python']}, {said['runtime']}, numpy {said['numpy']}")
    print(f"- tolerance: {most_percent:g} % of beats found or labelled otherwise; **{'passed' if ok else 'FAILED'}**\n")
    print("| model | beats here | there | found by one only | labelled otherwise | together | alerts by kind |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(line for line, _ in rows))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
