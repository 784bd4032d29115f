"""Summaries as text for a terminal, 80 columns wide or as wide as it is."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence

from edge.errors import printable
from edge.kinds import title
from edge.service.summary import LABELS, Latency, Summary
from edge.sinks.console import clock

_WIDTH = 80
_FEW = 3


def table(summaries: Sequence[Summary], columns: int | None = None, told: Collection[str] = ()) -> str:
    """Return a row for each record, and beneath what else there is to say: of many only the troubles.

    Parameters
    ----------
    summaries : sequence of Summary
        What was found in each record.
    columns : int, optional
        Of the terminal; in fewer than 80 the speed is left out.
    told : collection of str
        Lines that were shown before, which are not said again.
    """
    narrow = columns is not None and columns < _WIDTH
    done = [summary for summary in summaries if summary.fs_hz is not None]
    few = len(summaries) <= _FEW
    lines = [_header(narrow), *(_row(summary, narrow) for summary in (done if few else [*done, _total(done)]))]
    for summary in summaries:
        details = [*(_details(summary) if few else ()), *_troubles(summary, told)]
        if details:
            lines += ["", summary.record, *fields(details, min(columns or _WIDTH, _WIDTH))]
    # Names of records and leads come from files.
    return "\n".join(map(printable, lines))


def _header(narrow: bool) -> str:
    speed = "" if narrow else f"{'× real':>8}"
    labels = "".join(f"{label:>{_label_width(label, narrow)}}" for label in LABELS)
    return f"{'record':<10} {'ECG':>9}{speed}{labels}{'HR':>5}{'alerts':>8}"


def _label_width(label: str, narrow: bool) -> int:
    return (7 if label == "N" else 5) if narrow else 7


def _total(summaries: Sequence[Summary]) -> Summary:
    ecg_s, elapsed_s = (sum(getattr(summary, name) for summary in summaries) for name in ("ecg_s", "elapsed_s"))
    return Summary(
        record="all",
        ecg_s=ecg_s,
        speed=ecg_s / elapsed_s if elapsed_s else None,
        beats={label: sum(summary.beats[label] for summary in summaries) for label in LABELS},
        alerts={"all": sum(sum(summary.alerts.values()) for summary in summaries)},
    )


def _row(summary: Summary, narrow: bool) -> str:
    beats = "".join(f"{summary.beats[label]:>{_label_width(label, narrow)}}" for label in LABELS)
    rate = f"{summary.hr_bpm.mean:>5.0f}" if summary.hr_bpm else f"{'–':>5}"
    speed = "" if narrow else f"{summary.speed:>8,.0f}" if summary.speed is not None else f"{'–':>8}"
    alerts = sum(summary.alerts.values())
    return f"{summary.record:<10} {clock(summary.ecg_s):>9}{speed}{beats}{rate}{alerts:>8}"


def _details(summary: Summary) -> list[tuple[str, str]]:
    return [
        ("episodes", counts(summary.episodes)),
        ("alerts", counts(summary.alerts)),
        ("decided after", _latencies(summary)),
        ("model", f"{summary.model.name} on {summary.runtime}" if summary.model else ""),
        ("written", ", ".join(summary.written)),
    ]


def _troubles(summary: Summary, told: Collection[str]) -> list[tuple[str, str]]:
    unreadable = [("unreadable", f"{summary.unreadable_s} s")] if summary.unreadable_s else []
    named = (("note", summary.notes), ("undelivered", summary.undelivered), ("error", summary.errors))
    said = [(name, text) for name, texts in named for text in texts]
    # A note is told behind the name of its stream.
    return [*unreadable, *((name, text) for name, text in said if not any(text in line for line in told))]


def fields(named: Iterable[tuple[str, str]], width: int = _WIDTH) -> Iterator[str]:
    """Yield texts beside their names, wrapped; those that are empty are left out."""
    for name, text in named:
        if text:
            yield from textwrap.wrap(
                text, width, initial_indent=f"  {name:<17} ", subsequent_indent=" " * 20, break_long_words=False
            )


def counts(by_kind: dict[str, int]) -> str:
    """Return counts on one line, such as ``couplet 2, pause 1``."""
    return ", ".join(f"{title(kind)} {n}" for kind, n in by_kind.items())


def _latencies(summary: Summary) -> str:
    named = (("beats", summary.beat_latency_ms), ("alerts", summary.alert_latency_ms))
    return ", ".join(f"{name} {_latency(latency)}" for name, latency in named if latency is not None)


def _latency(latency: Latency) -> str:
    return f"p50 {latency.p50:,.0f} ms p95 {latency.p95:,.0f} ms"
