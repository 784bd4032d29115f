"""Accuracy of each model as it runs: records replayed as `ecg-edge replay` does, its annotation files scored.

By default DS2 and those records of svdb that no model has seen, how far scores can be trusted, false V an hour, and
the R peaks of all records. With `--generality` the same patients seen otherwise, noise, and another database.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import common, reliability, replayed, variants
from benchmarks.generality import generality
from benchmarks.task import DOMINANT, NOISES, Task, chosen, least_score, machine, model_name
from edge.inference.beat_model import model_names
from edge.inference.runtime import runtime_name
from training.ec57 import CLASSES
from training.evaluate import Report, evaluate
from training.report import percent, record_lines, table_lines
from training.splits import DS1, DS2, NEVER_LEARNT


def main() -> None:
    """Score every model and write the results."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--models", nargs="+", default=list(model_names()), help="names, or paths of .tflite")
    parser.add_argument("--generality", action="store_true", help="other leads, gains, rates, noise, svdb")
    parser.add_argument("--jobs", type=int, default=replayed.JOBS, help="processes at once")
    arguments = parser.parse_args()
    if not arguments.models:
        sys.exit("no models to score")
    task = chosen(arguments, arguments.models)
    if arguments.generality:
        generality(task)
    else:
        accuracy(task)


def accuracy(task: Task) -> None:
    """Score the records of DS2 and svdb by class, all records by R peak, and what scores are worth."""
    unseen = [record for record in task.records if record in DS2]
    text = [
        "# Accuracy",
        f"{len(unseen)} records of DS2, detected beats, both leads, replayed as `ecg-edge replay` does; "
        f"{runtime_name()}. What is counted, and how: docs/evaluation.md. Figures are gross, in percent; intervals of "
        "F1 are bootstrapped by record. F1 is strict; the last two columns leave out, as EC57 does, F and Q beats "
        "called V, and Q beats called S.",
    ]
    figures: dict[str, Any] = {}
    for model in task.models:
        sys.stderr.write(f"{model} …\n")
        with tempfile.TemporaryDirectory() as out:
            added, figures[model_name(model)] = _one_model(task, model, Path(out))
        text += [f"## {model_name(model)}", *added]
    common.write(task.results, "accuracy", text, figures=figures, facts=machine())


def _one_model(task: Task, model: str, out: Path) -> tuple[list[str], dict[str, Any]]:
    mitdb, svdb = task.data / "mitdb", task.data / "svdb"
    unseen = [record for record in task.records if record in DS2]
    without = [DOMINANT] if DOMINANT in unseen else []
    replayed.replay(task.records, mitdb, model, out, task.jobs)
    everything = evaluate(out, mitdb, task.records)
    figures: dict[str, Any] = {"all_qrs": everything.summary()["qrs"]}
    text: list[str] = []
    sets: dict[str, Sequence[replayed.Scored]] = _learnt(task, out)
    if unseen:
        report = evaluate(out, mitdb, unseen, without=without)
        figures["ds2"] = report.summary()
        text += [common.table(_CLASS_HEADER, class_rows(report, ()))]
        if without and len(unseen) > 1:
            text += [f"Without record {DOMINANT}:", common.table(_CLASS_HEADER, class_rows(report, without))]
        text.append("\n".join(["```", *table_lines(report.table), "", *record_lines(report.records), "```"]))
        sets["DS2"] = [replayed.read(record, out, mitdb) for record in unseen]
        added, figures["ds2_scores"] = reliability.report("DS2", sets["DS2"])
        text += added
    qrs = everything.qrs()
    text.append(
        f"R peaks of all {len(task.records)} records: Se {percent(qrs.se).strip()}, +P {percent(qrs.ppv).strip()} "
        f"(missed {qrs.fn:,}, extra {qrs.fp:,})."
    )
    if task.svdb:
        replayed.replay(task.svdb, svdb, model, out, task.jobs)
        report = evaluate(out, svdb, task.svdb)
        figures["svdb"] = report.summary()
        scored = [replayed.read(record, out, svdb) for record in task.svdb]
        added, figures["svdb_scores"] = reliability.report("svdb", scored)
        text += [
            f"The {len(task.svdb)} records of svdb not learnt from, 128 Hz:",
            common.table(_CLASS_HEADER, class_rows(report, ())),
            "\n".join(["```", *table_lines(report.table), "", *record_lines(report.records), "```"]),
            *added,
        ]
        sets["svdb"] = scored
    sets |= _noisy(task, model, out)
    added, figures["v_by_least_score"] = reliability.curve(sets, least_score(model))
    return text + added, figures


def _learnt(task: Task, out: Path) -> dict[str, Sequence[replayed.Scored]]:
    """Return DS1 and, of it, whom no model has learnt from."""
    mitdb = task.data / "mitdb"
    scored = [replayed.read(record, out, mitdb) for record in task.records if record in DS1]
    never = [record for record in scored if record.name in NEVER_LEARNT]
    sets: dict[str, Sequence[replayed.Scored]] = {"DS1": scored}
    if never:
        sets["DS1, never learnt from"] = never
    return sets if scored else {}


def _noisy(task: Task, model: str, out: Path) -> dict[str, Sequence[replayed.Scored]]:
    """Return record 118 with electrode motion."""
    if not (task.data / "nstdb").is_dir():
        return {}
    sets: dict[str, Sequence[replayed.Scored]] = {}
    with tempfile.TemporaryDirectory() as folder:
        names = variants.copy_noisy(task.data, Path(folder))
        replayed.replay(names, Path(folder), model, out, task.jobs)
        for name, snr in zip(names, NOISES, strict=True):
            sets[f"118 at {snr}"] = [replayed.read(name, out, Path(folder))]
    return sets


_CLASS_HEADER = ["class", "beats", "Se", "+P", "F1", "95 %", "average Se", "+P", "false an hour", "EC57 +P", "F1"]


def class_rows(report: Report, without: Sequence[str]) -> list[list[str]]:
    """Return a line of figures for each class."""
    rows = []
    for label in CLASSES:
        score = report.beat_class(label, without)
        figures = (score.strict.se, score.strict.ppv, score.strict.f1)
        low, high = score.interval["f1"]
        rows.append(
            [
                label,
                f"{score.strict.tp + score.strict.fn:,}",
                *(percent(figure).strip() for figure in figures),
                "-" if math.isnan(low) else f"{percent(low).strip()}–{percent(high).strip()}",
                *(percent(figure).strip() for figure in score.average),
                f"{score.false_per_hour:.1f}",
                *(percent(figure).strip() for figure in (score.ec57.ppv, score.ec57.f1)),
            ]
        )
    return rows


if __name__ == "__main__":
    main()
