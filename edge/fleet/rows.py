"""The events of one record as rows of the tables."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pyarrow as pa

from edge import __version__
from edge.contract.payloads import ModelInfo
from edge.errors import one_line
from edge.fleet.schema import BEATS, EPISODES, SUMMARY, TABLES, VITALS
from edge.messages import Episode, LabelledBeat, Message, Samples, Stream, Vitals
from edge.service.summary import LABELS, Tally


class _Minute:
    """What is kept of one minute."""

    def __init__(self) -> None:
        self.seconds = self.readable_s = 0
        self.hr: list[float] = []
        self.beats: Counter[str] = Counter()


class Rows:
    """Collects what is found in one record.

    Parameters
    ----------
    where : str
        The record's location, which is its name in all tables.
    stream : Stream
        What its source says of it.
    model : ModelInfo
        What classifies its beats.

    Attributes
    ----------
    n_samples : int
        Samples so far.
    """

    def __init__(self, where: str, stream: Stream, model: ModelInfo) -> None:
        self._where, self._stream, self._model = where, stream, model
        self._tally = Tally(stream)
        self._beats: list[LabelledBeat] = []
        self._episodes: dict[int, Episode] = {}
        self._minutes: dict[int, _Minute] = {}
        self.n_samples = 0

    @property
    def nothing_readable(self) -> bool:
        """Whether there was signal, but in no second a lead that could be read."""
        return self._tally.nothing_readable

    @property
    def beats(self) -> list[LabelledBeat]:
        """The beats so far."""
        return self._beats

    @property
    def episodes(self) -> list[Episode]:
        """The episodes so far, each in its newest phase."""
        return list(self._episodes.values())

    def add(self, message: Message) -> None:
        """Take in an event, or the news of how far the samples go."""
        match message:
            case Samples():
                self.n_samples = message.end
                return
            case LabelledBeat():
                self._beats.append(message)
                self._minute(message.sample).beats[message.label] += 1
            case Vitals():
                minute = self._minute(message.sample)
                minute.seconds += 1
                minute.readable_s += any(state in ("good", "noisy") for state in message.leads)
                if message.hr_bpm is not None:
                    minute.hr.append(message.hr_bpm)
            case Episode():
                self._episodes[message.number] = message
        if not isinstance(message, Stream):
            self._tally.add(message)  # type: ignore[arg-type]  # a source that is a file says nothing else

    def _minute(self, sample: int) -> _Minute:
        return self._minutes.setdefault(int(sample / self._stream.fs_hz // 60), _Minute())

    def tables(self, status: str, reason: str | None) -> dict[str, pa.RecordBatch]:
        """Return the rows of every table."""
        return {
            "beats": self._beat_rows(),
            "episodes": self._episode_rows(),
            "vitals": self._vitals_rows(),
            "summary": self._summary(status, reason),
        }

    def _beat_rows(self) -> pa.RecordBatch:
        beats, fs_hz = self._beats, self._stream.fs_hz
        columns = (
            [beat.sample for beat in beats],
            [beat.sample / fs_hz for beat in beats],
            [beat.label for beat in beats],
            [beat.score for beat in beats],
            [beat.rr_ms for beat in beats],
        )
        return _batch(BEATS, self._where, columns)

    def _episode_rows(self) -> pa.RecordBatch:
        episodes, fs_hz = self.episodes, self._stream.fs_hz
        columns = (
            [episode.number for episode in episodes],
            [episode.kind for episode in episodes],
            [episode.onset for episode in episodes],
            [episode.end for episode in episodes],
            [episode.onset / fs_hz for episode in episodes],
            [None if episode.end is None else episode.end / fs_hz for episode in episodes],
            [msgspec.json.encode(episode.evidence).decode() for episode in episodes],
        )
        return _batch(EPISODES, self._where, columns)

    def _vitals_rows(self) -> pa.RecordBatch:
        minutes = [self._minutes[number] for number in sorted(self._minutes)]
        columns = (
            sorted(self._minutes),
            [minute.seconds for minute in minutes],
            [minute.readable_s for minute in minutes],
            [sum(minute.hr) / len(minute.hr) if minute.hr else None for minute in minutes],
            [min(minute.hr, default=None) for minute in minutes],
            [max(minute.hr, default=None) for minute in minutes],
            *([minute.beats[label] for minute in minutes] for label in LABELS),
        )
        return _batch(VITALS, self._where, columns)

    def _summary(self, status: str, reason: str | None) -> pa.RecordBatch:
        found = self._tally.summary(self.n_samples, 0.0)
        hr, rr = found.hr_bpm, found.rr_ms
        row: dict[str, Any] = {
            "name": found.record,
            "fs_hz": found.fs_hz,
            "leads": list(found.leads),
            "ecg_s": found.ecg_s,
            "unreadable_s": found.unreadable_s,
            "hr_mean": hr and hr.mean,
            "hr_min": hr and hr.min,
            "hr_max": hr and hr.max,
            "rr_mean_ms": rr and rr.mean,
            "rr_sd_ms": rr and rr.sd,
            **found.beats,
            "episodes": sorted(found.episodes.items()),
            "alerts": sorted(found.alerts.items()),
            "notes": [one_line(note) for note in found.notes],
        }
        return _summary_row(self._where, status, reason, self._model, row)


def failed(where: str, name: str, reason: str, model: ModelInfo) -> dict[str, pa.RecordBatch]:
    """Return the tables of a record of which nothing could be read: one row that says why."""
    empty = {name: _batch(schema, where, [[]] * (len(schema) - 1)) for name, schema in TABLES.items()}
    return empty | {"summary": _summary_row(where, "failed", reason, model, {"name": name})}


def _summary_row(where: str, status: str, reason: str | None, model: ModelInfo, row: dict[str, Any]) -> pa.RecordBatch:
    told = {"status": status, "reason": reason and one_line(reason)}
    made_by = {"model": model.name, "model_sha256": model.sha256, "version": __version__}
    row = {key: _named(value) if isinstance(value, str) else value for key, value in (row | told | made_by).items()}
    return _batch(SUMMARY, where, [[row.get(name)] for name in SUMMARY.names[1:]])


def _batch(schema: pa.Schema, where: str, columns: Any) -> pa.RecordBatch:
    """Return rows of which the first column says the record."""
    types = schema.types[1:]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.record_batch([pa.repeat(_named(where), len(arrays[0])), *arrays], schema=schema)


def _named(name: str) -> str:
    """Return a name as tables can hold it: what is no text in it, as names of files may have, is its bytes."""
    return "".join(f"\\x{ord(c) & 0xFF:02x}" if "\ud800" <= c <= "\udfff" else c for c in name)
