"""Figures that follow from the comparisons of several records, as numbers and as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from training import ec57
from training.ec57 import CLASSES, Score, Table

NAN = float("nan")


class RecordScore(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One record's comparison.

    Attributes
    ----------
    name : str
        Record name.
    hours : float
        Its length.
    table : int64 array, shape (6, 6)
        Pairs counted, see `training.ec57.Comparison`.
    offset_ms : (float, float)
        Median and 95th percentile of the distance between found and reference beats.
    rr_error_ms : float
        Root mean square error of RR intervals.
    paced : bool
        Counts in the QRS figures only, as EC57 asks for records with paced beats.
    """

    name: str
    hours: float
    table: Table
    offset_ms: tuple[float, float]
    rr_error_ms: float
    paced: bool = False


class ClassScore(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One class's figures over several records.

    Attributes
    ----------
    strict, ec57 : Score
        Gross counts in both conventions, see `training.ec57.beat_class`.
    average : (float, float)
        Mean of the records' strict Se and +P.
    interval : dict
        Bootstrap intervals by record of the strict Se, +P and F1.
    false_per_hour : float
        How often an hour the class was said falsely, strictly.
    """

    strict: Score
    ec57: Score
    average: tuple[float, float]
    interval: dict[str, tuple[float, float]]
    false_per_hour: float


class Report(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Scores of several records.

    Attributes
    ----------
    records : tuple of RecordScore
        In the order asked for.
    without : tuple of str
        Records left out in a second set of class figures.
    """

    records: tuple[RecordScore, ...]
    without: tuple[str, ...] = ()

    @property
    def hours(self) -> float:
        """Length of all records together."""
        return sum(record.hours for record in self.records)

    @property
    def table(self) -> Table:
        """Pairs of all records that count for beat classes."""
        return _sum(record.table for record in self.records if not record.paced)

    def qrs(self) -> Score:
        """Score beat detection over all records, paced ones too."""
        return ec57.qrs(_sum(record.table for record in self.records))

    def beat_class(self, label: str, without: Sequence[str] = ()) -> ClassScore:
        """Score one class over all records but the paced ones and those in `without`."""
        records = [record for record in self.records if not record.paced and record.name not in without]
        tables = [record.table for record in records]
        strict = ec57.beat_class(_sum(tables), label)
        return ClassScore(
            strict=strict,
            ec57=ec57.beat_class(_sum(tables), label, "ec57"),
            average=_average(tables, lambda table: ec57.beat_class(table, label)),
            interval=ec57.interval(tables, label) if tables else dict.fromkeys(("se", "ppv", "f1"), (NAN, NAN)),
            false_per_hour=strict.fp / sum(record.hours for record in records) if records else NAN,
        )

    def summary(self) -> dict[str, Any]:
        """Return every figure as plain numbers, None where undefined."""
        average = _average([record.table for record in self.records], ec57.qrs)
        figures = {
            "hours": self.hours,
            "window_ms": ec57.WINDOW_MS,
            "qrs": {**_figures(self.qrs()), "average": {"se": average[0], "ppv": average[1]}},
            "classes": {label: _class_figures(self.beat_class(label)) for label in CLASSES},
            "without": list(self.without),
            "classes_without": {
                label: _class_figures(self.beat_class(label, self.without)) for label in CLASSES if self.without
            },
            "table": self.table.tolist(),
            "records": [_record_figures(record) for record in self.records],
        }
        return dict(_defined(figures))

    def to_json(self) -> str:
        """Return `summary` as JSON."""
        return msgspec.json.format(msgspec.json.encode(self.summary()), indent=2).decode()


def render(report: Report, per_record: bool = False) -> str:
    """Return a report as text for a terminal.

    Parameters
    ----------
    report : Report
        What to show.
    per_record : bool
        Add a line for each record.
    """
    qrs = report.qrs()
    lines = [
        f"{len(report.records)} records, {report.hours:.1f} h, match window {ec57.WINDOW_MS:g} ms",
        f"QRS: Se {percent(qrs.se)}, +P {percent(qrs.ppv)} (missed {qrs.fn:,}, extra {qrs.fp:,})",
        "",
        *_class_lines(report, ()),
    ]
    if report.without:
        lines += ["", f"without {', '.join(report.without)}", *_class_lines(report, report.without)]
    lines += ["", *table_lines(report.table)]
    if per_record:
        lines += ["", *record_lines(report.records)]
    return "\n".join(lines)


def table_lines(table: Table) -> list[str]:
    """Return a table of pairs as text."""
    order = (*CLASSES, "O")
    lines = ["reference in rows, found in columns, O: no beat", " " + "".join(f"{label.lower():>9}" for label in order)]
    return lines + [label + "".join(f"{n:9,}" for n in row) for label, row in zip(order, table.tolist(), strict=True)]


def record_lines(records: Iterable[RecordScore]) -> list[str]:
    """Return a line of figures for each record."""
    lines = ["record   beats missed  extra |     V      Se      +P |     S      Se      +P |     F      Se      +P"]
    for record in records:
        qrs = ec57.qrs(record.table)
        line = f"{record.name:8}{qrs.tp + qrs.fn:6} {qrs.fn:6} {qrs.fp:6}"
        for label in "VSF":
            score = ec57.beat_class(record.table, label)
            line += f" | {score.tp + score.fn:5}  {percent(score.se)}  {percent(score.ppv)}"
        lines.append(line + ("  paced" if record.paced else ""))
    return lines


def percent(figure: float) -> str:
    """Return a figure in percent, a dash if undefined."""
    return "    - " if np.isnan(figure) else f"{100 * figure:6.2f}"


def _sum(tables: Iterable[Table]) -> Table:
    total = np.zeros((6, 6), np.int64)
    for table in tables:
        total += table
    return total


def _average(tables: Sequence[Table], score: Callable[[Table], Score]) -> tuple[float, float]:
    return ec57.average(tables, lambda table: score(table).se), ec57.average(tables, lambda table: score(table).ppv)


def _figures(score: Score) -> dict[str, float]:
    counts = {"beats": score.tp + score.fn, "tp": score.tp, "fn": score.fn, "fp": score.fp}
    return {**counts, "se": score.se, "ppv": score.ppv, "f1": score.f1}


def _class_figures(score: ClassScore) -> dict[str, Any]:
    return {
        "strict": {**_figures(score.strict), "fpr": score.strict.fpr},
        "ec57": {**_figures(score.ec57), "fpr": score.ec57.fpr},
        "average": {"se": score.average[0], "ppv": score.average[1]},
        "interval": score.interval,
        "false_per_hour": score.false_per_hour,
    }


def _record_figures(record: RecordScore) -> dict[str, Any]:
    return {
        "name": record.name,
        "paced": record.paced,
        "hours": record.hours,
        "offset_ms": {"median": record.offset_ms[0], "p95": record.offset_ms[1]},
        "rr_error_ms": record.rr_error_ms,
        "qrs": _figures(ec57.qrs(record.table)),
        "classes": {label: _figures(ec57.beat_class(record.table, label)) for label in CLASSES},
        "table": record.table.tolist(),
    }


def _defined(value: Any) -> Any:
    """Replace NaN, which JSON has not, by None."""
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_defined(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _class_lines(report: Report, without: Sequence[str]) -> list[str]:
    lines = ["      beats      Se      +P      F1   (95 % by record)   false/h   EC57 +P      F1"]
    for label in CLASSES:
        score = report.beat_class(label, without)
        low, high = score.interval["f1"]
        lines.append(
            f"{label}{score.strict.tp + score.strict.fn:10,}  {percent(score.strict.se)}  {percent(score.strict.ppv)}"
            f"  {percent(score.strict.f1)}   ({percent(low)} –{percent(high)})  {score.false_per_hour:8.2f}"
            f"    {percent(score.ec57.ppv)}  {percent(score.ec57.f1)}"
        )
    return lines
