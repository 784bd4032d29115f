"""What a replay found, counted as it goes by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from edge.messages import Alert, Episode, Event, LabelledBeat, Stream, Vitals
from edge.sinks.payloads import ModelInfo

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
    notes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


class Tally:
    """Counts the events of one stream.

    Parameters
    ----------
    stream : Stream
        Whose events they are.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.beats: Counter[str] = Counter(dict.fromkeys(LABELS, 0))
        self.episodes: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()
        self.unreadable_s = 0
        self._seconds = 0
        self._rr_ms: list[float] = []
        self._hr_bpm: list[float] = []
        self._beat_delays: list[int] = []
        self._alert_delays: list[int] = []

    def add(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case LabelledBeat():
                self.beats[event.label] += 1
                self._beat_delays.append(event.decided - event.sample)
                if event.rr_ms is not None:
                    self._rr_ms.append(event.rr_ms)
            case Vitals():
                self._seconds += 1
                self.unreadable_s += not any(state in ("good", "noisy") for state in event.leads)
                if event.hr_bpm is not None:
                    self._hr_bpm.append(event.hr_bpm)
            case Episode(phase="onset"):
                self.episodes[event.kind] += 1
            case Alert(phase="onset"):
                self.alerts[event.kind] += 1
                self._alert_delays.append(event.decided - event.onset)
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
            rr_ms=_spread(self._rr_ms),
            hr_bpm=_spread(self._hr_bpm),
            unreadable_s=self.unreadable_s,
            episodes=dict(self.episodes.most_common()),
            alerts=dict(self.alerts.most_common()),
            beat_latency_ms=self._latency(self._beat_delays),
            alert_latency_ms=self._latency(self._alert_delays),
            notes=stream.notes,
        )

    def _latency(self, delays: Sequence[int]) -> Latency | None:
        if not delays:
            return None
        p50, p95, p99 = np.percentile(delays, (50, 95, 99)) * 1000 / self._stream.fs_hz
        return Latency(p50=round(float(p50), 1), p95=round(float(p95), 1), p99=round(float(p99), 1))


def _spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    mean, sd = float(np.mean(values)), float(np.std(values))
    return Spread(mean=round(mean, 1), sd=round(sd, 1), min=round(min(values), 1), max=round(max(values), 1))
