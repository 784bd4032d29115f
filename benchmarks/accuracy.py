"""Accuracy of each model as it runs: records replayed as `ecg-edge replay` does, its annotation files scored.

By default DS2 and those records of svdb that no model has seen, how far scores can be trusted, false V an hour, and
the R peaks of all records. With `--generality` the same patients seen otherwise, noise, and another database.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import common, reliability, replayed
from edge.inference.beat_model import model_names
from edge.inference.runtime import runtime_name
from training.ec57 import CLASSES
from training.evaluate import Report, evaluate, record_names
from training.report import percent, record_lines, table_lines
from training.splits import DS1, DS2, NEVER_LEARNT

DOMINANT = "232"
"""Three quarters of the S beats of DS2 are this record's."""

LEAST_SCORE = {"cnn": 0.92, "lstm": 0.94}
"""Score that an alarm for single V beats should ask for, by model: where DS1 comes nearest to five false V an hour."""

QUICK_SVDB = 2

NOISES = ("0 dB", "-6 dB")


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be scored.

    Attributes
    ----------
    models : tuple of str
        Names of shipped models, or paths of any.
    data : Path
        Folder that holds mitdb, svdb and nstdb.
    records, svdb : tuple of str
        Records of mitdb, and those of svdb not learnt from.
    jobs : int
        Processes at once.
    results : Path
        Folder to write to.
    """

    models: tuple[str, ...]
    data: Path
    records: tuple[str, ...]
    svdb: tuple[str, ...]
    jobs: int
    results: Path


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
        from benchmarks.generality import generality  # noqa: PLC0415  (scipy.signal and wfdb take seconds to import)

        generality(task)
    else:
        accuracy(task)


def chosen(arguments: argparse.Namespace, models: Sequence[str] = ()) -> Task:
    """Return what the options ask for."""
    data = common.data_dir(arguments.data)
    svdb = record_names(["svdb"], data / "svdb") if (data / "svdb").is_dir() else ()
    records = common.chosen_records(arguments, data / "mitdb")
    if arguments.records:
        svdb = tuple(record for record in records if record in svdb)
    elif arguments.quick:
        svdb = svdb[:QUICK_SVDB]
    return Task(
        models=tuple(models),
        data=data,
        records=tuple(record for record in records if record not in svdb),
        svdb=svdb,
        jobs=arguments.jobs,
        results=arguments.results,
    )


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
    from benchmarks import variants  # noqa: PLC0415  (scipy.signal and wfdb take seconds to import)

    sets: dict[str, Sequence[replayed.Scored]] = {}
    with tempfile.TemporaryDirectory() as folder:
        names = variants.copy_noisy(task.data, Path(folder))
        replayed.replay(names, Path(folder), model, out, task.jobs)
        for name, snr in zip(names, NOISES, strict=True):
            sets[f"118 at {snr}"] = [replayed.read(name, out, Path(folder))]
    return sets


def model_name(model: str) -> str:
    """Return what a model is called in results: no folders but the one that tells it from others of its name."""
    path = Path(model)
    return f"{path.parent.name}/{path.stem}" if path.suffix == ".tflite" else model


def least_score(model: str) -> float:
    """Return what `LEAST_SCORE` has for a model of this name; its label is enough if it has nothing."""
    return LEAST_SCORE.get(Path(model).stem, 0.0)


def machine() -> dict[str, Any]:
    """Return what these figures depend on."""
    return common.machine("scipy", "wfdb", "tflite-runtime", "ai-edge-litert")


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
