"""What a replay found, counted as it goes by, in room that does not grow with time."""

from __future__ import annotations

import math
from collections import Counter

import msgspec
import numpy as np

from edge.contract.payloads import ModelInfo
from edge.messages import Alert, Episode, Event, LabelledBeat, Stream, Vitals

LABELS = ("N", "S", "V", "F", "Q")


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Mean, standard deviation and extremes of some values."""

    mean: float
    sd: float
    min: float
    max: float


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """From the sample something happened at to the sample it was decided at, in ms of ECG time."""

    p50: float
    p95: float
    p99: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One record's replay; the object `replay --json` prints.

    Attributes
    ----------
    record : str
        Its name.
    leads, fs_hz : tuple of str, float
        What the source says of itself.
    ecg_s, elapsed_s, speed : float
        Seconds of ECG, seconds taken from the first sample to the last result delivered, and their ratio.
    beats : dict
        Count by AAMI class.
    rr_ms, hr_bpm : Spread or None
        RR intervals, and the rate told once a second.
    unreadable_s : int
        Seconds in which no lead could be read.
    episodes, alerts : dict
        Count by kind.
    beat_latency_ms, alert_latency_ms : Latency or None
        From R peak to class, from an episode's onset to its alert.
    model, runtime : ModelInfo, str
        What classified the beats.
    written : tuple of str
        Files and brokers that have all results.
    undelivered : tuple of str
        What of this had not arrived when the stream ended, and where it is kept.
    notes, errors : tuple of str
        What a reader should know, and what went wrong.
    """

    record: str
    leads: tuple[str, ...] = ()
    fs_hz: float | None = None
    ecg_s: float = 0.0
    elapsed_s: float = 0.0
    speed: float | None = None
    beats: dict[str, int] = {}
    rr_ms: Spread | None = None
    hr_bpm: Spread | None = None
    unreadable_s: int = 0
    episodes: dict[str, int] = {}
    alerts: dict[str, int] = {}
    beat_latency_ms: Latency | None = None
    alert_latency_ms: Latency | None = None
    model: ModelInfo | None = None
    runtime: str | None = None
    written: tuple[str, ...] = ()
    undelivered: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether something went wrong, or has not arrived."""
        return bool(self.errors or self.undelivered)


class Tally:
    """Counts the events of one stream.

    Parameters
    ----------
    stream : Stream
        Whose events they are.

    Attributes
    ----------
    beats, episodes, alerts : Counter of str
        By AAMI class, and by kind.
    unreadable_s : int
        Seconds in which no lead could be read.
    hr_bpm : float or None
        The rate of the last second, if there was one.
    last_alert : Alert or None
        Onset of the last alert.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.beats: Counter[str] = Counter(dict.fromkeys(LABELS, 0))
        self.episodes: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()
        self.unreadable_s = 0
        self.hr_bpm: float | None = None
        self.last_alert: Alert | None = None
        self._seconds = 0
        self._rr_ms = _Moments()
        self._hr_bpm = _Moments()
        # In samples: there are no more different ones than the longest has samples.
        self._beat_delays: Counter[int] = Counter()
        self._alert_delays: Counter[int] = Counter()

    def add(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case LabelledBeat():
                self.beats[event.label] += 1
                self._beat_delays[event.decided - event.sample] += 1
                if event.rr_ms is not None:
                    self._rr_ms.add(event.rr_ms)
            case Vitals():
                self._seconds += 1
                self.unreadable_s += not any(state in ("good", "noisy") for state in event.leads)
                self.hr_bpm = event.hr_bpm
                if event.hr_bpm is not None:
                    self._hr_bpm.add(event.hr_bpm)
            case Episode(phase="onset"):
                self.episodes[event.kind] += 1
            case Alert(phase="onset"):
                self.alerts[event.kind] += 1
                self.last_alert = event
                self._alert_delays[event.decided - event.onset] += 1
            case _:
                pass

    @property
    def nothing_readable(self) -> bool:
        """Whether there was signal, but in no second a lead that could be read."""
        return 0 < self._seconds == self.unreadable_s

    def summary(self, n_samples: int, elapsed_s: float) -> Summary:
        """Return what was counted.

        Parameters
        ----------
        n_samples : int
            Samples there were.
        elapsed_s : float
            Seconds taken.
        """
        stream = self._stream
        ecg_s = n_samples / stream.fs_hz
        return Summary(
            record=stream.name,
            leads=stream.leads,
            fs_hz=stream.fs_hz,
            ecg_s=round(ecg_s, 3),
            elapsed_s=round(elapsed_s, 3),
            speed=round(ecg_s / elapsed_s, 1) if elapsed_s > 0 else None,
            beats=dict(self.beats),
            rr_ms=self._rr_ms.spread(),
            hr_bpm=self._hr_bpm.spread(),
            unreadable_s=self.unreadable_s,
            episodes=dict(self.episodes.most_common()),
            alerts=dict(self.alerts.most_common()),
            beat_latency_ms=self._latency(self._beat_delays),
            alert_latency_ms=self._latency(self._alert_delays),
            notes=stream.notes,
        )

    def _latency(self, delays: Counter[int]) -> Latency | None:
        if not delays:
            return None
        p50, p95, p99 = (round(percentile(delays, q) * 1000 / self._stream.fs_hz, 1) for q in (50, 95, 99))
        return Latency(p50=p50, p95=p95, p99=p99)


class _Moments:
    """Mean, deviation and extremes of values that are not kept.

    Sums are taken of the distance to the first value, which costs no precision however many there are.
    """

    def __init__(self) -> None:
        self._n = 0
        self._first = self._sum = self._squares = 0.0
        self._min, self._max = float("inf"), -float("inf")

    def add(self, value: float) -> None:
        if not self._n:
            self._first = value
        distance = value - self._first
        self._n += 1
        self._sum += distance
        self._squares += distance * distance
        self._min, self._max = min(self._min, value), max(self._max, value)

    def spread(self) -> Spread | None:
        if not self._n:
            return None
        mean = self._sum / self._n
        sd = math.sqrt(max(self._squares / self._n - mean * mean, 0.0))
        return Spread(
            mean=round(self._first + mean, 1), sd=round(sd, 1), min=round(self._min, 1), max=round(self._max, 1)
        )


def percentile(counts: Counter[int], q: float) -> float:
    """Return a percentile of counted values, linear between neighbours as `numpy.percentile` has it.

    Parameters
    ----------
    counts : Counter of int
        How often each value occurred; not empty.
    q : float
        0 to 100.
    """
    values = sorted(counts)
    reached = np.cumsum([counts[value] for value in values])
    at = q / 100 * (int(reached[-1]) - 1)
    below, above = (
        values[int(np.searchsorted(reached, rank, side="right"))] for rank in (math.floor(at), math.ceil(at))
    )
    return below + (above - below) * (at - math.floor(at))
