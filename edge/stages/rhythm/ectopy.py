"""Single V beats: bigeminy, trigeminy and how many there are."""

from __future__ import annotations

from collections import deque

from edge.messages import FS_HZ, Evidence, LabelledBeat
from edge.stages.rhythm.episodes import Episodes, seconds
from edge.stages.rhythm.rules import RhythmRules

_MINUTE = 60 * FS_HZ
_FEWEST = 30
"""Beats in the last minute that make a percentage; of fewer, a couple of V beats would be a quarter."""


class Pattern:
    """`bigeminy` or `trigeminy`: every second or third beat is V, those between are N or S.

    The onset is the first V beat in step, the end the last one. A running pattern ends when for `pattern_end_beats` no
    V beat came in step, so one beat out of step does not end it.

    Parameters
    ----------
    episodes : Episodes
        Where episodes are told.
    rules : RhythmRules
        Thresholds.
    kind : str
        `bigeminy` or `trigeminy`.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules, kind: str) -> None:
        self._episodes = episodes
        self._kind = kind
        self._step = {"bigeminy": 2, "trigeminy": 3}[kind]
        self._cycles, self._patience = rules.pattern_cycles, rules.pattern_end_beats
        self._rule: dict[str, float] = {"pattern_cycles": self._cycles, "pattern_end_beats": self._patience}
        self._first = self._last = self._count = 0  # of the episode: its V beats
        self._chain = self._chain_first = 0  # V beats in step, one after the other
        self._idle = 0  # beats since a V in step
        self._since = self._step  # N and S beats since the last V; so many that nothing is in step

    def beat(self, beat: LabelledBeat, joined: bool) -> None:
        """Take the next beat."""
        if not joined:
            self.lost(beat.decided, "signal")
        self._idle += 1
        if beat.label == "V":
            self._ectopic(beat)
        elif beat.label in ("N", "S"):
            self._since += 1
        else:
            self._since = self._step  # nothing after this beat is in step with what was before
        if self._kind in self._episodes and self._idle >= self._patience:
            self._episodes.close(self._kind, self._last, beat.decided, "rhythm changed")

    def tick(self, now: int) -> None:
        """Nothing happens between beats."""

    def lost(self, decided: int, why: str) -> None:
        """End what is running; forget the beats so far."""
        if self._kind in self._episodes:
            self._episodes.close(self._kind, self._last, decided, why)
        self._chain, self._since = 0, self._step

    def _ectopic(self, beat: LabelledBeat) -> None:
        in_step = self._since == self._step - 1
        self._since = 0
        if not in_step:
            self._chain, self._chain_first = 1, beat.sample
            return
        self._chain += 1
        self._idle = 0
        if self._kind in self._episodes:
            self._last, self._count = beat.sample, self._count + 1
        elif self._chain >= self._cycles:
            self._first, self._last, self._count = self._chain_first, beat.sample, self._chain
            self._episodes.open(self._kind, self._first, beat.decided, self._evidence)

    def _evidence(self, _: int) -> Evidence:
        return Evidence(v_beats=self._count, duration_s=seconds(self._last - self._first), rule=self._rule)


class Burden:
    """`ventricular_burden`: how many V beats there were in the last minute, judged once a second.

    All V beats count, single or not; Q beats are left out. It ends when both the count and the share are down to half
    their thresholds.

    Parameters
    ----------
    episodes : Episodes
        Where episodes are told.
    rules : RhythmRules
        Thresholds.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules) -> None:
        self._episodes = episodes
        self._per_min, self._percent = rules.burden_per_min, rules.burden_percent
        self._rule: dict[str, float] = {"burden_per_min": self._per_min, "burden_percent": self._percent}
        self._beats: deque[LabelledBeat] = deque()
        self._ventricular: deque[int] = deque()
        self._onset = self._last = 0

    def beat(self, beat: LabelledBeat, _joined: bool, /) -> None:
        """Take the next beat."""
        if beat.label != "Q":
            self._beats.append(beat)
        if beat.label == "V":
            self._ventricular.append(beat.sample)
            self._last = beat.sample

    def tick(self, now: int) -> None:
        """Judge the minute that ends here."""
        while self._beats and self._beats[0].sample <= now - _MINUTE:
            if self._beats.popleft().label == "V":
                self._ventricular.popleft()
        count, share = len(self._ventricular), self._share()
        if "ventricular_burden" in self._episodes:
            if count <= self._per_min / 2 and share <= self._percent / 2:
                self._episodes.close("ventricular_burden", self._last, now, "rhythm changed")
        elif count >= self._per_min or share >= self._percent:
            self._onset = self._ventricular[0]
            self._episodes.open("ventricular_burden", self._onset, now, self._evidence)

    def lost(self, decided: int, why: str) -> None:
        """End what is running; forget the beats so far."""
        if "ventricular_burden" in self._episodes:
            self._episodes.close("ventricular_burden", self._last, decided, why)
        self._beats.clear()
        self._ventricular.clear()

    def _share(self) -> float:
        beats = len(self._beats)
        return 100 * len(self._ventricular) / beats if beats >= _FEWEST else 0.0

    def _evidence(self, _: int) -> Evidence:
        return Evidence(
            v_beats=len(self._ventricular),
            beats=len(self._beats),
            percent=round(100 * len(self._ventricular) / max(len(self._beats), 1), 1),
            window_s=60,
            duration_s=seconds(self._last - self._onset),
            rule=self._rule,
        )
