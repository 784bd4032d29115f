"""How well conduction (bundle-branch block, paced beats; MIT-BIH) and intervals (PR, QRS, QT; qtdb) are told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from training.splits import DS1, DS2, PACED

PATTERNS = {"L": "lbbb", "R": "rbbb", "/": "paced"}
_NORMAL = frozenset("NLRej/")


def conducted(record: str, mitdb: Path) -> Counter[tuple[str, str]]:
    """Return how many beats of a record are annotated as one pattern and told as another."""
    import wfdb  # noqa: PLC0415

    import edge  # noqa: PLC0415

    found = edge.analyze(str(mitdb / record)).findings
    reference = wfdb.rdann(str(mitdb / record), "atr")
    out: Counter[tuple[str, str]] = Counter()
    for sample, symbol in zip(reference.sample, reference.symbol, strict=True):
        if symbol in _NORMAL:
            at_s = sample / 360
            told = next((s.pattern for s in found.conduction.stretches if s.start_s <= at_s < s.stop_s), "none")
            out[PATTERNS.get(symbol, "usual"), told] += 1
    return out


def measured(record: str, qtdb: Path) -> dict[str, tuple[float, float]]:
    """Return an expert's median and ours of each interval of a record, ms."""
    import wfdb  # noqa: PLC0415

    import edge  # noqa: PLC0415

    reference = wfdb.rdann(str(qtdb / record), "q1c")
    values: dict[str, list[float]] = {"PR": [], "QRS": [], "QT": []}
    p_on: float | None = None
    qrs_on: float | None = None
    before, kind = "", ""
    for sample, symbol in zip(reference.sample, reference.symbol, strict=True):
        at_ms = sample * 4.0
        if symbol == "(":
            before = "("
            opened = at_ms
        elif symbol in "pNt" and symbol != "(":
            kind = symbol
            if before == "(" and symbol == "p":
                p_on = opened
            elif before == "(" and symbol == "N":
                qrs_on = opened
                if p_on is not None and 0 < qrs_on - p_on < 400:
                    values["PR"].append(qrs_on - p_on)
                p_on = None
            before = symbol
        elif symbol == ")":
            if qrs_on is not None and kind == "N" and at_ms - qrs_on < 300:
                values["QRS"].append(at_ms - qrs_on)
            elif qrs_on is not None and kind == "t" and 0 < at_ms - qrs_on < 700:
                values["QT"].append(at_ms - qrs_on)
            before = ")"
    ours = edge.analyze(str(qtdb / record)).findings.intervals
    told = {"PR": ours.pr_ms, "QRS": ours.qrs_ms, "QT": ours.qt_ms}
    return {
        name: (float(np.median(values[name])), spread.median)
        for name, spread in told.items()
        if spread is not None and len(values[name]) >= 5
    }


def _figures(counts: Counter[tuple[str, str]], pattern: str) -> tuple[str, str, int]:
    right = counts[pattern, pattern]
    there = sum(n for (truth, _), n in counts.items() if truth == pattern)
    told = sum(n for (_, said), n in counts.items() if said == pattern)
    shares = (f"{100 * right / whole:.1f}" if whole else "–" for whole in (there, told))
    return (*shares, there)  # type: ignore[return-value]  # two of them


def main() -> None:
    """Write and print benchmarks/results/conduction.md."""
    parser = common.options(__doc__ or "")
    arguments = parser.parse_args()
    data = common.data_dir(arguments.data)
    common.use_one_core()
    rows, figures = [], dict[str, Any]()
    recognised = []
    for name, records in (("DS1", DS1), ("DS2", DS2), ("paced", PACED)):
        total: Counter[tuple[str, str]] = Counter()
        for record in records:
            counts = conducted(record, data / "mitdb")
            total += counts
            told = Counter({said: sum(n for (_, s), n in counts.items() if s == said) for _, said in counts})
            if told["paced"] > told.total() / 2:
                recognised.append(record)
        for pattern in PATTERNS.values():
            se, pp, there = _figures(total, pattern)
            rows.append((f"{name}, {pattern}", there, se, pp))
            figures[f"{name}, {pattern}"] = {"beats": there, "se": se, "pp": pp}
    text = ["# Conduction and intervals", common.table(("records, pattern", "beats", "Se %", "+P %"), rows)]
    text.append(f"Records most of whose beats are told as paced: {', '.join(recognised)}.")
    if (data / "qtdb").is_dir():
        text.append(_intervals(data / "qtdb", figures))
    common.write(arguments.results, "conduction", text, figures=figures, facts=common.machine())


def _intervals(qtdb: Path, figures: dict[str, Any]) -> str:
    both: dict[str, list[tuple[float, float]]] = {"PR": [], "QRS": [], "QT": []}
    for path in sorted(qtdb.glob("*.q1c")):
        for name, pair in measured(path.stem, qtdb).items():
            both[name].append(pair)
    rows = []
    for name, pairs in both.items():
        errors = np.array([ours - theirs for theirs, ours in pairs])
        rows.append(
            (name, len(pairs), f"{errors.mean():+.0f}", f"{errors.std():.0f}", f"{np.median(np.abs(errors)):.0f}")
        )
        figures[f"qtdb, {name}"] = {"records": len(pairs), "errors_ms": errors.round(1).tolist()}
    head = ("qtdb, median of a record against the expert's", "records", "mean error, ms", "SD", "median |error|")
    return common.table(head, rows)


if __name__ == "__main__":
    main()
