"""Ventricular flutter and fibrillation as an episode; while it lasts there are no beats to speak of."""

from __future__ import annotations

import math

from edge.messages import FS_HZ, Evidence, Likelihood
from edge.stages.rhythm.episodes import Episodes, seconds
from edge.stages.rhythm.rules import RhythmRules

_WINDOW = 4 * FS_HZ
"""What a judgement looks back at."""
_DOUBT = -1.75
"""Log odds from which on there may be waves where no beat is seen: fibrillation gets there before a silence is told."""
_SUSPEND = 10 * FS_HZ
"""Without a judgement for so long it is over."""
_LATE = 2 * FS_HZ
"""How much later than its beginning or end the judgements turn."""


class VentricularFibrillation:
    """`vf`: on and off by the average of the ventricles' judgements.

    Parameters
    ----------
    episodes : Episodes
        Where episodes are told.
    rules : RhythmRules
        Thresholds.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules) -> None:
        self._episodes = episodes
        self._on, self._off = (math.log(p / (1 - p)) for p in (rules.vf_score, rules.vf_end_score))
        self._rule: dict[str, float] = {"vf_score": rules.vf_score, "vf_end_score": rules.vf_end_score}
        self._since: int | None = None  # when the judgements turned
        self._until = 0  # the last sample that was judged to be of it
        self._onset = self._over = self._judged = 0
        self._log_odds = 0.0

    @property
    def lasts(self) -> bool:
        """Whether it is told."""
        return "vf" in self._episodes

    def ended_after(self, sample: int) -> bool:
        """Return whether it lasted until after a sample: a beat there joins no later one."""
        return self._over > sample

    def judge(self, likelihood: Likelihood) -> bool:
        """Take the next judgement; return whether what there is may be waves, and so is no silence."""
        self._log_odds, self._judged = likelihood.log_odds, likelihood.decided
        likely = likelihood.log_odds > 0
        if likely:
            self._until = likelihood.sample
            self._since = likelihood.sample if self._since is None else self._since
        if self.lasts:
            if likelihood.log_odds < self._off:
                self.end(likelihood.decided, "rhythm changed")
        elif likelihood.log_odds >= self._on and self._since is not None:
            self._onset = max(self._since - _WINDOW, self._over, 0)
            self._episodes.open("vf", self._onset, likelihood.decided, self._evidence)
        if not likely and not self.lasts:
            self._since = None
        return likelihood.log_odds > _DOUBT

    def tick(self, now: int) -> None:
        """End an episode of which no judgement came for long."""
        if self.lasts and now - self._judged > _SUSPEND:
            self.end(now, "signal")

    def end(self, decided: int, why: str) -> None:
        """End what is running."""
        if self.lasts:
            late = _LATE if why == "rhythm changed" else 0
            self._over = max(self._until - late, self._onset)
            self._episodes.close("vf", self._over, decided, why)
        self._since = None

    def _evidence(self, at: int) -> Evidence:
        return Evidence(
            duration_s=seconds(max(at - self._onset, 0)),
            mean_score=round(1 / (1 + math.exp(-self._log_odds)), 3),
            rule=self._rule,
        )
