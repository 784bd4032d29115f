"""How much of a figure is luck: the networks trained with several seeds, each scored as the shipped ones are.

With `--train` the models are trained first, `ecg-train release` into a folder a seed; a model that is there is kept.
With `--learn-from mitdb` all of it is done with networks that learn from that database alone.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import common, reliability, replayed
from benchmarks.task import DOMINANT, Task, chosen, machine, model_name
from edge.errors import EcgEdgeError
from edge.inference.runtime import runtime_name
from training import calibration, release
from training.evaluate import Report, evaluate
from training.sets import gather
from training.splits import DS2

KINDS = ("cnn", "lstm")
DATABASES = ("mitdb", "svdb")
BUILD = common.REPO / "build"


def main() -> None:
    """Train if asked to, score every model, write mean and spread."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--models", type=Path, help="folder of folders, one per seed, of .tflite files")
    parser.add_argument("--train", action="store_true", help="train what is not there")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="to train with")
    parser.add_argument("--learn-from", nargs="+", default=DATABASES, choices=DATABASES, help="to train with")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--jobs", type=int, default=replayed.JOBS, help="processes at once")
    arguments = parser.parse_args()
    task = chosen(arguments)
    name = "seeds" if set(arguments.learn_from) == set(DATABASES) else "seeds_" + "_".join(arguments.learn_from)
    models = arguments.models or BUILD / name
    if arguments.train:
        try:
            train(arguments.kinds, arguments.seeds, task.data, models, arguments.learn_from)
        except EcgEdgeError as error:
            sys.exit(str(error))
    figures = {}
    for kind in arguments.kinds:
        paths = sorted(models.glob(f"*/{kind}.tflite"))
        if paths:
            figures[kind] = {path.parent.name: score(task, path) for path in paths}
    if not figures:
        sys.exit(f"no models in {models}: give --train, or --models the folder they are in")
    report(figures, task, name, arguments.learn_from)


def train(kinds: Sequence[str], numbers: Sequence[int], data: Path, models: Path, databases: Sequence[str]) -> None:
    """Train each network with each seed, into a folder for each; offsets, trees and calibration are all of theirs."""
    wanted = [
        (seed, kind) for seed in numbers for kind in kinds if not (models / str(seed) / f"{kind}.tflite").exists()
    ]
    if not wanted:
        return
    sets = gather(data, BUILD / "training" / "beats", _say, databases)
    shared = release.fit_shared(sets, _say)
    candidates = [
        release.make_candidate(kind, sets, shared, models / str(seed) / "work", seeds=[seed], progress=_say)
        for seed, kind in wanted
    ]
    # Cross-fitting takes five trainings: once for each family, for it belongs to the recipe and not to a seed.
    designs = {candidate.final.kind: candidate.design for candidate in candidates}
    fitted = calibration.cross_fit(list(designs.values()), sets, _say)
    for candidate in candidates:
        folder = models / str(candidate.final.seed)
        release.publish(candidate, sets, folder, fitted[candidate.final.kind], progress=_say)


def score(task: Task, model: Path) -> dict[str, float]:
    """Return the figures of one model on DS2 and on svdb."""
    sys.stderr.write(f"{model_name(str(model))} …\n")
    mitdb, svdb = task.data / "mitdb", task.data / "svdb"
    figures: dict[str, float] = {}
    unseen = [record for record in task.records if record in DS2]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if unseen:
            replayed.replay(unseen, mitdb, model, out, task.jobs)
            report = evaluate(out, mitdb, unseen)
            scored = [replayed.read(record, out, mitdb) for record in unseen]
            figures |= _classes("DS2", report)
            figures["DS2, S without 232, F1"] = _percent(report.beat_class("S", [DOMINANT]).strict.f1)
            figures["DS2, false V an hour"] = report.beat_class("V").false_per_hour
            figures["DS2, calibration error"] = _percent(
                reliability.calibration_error(reliability.bins(scored, reliability.GROUPS["all"]))
            )
        if task.svdb:
            replayed.replay(task.svdb, svdb, model, out, task.jobs)
            figures |= _classes("svdb", evaluate(out, svdb, task.svdb))
    return figures


def report(
    figures: Mapping[str, Mapping[str, Mapping[str, float]]], task: Task, name: str, databases: Sequence[str]
) -> None:
    """Write a table for each kind: each seed's figures, and what they have in common."""
    text = [
        "# Seeds, learning from " + " and ".join(databases),
        "The same training with another seed each time, scored on the records of DS2 and svdb that were not learnt "
        f"from, strictly; percent unless an hour is named; {runtime_name()}. The interval is Student's of the mean: it "
        "says how far another training would move it, not how far other patients would.",
    ]
    summary: dict[str, Any] = {}
    for kind, by_seed in figures.items():
        names = list(next(iter(by_seed.values())))
        rows = []
        for figure in names:
            values = [each[figure] for each in by_seed.values()]
            low, high = interval(values)
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
            mean = float(np.mean(values))
            if math.isnan(mean):  # a class that some seed never calls has no +P
                continue
            bounds = "-" if math.isnan(low) else f"{low:.2f}–{high:.2f}"
            rows.append([figure, *(f"{value:.2f}" for value in values), f"{mean:.2f} ± {spread:.2f}", bounds])
            summary.setdefault(kind, {})[figure] = {
                "mean": mean,
                "sd": spread,
                "interval": [low, high],
                "seeds": values,
            }
        header = ["", *(f"seed {seed}" for seed in by_seed), "mean ± standard deviation", "95 % interval of the mean"]
        text += [f"## {kind}", common.table(header, rows)]
    common.write(
        task.results,
        name,
        text,
        figures=summary,
        facts=machine(),
        command=f"python -m benchmarks.seeds --learn-from {' '.join(databases)}",
    )


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of a few values, by Student's distribution; NaN of one value."""
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    low, high = stats.t.interval(0.95, n - 1, loc=np.mean(values), scale=stats.sem(values))
    return float(low), float(high)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _classes(name: str, report: Report) -> dict[str, float]:
    figures: dict[str, float] = {}
    for label in "VSF":
        score = report.beat_class(label).strict
        for what, figure in (("Se", score.se), ("+P", score.ppv), ("F1", score.f1)):
            figures[f"{name}, {label} {what}"] = _percent(figure)
    return figures


def _percent(figure: float) -> float:
    return 100 * figure


if __name__ == "__main__":
    main()
