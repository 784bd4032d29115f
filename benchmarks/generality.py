"""Accuracy of each model on the same patients seen otherwise, in noise, and on another database."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import common, reliability, replayed, variants
from benchmarks.task import NOISES, Task, least_score, machine, model_name
from edge.inference.runtime import runtime_name
from training.evaluate import Report, evaluate
from training.report import percent
from training.splits import DS2


def generality(task: Task) -> None:
    """Score DS2 changed in one thing each, record 118 with noise, and svdb; write the results."""
    scores = _Scores(task)
    mitdb = task.data / "mitdb"
    unseen = [record for record in task.records if record in DS2]
    if unseen:
        scores.add("DS2 as it is", mitdb, unseen)
        for name in variants.CHANGES:
            with tempfile.TemporaryDirectory() as changed:
                for record in unseen:
                    variants.write_changed(name, mitdb / record, Path(changed))
                scores.add(f"DS2, {name}", Path(changed), unseen)
    scores.add("record 118, a training patient", mitdb, ["118"])
    with tempfile.TemporaryDirectory() as noisy:
        for record, snr in zip(variants.copy_noisy(task.data, Path(noisy)), NOISES, strict=True):
            scores.add(f"record 118, a training patient, electrode motion, {snr}", Path(noisy), [record])
    if task.svdb:
        scores.add(f"svdb, {len(task.svdb)} records not learnt from, 128 Hz", task.data / "svdb", task.svdb)
    text = [
        "# Generality",
        f"The {len(unseen)} records of DS2 changed in one thing each, record 118 (of DS1) "
        f"with noise, and the supraventricular database. Strict, gross, percent; {runtime_name()}. The last two "
        "columns: V of the score an alarm should ask for.",
    ]
    for model, rows in scores.rows.items():
        text += [f"## {model_name(model)}", common.table(_header(least_score(model)), rows)]
    common.write(
        task.results,
        "generality",
        text,
        figures=scores.figures,
        facts=machine(),
        command="python -m benchmarks.accuracy --generality",
    )


class _Scores:
    """A table for each model."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.rows: dict[str, list[list[str]]] = {model: [] for model in task.models}
        self.figures: dict[str, dict[str, Any]] = {model_name(model): {} for model in task.models}

    def add(self, name: str, database: Path, records: Sequence[str]) -> None:
        """Replay records with every model and score them as one line."""
        for model, rows in self.rows.items():
            sys.stderr.write(f"{name}, {model} …\n")
            with tempfile.TemporaryDirectory() as out:
                replayed.replay(records, database, model, Path(out), self._task.jobs)
                report = evaluate(Path(out), database, records)
                scored = [replayed.read(record, Path(out), database) for record in records]
            sure, false_per_hour = reliability.ventricular(scored, least_score(model))
            rows.append([*_row(name, report), percent(sure.se).strip(), f"{false_per_hour:.1f}"])
            least = {"se": sure.se, "false_per_hour": false_per_hour}
            self.figures[model_name(model)][name] = {**report.summary(), "v_at_least_score": least}


def _header(least: float) -> list[str]:
    first = ["", "QRS Se", "+P", "V Se", "V +P", "V F1", "S Se", "S +P", "S F1", "F Se", "F +P", "false V an hour"]
    return [*first, f"V ≥ {least:g}: Se", "false an hour"]


def _row(name: str, report: Report) -> list[str]:
    qrs, (v, s, f) = report.qrs(), (report.beat_class(label) for label in "VSF")
    figures = [qrs.se, qrs.ppv, *(each for one in (v, s) for each in (one.strict.se, one.strict.ppv, one.strict.f1))]
    figures += [f.strict.se, f.strict.ppv]
    return [name, *(percent(figure).strip() for figure in figures), f"{v.false_per_hour:.1f}"]
