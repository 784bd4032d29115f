"""Takes what the analysis of one stream yields; says what was found. No I/O, and memory that does not grow with time.

Beats are kept up to `MAX_BEATS` and episodes up to `MAX_EPISODES`, enough for weeks; of more only the number is told.
"""

from __future__ import annotations

from array import array
from collections import Counter

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from edge import __version__
from edge.contract.payloads import ModelInfo
from edge.findings import limits, words
from edge.findings.arrays import BEAT
from edge.findings.averages import SEGMENT_S, Averages
from edge.findings.conduction import conduction, intervals, measure
from edge.findings.findings import (
    Burden,
    EpisodeFinding,
    Findings,
    Readable,
    Spread,
    Subject,
)
from edge.findings.gallery import Gallery
from edge.findings.rate import RateOverTime
from edge.findings.rhythm import rhythm_of, seconds_in
from edge.findings.variability import variability
from edge.kinds import KINDS, title
from edge.messages import (
    Alert,
    Episode,
    Gap,
    LabelledBeat,
    LeadState,
    Message,
    Priority,
    Quality,
    Samples,
    Stream,
    Vitals,
)

LABELS = "NSVFQ"
MAX_BEATS = 3_000_000
"""A month at 70/min; 17 bytes each."""
MAX_EPISODES = 20_000
MAX_STRETCHES = 5_000

_FIBRILLATION = frozenset({"af"})


class Collector:
    """Collects the findings of one stream.

    Parameters
    ----------
    model : ModelInfo
        What classifies the beats.

    Examples
    --------
    >>> from edge.messages import Stream
    >>> from datetime import datetime, UTC
    >>> collector = Collector(ModelInfo(name="cnn", sha256="0" * 64))
    >>> collector.take(Stream(name="bed-3", fs_hz=250, leads=("II",), start_time=datetime.now(UTC)))
    >>> collector.findings().burden.beats
    0
    """

    def __init__(self, model: ModelInfo) -> None:
        self._model = model
        self._stream: Stream | None = None

    def take(self, message: Message) -> None:
        """Take the stream first, then its events and samples in the order of the analysis.

        Raises
        ------
        ValueError
            If something comes before the stream, or a second stream.
        """
        if isinstance(message, Stream):
            if self._stream is not None:
                raise ValueError("findings are of one stream: make a new collector for the next")
            self._begin(message)
        elif self._stream is None:
            raise ValueError("findings begin with their stream")
        else:
            self._add(message)

    def _begin(self, stream: Stream) -> None:
        self._stream = stream
        self._n = 0
        self._samples, self._labels, self._scores, self._rr = array("q"), bytearray(), array("f"), array("f")
        self._counts: Counter[str] = Counter(dict.fromkeys(LABELS, 0))
        self._episodes: dict[int, EpisodeFinding] = {}
        self._episode_counts: Counter[str] = Counter()
        self._alert_counts: Counter[str] = Counter()
        self._rate = RateOverTime()
        self._gallery = Gallery(stream.fs_hz, stream.leads)
        self._averages = Averages(stream.fs_hz, stream.leads)
        self._leads: tuple[Counter[LeadState], ...] = tuple(Counter() for _ in stream.leads)
        self._seconds = self._unreadable = self._lost = 0
        self._stretches: list[list[int]] = []

    def _add(self, message: Message) -> None:
        match message:
            case Samples():
                self._n = max(self._n, message.end)
                self._gallery.samples(message)
                self._averages.samples(self._gallery.memory)
            case LabelledBeat():
                self._on_beat(message)
            case Vitals():
                self._rate.add(round(message.sample / self._fs_hz) - 1, message.hr_bpm)
            case Quality():
                self._on_quality(message)
            case Gap():
                self._on_gap(message)
            case Episode():
                self._on_episode(message)
            case Alert(phase="onset"):
                self._alert_counts[message.kind] += 1
            case _:
                pass

    @property
    def _fs_hz(self) -> float:
        assert self._stream is not None  # noqa: S101  # nothing is taken before
        return self._stream.fs_hz

    def _on_beat(self, beat: LabelledBeat) -> None:
        self._counts[beat.label] += 1
        self._gallery.beat(beat.sample, beat.label, beat.rr_ms)
        self._averages.beat(beat.sample, beat.label, beat.rr_ms)
        if len(self._samples) < MAX_BEATS:
            self._samples.append(beat.sample)
            self._labels.append(ord(beat.label))
            self._scores.append(beat.score)
            self._rr.append(float("nan") if beat.rr_ms is None else beat.rr_ms)

    def _on_quality(self, quality: Quality) -> None:
        self._seconds += 1
        for lead, state in zip(self._leads, quality.leads, strict=True):
            lead[state] += 1
        if not quality.usable:
            self._unreadable += quality.n
            self._stretch(quality.start, quality.n)
        self._gallery.quality(quality)

    def _on_gap(self, gap: Gap) -> None:
        self._n = max(self._n, gap.start + gap.n)
        self._lost += gap.n
        if not gap.bridged:
            self._stretch(gap.start, gap.n)

    def _stretch(self, start: int, n: int) -> None:
        if self._stretches and start <= self._stretches[-1][1]:
            self._stretches[-1][1] = max(self._stretches[-1][1], start + n)
        elif len(self._stretches) < MAX_STRETCHES:
            self._stretches.append([start, start + n])

    def _on_episode(self, episode: Episode) -> None:
        if episode.phase == "onset":
            self._episode_counts[episode.kind] += 1
            if len(self._episodes) < MAX_EPISODES:
                self._gallery.episode(episode)
        elif episode.number not in self._episodes:
            return
        if episode.number in self._episodes or len(self._episodes) < MAX_EPISODES:
            self._episodes[episode.number] = found = self._found(episode)
            if episode.phase == "end":
                self._gallery.ended(found)

    def _found(self, episode: Episode) -> EpisodeFinding:
        kind = KINDS.get(episode.kind)
        priority: Priority = kind.priority if kind else "low"
        end = episode.end if episode.end is not None else max(min(episode.decided, self._n), episode.onset)
        return EpisodeFinding(
            number=episode.number,
            kind=episode.kind,
            title=title(episode.kind),
            priority=priority,
            onset=episode.onset,
            end=end,
            onset_s=round(episode.onset / self._fs_hz, 3),
            duration_s=round((end - episode.onset) / self._fs_hz, 3),
            lasting=episode.phase != "end",
            evidence=episode.evidence,
        )

    def findings(self) -> Findings:
        """Return what was found so far.

        Raises
        ------
        ValueError
            If there was no stream.
        """
        if self._stream is None:
            raise ValueError("findings begin with their stream")
        stream, duration_s = self._stream, self._n / self._fs_hz
        self._averages.samples(self._gallery.memory, final=True)
        measured = measure(self._averages.all, self._averages.leads, stream.fs_hz)
        beats, rate = self._beats(), self._rate.rate()
        episodes = self._until_the_end()
        readable = self._readable(duration_s)
        rhythm = rhythm_of(episodes, readable.stretches, duration_s)
        fibrillation_s = seconds_in(rhythm, _FIBRILLATION)
        found = Findings(
            made_by=f"ecg-edge {__version__}",
            model=self._model,
            subject=Subject(
                name=stream.name,
                fs_hz=stream.fs_hz,
                leads=stream.leads,
                start_time=stream.start_time if stream.dated else None,
                n_samples=self._n,
                duration_s=round(duration_s, 3),
                notes=stream.notes,
            ),
            heart_rate=rate,
            rhythm=rhythm,
            beats=beats,
            burden=self._burden(duration_s),
            episodes=episodes,
            episode_counts=dict(self._episode_counts.most_common()),
            alert_counts=dict(self._alert_counts.most_common()),
            rr_ms=_spread(beats["rr_ms"]),
            intervals=intervals(measured, stream.fs_hz),
            conduction=conduction(measured, SEGMENT_S),
            hrv=variability(beats, duration_s, fibrillation_s),
            readable=readable,
            strips=tuple(self._gallery.strips(rate.overall.median if rate.overall else None)),
            cannot_tell=(),
        )
        found = replace(found, cannot_tell=limits.of(found, kept_all=self._counts.total() == len(beats)))
        return replace(found, sentences=words.sentences(found))

    def _beats(self) -> NDArray[np.void]:
        beats = np.zeros(len(self._samples), BEAT)
        beats["sample"] = self._samples
        beats["time_s"] = beats["sample"] / self._fs_hz
        beats["label"] = np.frombuffer(bytes(self._labels), "S1").astype("U1") if self._labels else []
        beats["score"], beats["rr_ms"] = self._scores, self._rr
        return beats

    def _until_the_end(self) -> tuple[EpisodeFinding, ...]:
        """Return the episodes; those that still last, do so until the last sample."""
        last = max(self._n - 1, 0)
        return tuple(
            replace(e, end=max(last, e.onset), duration_s=round(max(last - e.onset, 0) / self._fs_hz, 3))
            if e.lasting
            else e
            for e in sorted(self._episodes.values(), key=lambda e: (e.onset, e.number))
        )

    def _burden(self, duration_s: float) -> Burden:
        called = self._counts.total() - self._counts["Q"]
        hours = (duration_s - self._unreadable / self._fs_hz - self._lost / self._fs_hz) / 3600
        by_class = {label: self._counts[label] for label in LABELS}
        return Burden(
            beats=self._counts.total(),
            by_class=by_class,
            percent={k: round(100 * n / called, 2) for k, n in by_class.items() if k != "Q"} if called else {},
            per_hour={k: round(n / hours, 1) for k, n in by_class.items()} if hours > 0 else {},
        )

    def _readable(self, duration_s: float) -> Readable:
        assert self._stream is not None  # noqa: S101
        unreadable_s, lost_s = self._unreadable / self._fs_hz, self._lost / self._fs_hz
        share = 1 - (unreadable_s + lost_s) / duration_s if self._seconds and duration_s else None
        return Readable(
            percent=None if share is None else round(100 * min(max(share, 0.0), 1.0), 1),
            unreadable_s=round(unreadable_s, 1),
            lost_s=round(lost_s, 1),
            leads={name: dict(states) for name, states in zip(self._stream.leads, self._leads, strict=True)},
            stretches=tuple((round(a / self._fs_hz, 3), round(b / self._fs_hz, 3)) for a, b in self._stretches),
        )


def _spread(values: NDArray[np.float32]) -> Spread | None:
    there = values[np.isfinite(values)].astype(np.float64)
    if not len(there):
        return None
    mean, median, sd, least, most = (
        round(float(v), 1) for v in (there.mean(), np.median(there), there.std(), there.min(), there.max())
    )
    return Spread(n=len(there), mean=mean, median=median, sd=sd, min=least, max=most)
