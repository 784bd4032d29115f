"""Heart rate, bradycardia and tachycardia."""

from __future__ import annotations

from collections import deque
from operator import sub

from edge.messages import FS_HZ, Evidence, LabelledBeat
from edge.stages.rhythm.episodes import Episodes, per_min, seconds
from edge.stages.rhythm.rules import RhythmRules

_MINUTE = 60 * FS_HZ
_FEWEST = 2
"""RR intervals that make a heart rate; one alone may be a mistaken beat."""


class HeartRate:
    """Mean rate over the RR intervals that ended within a window.

    Every QRS counts, whatever its label. An interval counts only if the signal could be read all through it.

    Parameters
    ----------
    window_s : float
        Length of the window.
    """

    def __init__(self, window_s: float) -> None:
        self._window = round(window_s * FS_HZ)
        self._intervals: deque[tuple[int, int]] = deque()
        self._sum = 0
        self._last: int | None = None

    def beat(self, beat: LabelledBeat, joined: bool) -> None:
        """Take the next beat."""
        if joined and self._last is not None and beat.sample > self._last:
            self._intervals.append((beat.sample, beat.sample - self._last))
            self._sum += beat.sample - self._last
        self._last = beat.sample

    def lost(self) -> None:
        """Forget everything."""
        self._intervals.clear()
        self._sum = 0
        self._last = None

    def at(self, now: int) -> float | None:
        """Return the rate in 1/min, None if there are not enough intervals."""
        intervals = self._intervals
        while intervals and intervals[0][0] <= now - self._window:
            self._sum -= intervals.popleft()[1]
        return per_min(self._sum / len(intervals)) if len(intervals) >= _FEWEST else None


class RateTracker:
    """Bradycardia or tachycardia: the rate over a number of beats beyond a threshold.

    The rate is that of the median RR interval, so that one pause, or one beat missed or found too many, does not make
    an episode. A beat too noisy to label (Q), or signal that cannot be read, starts the count anew. An episode's end is
    the last beat at which the threshold was still passed.

    Parameters
    ----------
    episodes : Episodes
        Where episodes are told.
    rules : RhythmRules
        Thresholds.
    kind : str
        `bradycardia` or `tachycardia`, or one of them that is extreme.
    beyond : str
        The extreme kind, which takes the place of this one while it lasts.
    within : str
        The kind whose place this extreme one takes.
    """

    def __init__(
        self, episodes: Episodes, rules: RhythmRules, kind: str, *, beyond: str = "", within: str = ""
    ) -> None:
        self._episodes = episodes
        self._kind = kind
        self._beyond, self._within = beyond, within
        self._slow = kind.endswith("bradycardia")
        self._bpm: float = getattr(rules, f"{kind}_bpm")
        self._leave = self._bpm + (rules.rate_hysteresis_bpm if self._slow else -rules.rate_hysteresis_bpm)
        n_beats: int = getattr(rules, f"{kind}_beats")
        self._beats: deque[tuple[int, float]] = deque(maxlen=n_beats)
        self._suspend = round(rules.suspend_s * FS_HZ)
        self._rule: dict[str, float] = {f"{kind}_bpm": self._bpm, f"{kind}_beats": n_beats}
        self._onset = self._end = self._judged = self._count = self._seen = 0
        self._median = 1.0

    def beat(self, beat: LabelledBeat, joined: bool) -> None:
        """Take the next beat."""
        if not joined or beat.label == "Q":
            self._beats.clear()
        if beat.label != "Q":
            self._beats.append((beat.sample, beat.score))
            self._seen += 1
        if len(self._beats) == self._beats.maxlen:
            self._judge(beat, self._kind in self._episodes)

    def tick(self, now: int) -> None:
        """End an episode that could not be judged for long."""
        if self._kind in self._episodes and now - self._judged > self._suspend:
            self.lost(now, "signal")

    def lost(self, decided: int, why: str) -> None:
        """End what is running; forget the beats so far."""
        if self._kind in self._episodes:
            self._episodes.close(self._kind, self._end, decided, why)
        self._beats.clear()

    def _judge(self, beat: LabelledBeat, running: bool) -> None:
        samples = [sample for sample, _ in self._beats]
        intervals = sorted(map(sub, samples[1:], samples))
        half = len(intervals) // 2
        median = (intervals[half] + intervals[~half]) / 2
        self._judged = beat.decided
        if self._beyond in self._episodes:
            return
        met = median * self._bpm > _MINUTE if self._slow else median * self._bpm < _MINUTE
        if met:
            if not running:
                self._onset, self._seen = samples[0], len(samples)
            self._median, self._end, self._count = median, beat.sample, self._seen
            if not running:
                if self._within in self._episodes:
                    self._episodes.close(self._within, samples[0], beat.decided, self._kind)
                self._episodes.open(self._kind, samples[0], beat.decided, self._evidence)
        elif running and (median * self._leave <= _MINUTE if self._slow else median * self._leave >= _MINUTE):
            self._episodes.close(self._kind, self._end, beat.decided, "rhythm changed")

    def _evidence(self, _: int) -> Evidence:
        return Evidence(
            rate_per_min=per_min(self._median),
            beats=self._count,
            duration_s=seconds(self._end - self._onset),
            mean_score=round(sum(score for _, score in self._beats) / max(len(self._beats), 1), 3),
            rule=self._rule,
        )
