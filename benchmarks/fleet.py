"""What many machines cost, and whether they lose anything: bulk re-analysis, and the collector of many devices.

`python -m benchmarks.fleet [--copies 20] [--seconds 60] [--tasks 100000] [--kills 50] [--only bulk]` prints it and
writes benchmarks/results/fleet.{md,json}. With `--only`, the rest is kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import msgspec

from benchmarks import common, fleet_bulk, fleet_collect

_Part = tuple[Callable[[argparse.Namespace], dict[str, Any]], Callable[[dict[str, Any]], list[str]]]
PARTS: dict[str, _Part] = {
    "bulk": (fleet_bulk.bulk, fleet_bulk.report_bulk),
    "many": (fleet_bulk.many, fleet_bulk.report_many),
    "collect": (fleet_collect.collect, fleet_collect.report_collect),
    "kills": (fleet_collect.kills, fleet_collect.report_kills),
}


def report(figures: dict[str, Any]) -> list[str]:
    """Return the report, part by part."""
    text = [
        "# Many machines, on one",
        "On a machine that does other things too: `busy` is its load average at the end of a part. Where others take "
        "turns with it the clock says little, and processor time is what counts.",
    ]
    for name, (_, told) in PARTS.items():
        if found := figures.get(name):
            text += told(found)
    return text


def main() -> None:
    """Measure what is asked for."""
    parser = common.options((__doc__ or "").splitlines()[0])
    parser.add_argument("--copies", type=int, default=20, help="of each record")
    parser.add_argument("--seconds", type=int, default=60, help="of each copy; 0: all")
    parser.add_argument("--tasks", type=int, default=100_000, help="short records")
    parser.add_argument("--seconds-collected", type=int, default=30, metavar="N", help="of 10,000 devices")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--only", choices=PARTS, help="one of the parts")
    arguments = parser.parse_args()
    kept = arguments.results / "fleet.json"
    figures = msgspec.json.decode(kept.read_bytes()) if arguments.only and kept.exists() else {}
    for name in [arguments.only] if arguments.only else PARTS:
        figures[name] = PARTS[name][0](arguments)
    facts = common.machine("distributed", "pyarrow", "psycopg", "sqlalchemy")
    figures.pop("machine", None)
    common.write(arguments.results, "fleet", report(figures), figures=figures, facts=facts, cores="")


if __name__ == "__main__":
    main()
