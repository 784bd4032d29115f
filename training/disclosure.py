"""Everything EC57 asks a manufacturer to disclose of an arrhythmia detector, of files that a replay has written.

Each figure is a ratio of two counts of each record, so that gross figures (of the sums), averages (over records) and
bootstrap intervals (drawing whole records) come out of one table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.contract.payloads import ModelInfo
from edge.errors import SourceError
from edge.inference.beat_model import BeatModel
from edge.service.replay import Replay
from edge.service.wiring import Options
from edge.sinks.jsonl import JsonLines
from edge.sinks.wfdb_annotations import WfdbAnnotations
from edge.sources.wfdb_files import read_header
from edge.sources.wfdb_record import open_record
from edge.wfdb_format.annotations import Annotations
from edge.wfdb_format.header import Header
from training import ec57, episodes
from training.episodes import EpisodeScore, Stretches
from training.evaluate import beats_of, read_file, record_names
from training.splits import PACED

LEARNING_S = 300.0
"""EC57 lets a detector learn for so long."""
ANSWERED_S = 10.0
LOW_PREVALENCE = 0.001
"""Share of V beats in a quiet patient, at whom +P is told besides."""
RHYTHMS = {"AF": ("(AF",), "VF": ("(VF", "[")}
"""Aux notes of the rhythms that EC57 wants episodes of; flutters are among them."""
RUNS = {"v_run": 3, "vt": 5}
"""Least V beats of a run that an alarm is right about."""
PAUSE_S = {"pause": 2.0, "asystole": 4.0}
"""Least distance of two reference beats, without flutter between them, that an alarm is right about."""
N_DRAWS = 2000

Counts = dict[str, tuple[float, float]]
"""Of a record: numerator and denominator of each figure."""


class Alarm(msgspec.Struct, frozen=True):
    """One alert of a record: kind, first sample, sample after the last one, and when it was decided."""

    kind: str
    onset: int
    end: int
    decided: int


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure over all records, None where it is undefined.

    Attributes
    ----------
    name : str
        What it is.
    gross, average : float or None
        Of the sums, and the mean over records that have one.
    interval : (float, float) or None
        95 % of bootstrap draws of whole records.
    count : float
        The gross denominator.
    """

    name: str
    gross: float | None
    average: float | None
    interval: tuple[float, float] | None
    count: float


class Disclosure(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of all records and of each, of whole records and of what follows the learning time.

    Attributes
    ----------
    records : dict
        Counts of each record, see `Counts`.
    after_learning : dict
        The same without the first `LEARNING_S` seconds.
    """

    records: dict[str, Counts]
    after_learning: dict[str, Counts]

    def figures(self, *, after_learning: bool = False) -> tuple[Figure, ...]:
        """Return all figures over the records."""
        records = self.after_learning if after_learning else self.records
        names = dict.fromkeys(name for counts in records.values() for name in counts)
        return tuple(_figure(name, list(records.values())) for name in names)

    def to_json(self) -> str:
        """Return every figure, and every count of every record, as JSON."""
        content: dict[str, Any] = {
            "figures": self.figures(),
            "figures_after_learning": self.figures(after_learning=True),
            "records": self.records,
        }
        return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()

    def to_markdown(self) -> str:
        """Return every figure, and the main ones of every record, as Markdown."""
        return "\n".join(_markdown(self)) + "\n"


def disclose(
    annotations: Path,
    data: Path,
    records: Sequence[str] = ("all",),
    alerts: Path | None = None,
    extension: str = "edge",
) -> Disclosure:
    """Compare everything that was found in records with their reference.

    Parameters
    ----------
    annotations : Path
        Folder of ``RECORD.extension``.
    data : Path
        Folder of the database.
    records : sequence of str
        Record names or sets, see `training.evaluate.record_names`.
    alerts : Path, optional
        JSON lines as `ecg-edge replay --alerts` writes them; without them nothing is said of alarms.
    extension : str
        Of the annotation files.

    Raises
    ------
    SourceError
        If a file is missing or broken.
    """
    told = None if alerts is None else read_alarms(alerts)
    whole: dict[str, Counts] = {}
    later: dict[str, Counts] = {}
    for name in record_names(records, data):
        header = read_header(data / f"{name}.hea")
        both = read_file(data / f"{name}.atr"), read_file(annotations / f"{name}.{extension}")
        record = _Record(name, both, header, None if told is None else told.get(name, []))
        whole[name], later[name] = record.counts(0.0), record.counts(LEARNING_S)
    return Disclosure(records=whole, after_learning=later)


class Made(msgspec.Struct, frozen=True):
    """Folder of annotation files, and file of alerts."""

    annotations: Path
    alerts: Path


@contextmanager
def replayed(
    database: Path, records: Sequence[str], model: str, progress: Callable[[str], None] | None = None
) -> Iterator[Made]:
    """Replay records of a database as `ecg-edge replay` does, into files that are there within the context.

    Raises
    ------
    SourceError
        If a record cannot be read.
    """
    names = record_names(records, database)
    with tempfile.TemporaryDirectory(prefix="ecg-train-") as folder, BeatModel.load(model) as beats:
        made = Made(Path(folder), Path(folder) / "alerts.jsonl")
        info = ModelInfo(name=beats.name, sha256=beats.sha256)
        sinks = [WfdbAnnotations(made.annotations), JsonLines(made.alerts, "evaluate", info)]
        failures: list[str] = []
        replay = Replay(Options(), beats, sinks, report=lambda error: failures.append(str(error)))
        for number, name in enumerate(names, 1):
            replay.run(open_record(str(database / name)))
            if failures:
                raise SourceError(name, f"cannot be replayed ({failures[0]})")
            if progress is not None:
                progress(f"replayed {name}, {number} of {len(names)}")
        yield made


def read_alarms(path: Path) -> dict[str, list[Alarm]]:
    """Read alerts as JSON lines, by record; of an alert that has no end yet the last known sample counts.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    try:
        lines = [msgspec.json.decode(line, type=_Line) for line in path.read_bytes().splitlines()]
    except OSError as error:
        raise SourceError(str(path), error.strerror or "cannot be read") from error
    except msgspec.DecodeError as error:
        raise SourceError(str(path), f"is not what --alerts writes ({error})") from error
    alarms: dict[str, Alarm] = {}
    streams: dict[str, str] = {}
    for line in lines:
        end = (line.end or line.decision).sample
        first = alarms.get(line.id)
        decided = line.decision.sample if first is None else first.decided
        alarms[line.id] = Alarm(line.kind, line.onset.sample, end + 1, decided)
        streams[line.id] = line.stream
    by_record: dict[str, list[Alarm]] = {}
    for name, alarm in alarms.items():
        by_record.setdefault(streams[name], []).append(alarm)
    return by_record


class _Moment(msgspec.Struct):
    sample: int


class _Line(msgspec.Struct):
    id: str
    stream: str
    kind: str
    onset: _Moment
    decision: _Moment
    end: _Moment | None


class _Record:
    """A record's reference and what was found, both counted at the finer of their rates."""

    def __init__(
        self, name: str, both: tuple[Annotations, Annotations], header: Header, alarms: list[Alarm] | None
    ) -> None:
        reference, found = both
        fs_hz = header.fs_hz
        self.fs_hz = max(reference.fs_hz or fs_hz, found.fs_hz or fs_hz)
        per_sample = self.fs_hz / fs_hz
        self.reference = (reference.at(self.fs_hz, fs_hz), reference.symbols)
        self.found = (found.at(self.fs_hz, fs_hz), found.symbols)
        last = max((int(side[0][-1]) for side in (self.reference, self.found) if len(side[0])), default=0)
        self.n = round((header.n_samples or 0) * per_sample) or last + 1
        self.paced = name in PACED
        self.rhythms = {
            rhythm: [
                episodes.rhythm_stretches(at, side.symbols, side.aux, notes, self.n)
                for (at, _), side in ((self.reference, reference), (self.found, found))
            ]
            for rhythm, notes in RHYTHMS.items()
        }
        self.alarms = alarms
        self.per_sample = per_sample
        self.truths = dict(self._truths(reference)) if alarms is not None else {}

    def counts(self, start_s: float) -> Counts:
        """Return the counts of all figures from a second on."""
        first = min(round(start_s * self.fs_hz), self.n)
        compared = ec57.compare(self.reference, self.found, self.fs_hz, start_s=start_s)
        counts: Counts = {}
        counts.update(_of_score("QRS", ec57.qrs(compared.table)))
        if not self.paced:
            for label in "VSF":
                counts.update(_of_score(label, ec57.beat_class(compared.table, label, "ec57"), fpr=label in "VS"))
            for label in "VS":
                counts.update(_of_runs(label, episodes.compare_runs(compared, label)))
            counts["called S in AF"] = episodes.falsely_called(compared, "S", self.rhythms["AF"][0])
        for rhythm, sides in self.rhythms.items():
            reference, found = (episodes.clipped(side, first, self.n) for side in sides)
            score = episodes.compare_stretches(reference, found, self.fs_hz, self.n - first)
            counts.update(_of_episodes(rhythm, score))
        own, others = (beats_of(*side) for side in (self.reference, self.found))
        counts["heart rate, squared error"] = episodes.heart_rate_error(
            own[own >= first] - first, others[others >= first] - first, self.fs_hz, self.n - first
        )
        counts.update(self._of_alarms(first))
        return counts

    def _truths(self, reference: Annotations) -> Iterator[tuple[str, Stretches]]:
        """Yield where an alarm of each kind is right."""
        at, symbols = self.reference
        beats = beats_of(at, symbols)
        classes = np.array([ec57.AAMI.get(symbol, "") for symbol in symbols], "<U1")
        classes = classes[classes != ""]
        for rhythm, (spans, _) in self.rhythms.items():
            yield rhythm.lower(), spans
        tachycardia = episodes.rhythm_stretches(at, symbols, reference.aux, ("(VT", "(VF", "["), self.n)
        for kind, least in RUNS.items():
            yield kind, np.concatenate([_v_runs(beats, classes, least), tachycardia])
        flutter = self.rhythms["VF"][0]
        stopped = episodes.rhythm_stretches(at, symbols, reference.aux, ("(ASYS",), self.n)
        for kind, pause_s in PAUSE_S.items():
            long = np.flatnonzero(np.diff(beats) >= pause_s * self.fs_hz)
            pauses = np.stack([beats[long], beats[long + 1]], axis=1).reshape(-1, 2)
            beating = [not _meet(flutter, first, end) for first, end in pauses.tolist()]
            yield kind, np.concatenate([pauses[np.array(beating, bool)], stopped])

    def _of_alarms(self, first: int) -> Counts:
        if self.alarms is None:
            return {}
        counts: Counts = {}
        days = (self.n - first) / self.fs_hz / 86400
        alarms = [
            Alarm(a.kind, *(round(sample * self.per_sample) for sample in (a.onset, a.end, a.decided)))
            for a in self.alarms
        ]
        for kind, truth in self.truths.items():
            own = [alarm for alarm in alarms if alarm.kind == kind and alarm.decided >= first]
            false = sum(not _overlaps(truth, alarm) for alarm in own)
            counts[f"{kind}: false alarms in 24 h"] = (false, days)
            times = list(self._times(truth[truth[:, 0] >= first], kind, alarms))
            told = [time for time in times if time is not None]
            counts[f"{kind}: answered within {ANSWERED_S:g} s"] = (sum(time <= ANSWERED_S for time in told), len(times))
            counts[f"{kind}: seconds to alarm"] = (sum(told), len(told))
        return counts

    def _times(self, truth: Stretches, kind: str, alarms: list[Alarm]) -> Iterator[float | None]:
        """Yield, for each stretch, after how many seconds it was told, None if never."""
        for stretch in truth:
            told = [alarm.decided for alarm in alarms if alarm.kind == kind and _overlaps(stretch[None], alarm)]
            yield max(min(told) - int(stretch[0]), 0) / self.fs_hz if told else None


def _overlaps(truth: Stretches, alarm: Alarm) -> bool:
    return _meet(truth, alarm.onset, alarm.end)


def _meet(spans: Stretches, first: int, end: int) -> bool:
    """Whether one of the stretches has a sample from `first` to before `end`."""
    return bool(((spans[:, 0] < end) & (spans[:, 1] > first)).any())


def _v_runs(beats: NDArray[np.int64], classes: NDArray[np.str_], least: int) -> Stretches:
    """Return runs of so many V beats and more, from the first to the last."""
    inside = np.concatenate([[False], classes == "V", [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(inside))
    first, last = edges[::2], edges[1::2] - 1
    long = last - first + 1 >= least
    return np.asarray(np.stack([beats[first[long]], beats[last[long]] + 1], axis=1), np.int64).reshape(-1, 2)


def _of_score(name: str, score: ec57.Score, *, fpr: bool = False) -> Counts:
    counts: Counts = {f"{name} Se": (score.tp, score.tp + score.fn), f"{name} +P": (score.tp, score.tp + score.fp)}
    if fpr:
        counts[f"{name} FPR"] = (score.fp, score.fp + score.tn)
    return counts


def _of_runs(label: str, tables: episodes.RunTables) -> Counts:
    counts: Counts = {}
    for kind in episodes.RUNS:
        counts[f"{label} {kind} Se"], counts[f"{label} {kind} +P"] = tables.counts(kind)
    return counts


def _of_episodes(rhythm: str, score: EpisodeScore) -> Counts:
    outside = score.total_s - score.reference_s
    return {
        f"{rhythm} episodes Se": (score.met, score.reference),
        f"{rhythm} episodes +P": (score.right, score.found),
        f"{rhythm} duration Se": (score.both_s, score.reference_s),
        f"{rhythm} duration +P": (score.both_s, score.found_s),
        f"{rhythm} duration Sp": (outside - score.found_s + score.both_s, outside),
        f"{rhythm} false episodes in 24 h": (score.found - score.right, score.total_s / 86400),
    }


def _figure(name: str, records: list[Counts]) -> Figure:
    counts = np.array([record.get(name, (0.0, 0.0)) for record in records], np.float64)
    root = name.endswith("squared error")
    gross = _values(counts.sum(axis=0)[None], root)[0]
    own = _values(counts, root)
    weights = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), N_DRAWS)
    drawn = _values(weights @ counts, root)
    drawn = drawn[np.isfinite(drawn)]
    low_high = None if not len(drawn) or np.isnan(gross) else np.percentile(drawn, (2.5, 97.5)).tolist()
    return Figure(
        name=name.replace("squared error", "rms error"),
        gross=_defined(gross),
        average=_defined(float(np.nanmean(own)) if np.isfinite(own).any() else float("nan")),
        interval=None if low_high is None else (low_high[0], low_high[1]),
        count=float(counts[:, 1].sum()),
    )


def _values(counts: NDArray[np.float64], root: bool) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.where(counts[:, 1] > 0, counts[:, 0] / counts[:, 1], np.nan)
    return np.sqrt(ratios) if root else ratios


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def low_prevalence(figures: Iterable[Figure]) -> float | None:
    """Return +P of V where only `LOW_PREVALENCE` of the beats are V, by the gross Se and FPR."""
    named = {figure.name: figure.gross for figure in figures}
    se, fpr = named.get("V Se"), named.get("V FPR")
    if se is None or fpr is None or not se + fpr:
        return None
    right = se * LOW_PREVALENCE
    return right / (right + fpr * (1 - LOW_PREVALENCE))


def _markdown(disclosure: Disclosure) -> Iterator[str]:
    yield f"{len(disclosure.records)} records. Gross, average over records, 95 % of bootstrap draws of whole records."
    for title, after in (("Whole records", False), (f"Without the first {LEARNING_S / 60:g} minutes", True)):
        figures = disclosure.figures(after_learning=after)
        yield from ("", f"## {title}", "", "| figure | gross | average | 95 % | of |", "|---|---|---|---|---|")
        yield from (_row(figure) for figure in figures)
        rare = low_prevalence(figures)
        if rare is not None:
            yield f"| V +P where {LOW_PREVALENCE:.1%} of beats are V | {100 * rare:.2f} | | | |"
    yield from ("", "## Record by record", "")
    columns = ("QRS Se", "QRS +P", "V Se", "V +P", "S Se", "S +P", "AF duration Se", "AF duration +P", "VF duration Se")
    yield "| record | " + " | ".join(columns) + " | heart rate, rms error |"
    yield "|---" * (len(columns) + 2) + "|"
    for name, counts in disclosure.records.items():
        cells = [_cell(counts, column) for column in (*columns, "heart rate, squared error")]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _cell(counts: Mapping[str, tuple[float, float]], name: str) -> str:
    figure = _figure(name, [dict(counts)])
    return "–" if figure.gross is None else _shown(figure.name, figure.gross)


def _row(figure: Figure) -> str:
    if figure.gross is None:
        return f"| {figure.name} | – | – | – | {figure.count:,.6g} |"
    low_high = "–" if figure.interval is None else " – ".join(_shown(figure.name, each) for each in figure.interval)
    average = "–" if figure.average is None else _shown(figure.name, figure.average)
    return f"| {figure.name} | {_shown(figure.name, figure.gross)} | {average} | {low_high} | {figure.count:,.6g} |"


def _shown(name: str, value: float) -> str:
    """Return shares in percent, rates and times as they are."""
    plain = name.endswith(("in 24 h", "to alarm", "error"))
    return f"{value:.2f}" if plain else f"{100 * value:.2f}"
