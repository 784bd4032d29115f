"""Beats that the atria sent and the ventricles did not answer: pauses of about two intervals, again and again."""

from __future__ import annotations

from collections import deque

from edge.messages import FS_HZ, Evidence, LabelledBeat
from edge.stages.rhythm.episodes import Episodes, seconds
from edge.stages.rhythm.rules import RhythmRules

_MINUTE = 60 * FS_HZ
_USUAL = 9
"""Intervals whose median is the usual one."""
_FEWEST = 5
_TWICE = (1.75, 2.15)
"""How long, in usual intervals, the interval of a dropped beat is; with Wenckebach's it is rather less than two."""
_EARLY = 0.85
"""Share of the usual interval below which a beat is early, and the pause after it is its own."""


class DroppedBeats:
    """`dropped_beats`: how many intervals of a minute were about twice the usual.

    In atrial fibrillation, where intervals are anything, nothing is said.

    Parameters
    ----------
    episodes : Episodes
        Where episodes are told.
    rules : RhythmRules
        Thresholds.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules) -> None:
        self._episodes = episodes
        self._per_min = rules.dropped_per_min
        self._rule: dict[str, float] = {"dropped_per_min": self._per_min}
        self._intervals: deque[int] = deque(maxlen=_USUAL)
        self._dropped: deque[int] = deque()
        self._before: LabelledBeat | None = None
        self._last_interval: int | None = None
        self._onset = self._last = 0

    def beat(self, beat: LabelledBeat, joined: bool) -> None:
        """Take the next beat."""
        before, self._before = self._before, beat
        if before is None or not joined or not before.label == beat.label == "N":
            self._last_interval = None
            return
        interval, last = beat.sample - before.sample, self._last_interval
        self._last_interval = interval
        usual = sorted(self._intervals)[len(self._intervals) // 2] if len(self._intervals) >= _FEWEST else None
        if usual is not None and _TWICE[0] * usual <= interval <= _TWICE[1] * usual:
            if last is not None and last > _EARLY * usual and "af" not in self._episodes:
                self._drop(before.sample, beat)
            return
        self._intervals.append(interval)

    def tick(self, now: int) -> None:
        """End what has not come again for a minute."""
        while self._dropped and self._dropped[0] <= now - _MINUTE:
            self._dropped.popleft()
        if "dropped_beats" in self._episodes and not self._dropped:
            self._episodes.close("dropped_beats", self._last, now, "rhythm changed")

    def lost(self, decided: int, why: str) -> None:
        """End what is running; forget the beats so far."""
        if "dropped_beats" in self._episodes:
            self._episodes.close("dropped_beats", self._last, decided, why)
        self._dropped.clear()
        self._intervals.clear()
        self._before = self._last_interval = None

    def _drop(self, since: int, beat: LabelledBeat) -> None:
        self._dropped.append(since)
        self._last = beat.sample
        while self._dropped[0] <= beat.sample - _MINUTE:
            self._dropped.popleft()
        if "dropped_beats" not in self._episodes and len(self._dropped) >= self._per_min:
            self._onset = self._dropped[0]
            self._episodes.open("dropped_beats", self._onset, beat.decided, self._evidence)

    def _evidence(self, _: int) -> Evidence:
        return Evidence(
            beats=len(self._dropped), window_s=60, duration_s=seconds(self._last - self._onset), rule=self._rule
        )
