"""Atrial fibrillation as an episode: slowly, so that a healthy heart is seldom said to have it."""

from __future__ import annotations

import math
from collections import deque

from edge.messages import FS_HZ, Evidence, LabelledBeat, Likelihood
from edge.stages.rhythm.episodes import Episodes, seconds
from edge.stages.rhythm.rules import RhythmRules

_MEMORY = 6
"""Judgements over which the log odds are averaged, exponentially: half a minute or so."""
_LIMIT = 5.0
"""Log odds beyond which a judgement is not more certain."""
_LOOK_BACK = 16
"""How many judgements an onset or an end is looked for in."""
_FILLED = 3
"""Judgements before the first that says so at which it began or ended: till then the other rhythm filled the window."""


class AtrialFibrillation:
    """`af`: on and off by the average of the atria's judgements.

    Short losses of the signal do not end it, since nothing is known of them; what cannot be judged for
    `af_suspend_s` does.

    Parameters
    ----------
    episodes : Episodes
        Where episodes are told.
    rules : RhythmRules
        Thresholds.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules) -> None:
        self._episodes = episodes
        self._on, self._off = (math.log(p / (1 - p)) for p in (rules.af_score, rules.af_end_score))
        self._suspend = round(rules.af_suspend_s * FS_HZ)
        self._rule: dict[str, float] = {"af_score": rules.af_score, "af_end_score": rules.af_end_score}
        self._onset = self._beats = 0
        self._last = self._judged = 0
        self._over = 0  # end of the episode before
        self._first: int | None = None
        self._forget()

    def beat(self, beat: LabelledBeat, _joined: bool, /) -> None:
        """Take the next beat."""
        if self._first is None:
            self._first = beat.sample
        self._last = beat.sample
        self._beats += 1

    def judge(self, likelihood: Likelihood) -> None:
        """Take the next judgement."""
        if likelihood.whole:
            if likelihood.log_odds > 0 and "af" not in self._episodes and self._first is not None:
                self._onset, self._average = self._first, likelihood.log_odds
                self._episodes.open("af", self._onset, likelihood.decided, self._evidence)
            return
        self._judged = likelihood.decided
        self._average += (max(min(likelihood.log_odds, _LIMIT), -_LIMIT) - self._average) / _MEMORY
        self._recent.append((likelihood.sample, likelihood.log_odds))
        if "af" in self._episodes:
            if self._average < self._off:
                end = max(self._turn(-1), self._onset)
                self._over = end
                self._episodes.close("af", end, likelihood.decided, "rhythm changed")
        elif self._average >= self._on:
            self._onset, self._beats = max(self._turn(1), self._over), 0
            self._episodes.open("af", self._onset, likelihood.decided, self._evidence)

    def tick(self, now: int) -> None:
        """End an episode that could not be judged for long."""
        if now - self._judged > self._suspend and ("af" in self._episodes or self._recent):
            self._end(now, "signal")

    def lost(self, decided: int, why: str) -> None:
        """End what is running, unless it may well go on when the signal is back."""
        if why not in ("signal", "gap"):
            self._end(decided, why)

    def _end(self, decided: int, why: str) -> None:
        if "af" in self._episodes:
            self._over = max(self._last, self._onset)
            self._episodes.close("af", self._over, decided, why)
        self._forget()

    def _forget(self) -> None:
        self._average = -_LIMIT
        self._recent: deque[tuple[int, float]] = deque(maxlen=_LOOK_BACK + _FILLED)
        self._first = None

    def _turn(self, sign: int) -> int:
        """Return since when the judgements have been for it (1) or against it (-1), as far back as is looked."""
        turn = len(self._recent) - 1
        while turn > 0 and sign * self._recent[turn - 1][1] > 0:
            turn -= 1
        if turn >= _FILLED:
            return self._recent[turn - _FILLED][0]
        if self._first is None or len(self._recent) == self._recent.maxlen:
            return self._recent[0][0]
        return self._first

    def _evidence(self, at: int) -> Evidence:
        return Evidence(
            beats=self._beats,
            duration_s=seconds(max(at - self._onset, 0)),
            mean_score=round(1 / (1 + math.exp(-self._average)), 3),
            rule=self._rule,
        )
