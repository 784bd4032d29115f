"""What each idea is worth: cross-validation of the boosted trees with one thing after the other taken away.

Patients of DS1 and of the supraventricular database's training part, five folds, each patient predicted by trees that
have not seen him. Average precision does not depend on where a threshold is put; classes count with the shares they
have in DS1. Takes about two minutes a row: `make ablation`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.features.conducted import RHYTHM
from edge.features.history import NAMES
from training import datasets, features, score, splits
from training.datasets import CLASSES, LabelledBeats
from training.features import Table
from training.synthesis import synthesize
from training.teacher import cross_validate

RESULTS = Path(__file__).parent / "results" / "ablation.md"
FOLDS = 5
MAJORITY = ("svdb/841", "svdb/865", "svdb/881")
"""Patients with a rhythm of S beats for much of the time."""

KINDS = ("frequent", "runs", "fibrillation", "uneven", "fusion")
GROUPS: dict[str, Callable[[str], bool]] = {
    "late beats as the norm": lambda name: "late" in name and name != "lateness",
    "P wave against the beat before": lambda name: name in ("p_angle_last", "p_steady"),
    "all P wave features": lambda name: name.startswith(("p_", "tp_")),
    "sudden runs": lambda name: name.startswith("run_"),
    "long horizons": lambda name: name.endswith(("steady", "longest", "usual")) and "over" in name,
    "absolute intervals": lambda name: name in ("rr_prev", "rr_next"),
    "T wave, steepness, lateness": lambda name: name in ("t_lean", "lateness") or name.startswith("steepest"),
}

Row = tuple[str, NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]


def main() -> None:
    """Print the table and write it to `benchmarks/results/ablation.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("ECG_EDGE_DATA", "data"))
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    options = parser.parse_args()
    table = gather(Path(options.data), options.work / "beats")
    lines = [
        "| | S, all | S, DS1 | S, svdb | S, mostly S | V, all | V, DS1 | F, DS1 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, *kept in rows(table):
        lines.append(f"| {name} | " + " | ".join(f"{value:.1f}" for value in precisions(table, *kept)) + " |")
        print(lines[-1], flush=True)
    RESULTS.write_text("# Average precision of the trees, %, cross-validated\n\n" + "\n".join(lines) + "\n")


def gather(data: Path, cache: Path) -> tuple[Table, NDArray[np.str_]]:
    """Return all beats, and how the record of each was made."""
    beats: list[LabelledBeats] = []
    svdb = datasets.locate("svdb", data)
    for folder, records in (
        (datasets.locate("mitdb", data), splits.DS1),
        (svdb, splits.svdb_training(datasets.records_of(svdb))),
    ):
        for real in datasets.prepare(folder, records, cache):
            beats += [real, *synthesize(real), *synthesize(real, 1)]
    made = [np.full(len(features.table([each])), each.variant or "real") for each in beats]
    return features.table(beats), np.concatenate(made)


def rows(table: tuple[Table, NDArray[np.str_]]) -> list[Row]:
    """Return name, beats to keep, features to keep and those that S is told by of each row."""
    _, made = table
    every, columns, names = np.ones(len(made), np.bool_), np.ones(len(NAMES), np.bool_), np.array(NAMES)
    out: list[Row] = [("everything", every, columns, RHYTHM)]
    out.append(("S told from N by QRS and T wave as well", every, columns, np.arange(len(names))))
    out.append(("no synthetic patients", made == "real", columns, RHYTHM))
    out += [(f"without {kind}", made != kind, columns, RHYTHM) for kind in KINDS]
    for group, chosen in GROUPS.items():
        out.append((f"without {group}", every, np.array([not chosen(name) for name in names]), RHYTHM))
    return out


def precisions(
    table: tuple[Table, NDArray[np.str_]],
    keep: NDArray[np.bool_],
    columns: NDArray[np.bool_],
    told_by: NDArray[np.int64],
) -> Sequence[float]:
    """Return the average precisions of the columns, in percent."""
    data, _ = table
    real, said = cross_validate(data, FOLDS, keep, np.flatnonzero(columns), told_by)
    labels, records = data.labels[real], data.records[real]
    ds1 = np.char.startswith(records, "mitdb")
    most = np.isin(records, MAJORITY)
    asked = (("S", ds1 | ~ds1), ("S", ds1), ("S", ~ds1 & ~most), ("S", most), ("V", ds1 | ~ds1), ("V", ds1), ("F", ds1))
    return [100 * average_precision(labels[who], said[who], CLASSES.index(label)) for label, who in asked]


def average_precision(labels: NDArray[np.int8], said: NDArray[np.float32], number: int) -> float:
    """Return the mean precision over the class's beats, from the surest down, classes weighed as in DS1."""
    counts = np.bincount(labels, minlength=len(CLASSES))
    shares = np.array([score.SHARES.get(label, 0.0) for label in CLASSES])
    order = np.argsort(-said[:, number], kind="stable")
    weights = (shares / np.maximum(counts, 1))[labels[order]]
    right = labels[order] == number
    precision = np.cumsum(weights * right) / np.cumsum(weights)
    return float(precision[right].mean())


if __name__ == "__main__":
    main()
