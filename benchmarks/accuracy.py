"""Accuracy of each model as it runs: records replayed by `ecg-edge replay`, its annotation files scored.

By default DS2, which no model has seen, and the R peaks of all records. With `--generality` the same patients seen
otherwise, noise, and another database.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import common
from edge.inference import model_names, runtime_name
from training.ec57 import CLASSES
from training.evaluate import Report, evaluate, record_names
from training.report import percent, record_lines, table_lines
from training.splits import DS2

DOMINANT = "232"
"""Three quarters of the S beats of DS2 are this record's."""

HEADER = ["", "QRS Se", "+P", "V Se", "V +P", "V F1", "S Se", "S +P", "S F1", "false V an hour"]


def main() -> None:
    """Score every model and write the results."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--models", nargs="+", default=list(model_names()))
    parser.add_argument("--generality", action="store_true", help="other leads, gains, rates, noise, svdb")
    arguments = parser.parse_args()
    if not arguments.models:
        sys.exit("no models to score")
    data = common.data_dir(arguments.data)
    common.use_one_core()
    records = common.chosen_records(arguments, data / "mitdb")
    if arguments.generality:
        generality(arguments.models, data, records, arguments.results)
    else:
        accuracy(arguments.models, data / "mitdb", records, arguments.results)


def accuracy(models: Sequence[str], mitdb: Path, records: Sequence[str], folder: Path) -> None:
    """Score the records of DS2 by class and all records by R peak."""
    unseen = [record for record in records if record in DS2]
    without = [DOMINANT] if DOMINANT in unseen else []
    text = [
        "# Accuracy",
        f"{len(unseen)} records of DS2, detected beats, both leads, through `ecg-edge replay`; {runtime_name()}. "
        "What is counted, and how: docs/evaluation.md. Figures are gross, in percent; intervals of F1 are bootstrapped "
        "by record. F1 is strict; the last two columns leave out, as EC57 does, F and Q beats called V, and Q beats "
        "called S.",
    ]
    figures: dict[str, Any] = {}
    for model in models:
        sys.stderr.write(f"{model} …\n")
        with tempfile.TemporaryDirectory() as out:
            common.replay(records, mitdb, model, Path(out))
            everything = evaluate(Path(out), mitdb, records)
            report = evaluate(Path(out), mitdb, unseen, without=without)
        text += [f"## {model}", common.table(_CLASS_HEADER, _class_rows(report, ()))]
        if without:
            text += [f"Without record {DOMINANT}:", common.table(_CLASS_HEADER, _class_rows(report, without))]
        qrs = everything.qrs()
        text += [
            f"R peaks of all {len(records)} records: Se {percent(qrs.se).strip()}, +P {percent(qrs.ppv).strip()} "
            f"(missed {qrs.fn:,}, extra {qrs.fp:,}).",
            "\n".join(["```", *table_lines(report.table), "", *record_lines(report.records), "```"]),
        ]
        figures[model] = {"ds2": report.summary(), "all_qrs": everything.summary()["qrs"]}
    facts = common.machine("tflite-runtime", "ai-edge-litert")
    common.write(folder, "accuracy", text, figures=figures, facts=facts)


def generality(models: Sequence[str], data: Path, records: Sequence[str], folder: Path) -> None:
    """Score the same patients seen otherwise, noise, and another database."""
    from benchmarks import variants  # noqa: PLC0415  (scipy.signal and wfdb take seconds to import)

    unseen = [record for record in records if record in DS2]
    rows: dict[str, list[list[str]]] = {model: [] for model in models}
    figures: dict[str, dict[str, Any]] = {model: {} for model in models}

    def score(name: str, database: Path, names: Sequence[str]) -> None:
        for model in models:
            sys.stderr.write(f"{name}, {model} …\n")
            with tempfile.TemporaryDirectory() as out:
                common.replay(names, database, model, Path(out))
                report = evaluate(Path(out), database, names)
            rows[model].append(_row(name, report))
            figures[model][name] = report.summary()

    score("DS2 as it is", data / "mitdb", unseen)
    for name in variants.CHANGES:
        with tempfile.TemporaryDirectory() as changed:
            for record in unseen:
                variants.write_changed(name, data / "mitdb" / record, Path(changed))
            score(f"DS2, {name}", Path(changed), unseen)
    score("record 118", data / "mitdb", ["118"])
    with tempfile.TemporaryDirectory() as noisy:
        for record, snr in zip(variants.copy_noisy(data, Path(noisy)), ("0 dB", "-6 dB"), strict=True):
            score(f"record 118, electrode motion, {snr}", Path(noisy), [record])
    svdb = record_names(["svdb"], data / "svdb")
    score(f"svdb, {len(svdb)} records not learnt from, 128 Hz", data / "svdb", svdb)
    text = [
        "# Generality",
        f"The {len(unseen)} records of DS2 changed in one thing each, record 118 (which the models have learnt from) "
        f"with noise, and the supraventricular database. Strict, gross, percent; {runtime_name()}.",
    ]
    for model in models:
        text += [f"## {model}", common.table(HEADER, rows[model])]
    facts = common.machine("scipy", "wfdb", "tflite-runtime", "ai-edge-litert")
    command = "python -m benchmarks.accuracy --generality"
    common.write(folder, "generality", text, figures=figures, facts=facts, command=command)


_CLASS_HEADER = ["class", "beats", "Se", "+P", "F1", "95 %", "average Se", "+P", "false an hour", "EC57 +P", "F1"]


def _class_rows(report: Report, without: Sequence[str]) -> list[list[str]]:
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


def _row(name: str, report: Report) -> list[str]:
    qrs, v, s = report.qrs(), report.beat_class("V"), report.beat_class("S")
    figures = (qrs.se, qrs.ppv, v.strict.se, v.strict.ppv, v.strict.f1, s.strict.se, s.strict.ppv, s.strict.f1)
    return [name, *(percent(figure).strip() for figure in figures), f"{v.false_per_hour:.1f}"]


if __name__ == "__main__":
    main()
