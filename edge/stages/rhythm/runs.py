"""Runs: couplets, ventricular and supraventricular runs, ventricular tachycardia, idioventricular rhythm."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from edge.messages import FS_HZ, Evidence, LabelledBeat
from edge.stages.rhythm.episodes import Episodes, per_min, seconds
from edge.stages.rhythm.rules import RhythmRules

_MINUTE = 60 * FS_HZ
_LONG = ("vt", "idioventricular")


class _Run:
    """Beats of one label.

    Attributes
    ----------
    first, last : int
        Samples of the first and last beat.
    n : int
        Beats.
    recent : deque of LabelledBeat
        The last ones between which there was no other beat.
    """

    def __init__(self, beats: Iterable[LabelledBeat], keep: int) -> None:
        self.recent: deque[LabelledBeat] = deque(maxlen=keep)
        self.first = self.last = self.n = 0
        self._score = 0.0
        self._interval: float | None = None
        for beat in beats:
            self.add(beat)

    def add(self, beat: LabelledBeat) -> None:
        if not self.n:
            self.first = beat.sample
        self.last = beat.sample
        self.n += 1
        self._score += beat.score
        self.recent.append(beat)
        if len(self.recent) > 1:
            self._interval = (self.last - self.recent[0].sample) / (len(self.recent) - 1)

    def faster(self, bpm: float) -> bool:
        """Return whether the recent beats came at more than this rate."""
        return self._interval is not None and self._interval * bpm < _MINUTE

    def evidence(self, rule: dict[str, float]) -> Evidence:
        """Return what the run is judged by."""
        return Evidence(
            beats=self.n,
            rate_per_min=None if self._interval is None else per_min(self._interval),
            duration_s=seconds(self.last - self.first),
            mean_score=round(self._score / self.n, 3),
            rule=rule,
        )


class SupraventricularRuns:
    """`svt_run`: consecutive S beats; the first other beat ends it.

    Parameters
    ----------
    episodes : Episodes
        Where episodes are told.
    rules : RhythmRules
        Thresholds.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules) -> None:
        self._episodes = episodes
        self._fewest = rules.svt_run_beats
        self._rule: dict[str, float] = {"svt_run_beats": rules.svt_run_beats}
        self._run = _Run((), self._fewest)

    def beat(self, beat: LabelledBeat, joined: bool) -> None:
        """Take the next beat."""
        if not joined:
            self.lost(beat.decided, "signal")
        if beat.label != "S":
            self.lost(beat.decided, "signal" if beat.label == "Q" else "rhythm changed")
            return
        self._run.add(beat)
        if self._run.n == self._fewest:
            self._episodes.open("svt_run", self._run.first, beat.decided, self._evidence)

    def tick(self, now: int) -> None:
        """Nothing happens between beats."""

    def lost(self, decided: int, why: str) -> None:
        """End what is running; forget the beats so far."""
        if "svt_run" in self._episodes:
            self._episodes.close("svt_run", self._run.last, decided, why)
        if self._run.n:
            self._run = _Run((), self._fewest)

    def _evidence(self, _: int) -> Evidence:
        return self._run.evidence(self._rule)


class VentricularRuns:
    """Consecutive V beats, by how many and how fast: `couplet`, `v_run`, and `vt` or `idioventricular`.

    One run is one episode at a time. From `v_run_beats` on it is a `v_run`; from `vt_beats` on it is `vt` or
    `idioventricular` by the rate of its last `vt_beats`, and the `v_run` ends, `ended_by` the new kind. A vt that slows
    becomes idioventricular only `rate_hysteresis_bpm` below the threshold. A `v_run` ends at the first other beat; the
    two long kinds only after `vt_end_beats` others, and of the V beats between those only runs of `v_run_beats` count
    as going on.

    A `couplet` is told when it is over. It needs a beat that is neither V nor Q on both sides; otherwise it may be part
    of a run.

    Parameters
    ----------
    episodes : Episodes
        Where episodes are told.
    rules : RhythmRules
        Thresholds.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules) -> None:
        self._episodes = episodes
        self._rules = rules
        self._short_rule: dict[str, float] = {"v_run_beats": rules.v_run_beats}
        self._long_rule: dict[str, float] = {"vt_beats": rules.vt_beats, "vt_bpm": rules.vt_bpm}
        self._kind: str | None = None
        self._other_before = False
        self._clear()

    def beat(self, beat: LabelledBeat, joined: bool) -> None:
        """Take the next beat."""
        if not joined:
            self.lost(beat.decided, "signal")
        if beat.label == "V":
            self._extend(beat)
        elif self._run.n:
            self._interrupt(beat)
        self._other_before = beat.label not in ("V", "Q")

    def tick(self, now: int) -> None:
        """Nothing happens between beats."""

    def lost(self, decided: int, why: str) -> None:
        """End what is running; forget the beats so far."""
        self._close(decided, why)
        self._clear()
        self._other_before = False

    def _clear(self) -> None:
        self._run = _Run((), self._rules.vt_beats)
        self._bounded = False  # a beat that is neither V nor Q came before the run
        self._others = 0  # beats other than V since the run went on
        self._streak: list[LabelledBeat] = []  # V beats since the last of those

    def _extend(self, beat: LabelledBeat) -> None:
        if not self._run.n:
            self._bounded = self._other_before
        if not self._others:
            self._run.add(beat)
        else:
            self._streak.append(beat)
            if len(self._streak) < self._rules.v_run_beats:
                return
            for one in self._streak:
                self._run.add(one)
            self._streak, self._others = [], 0
        self._rename(beat.decided)

    def _interrupt(self, beat: LabelledBeat) -> None:
        self._others += 1
        self._streak = []
        self._run.recent.clear()
        if self._kind in _LONG and self._others < self._rules.vt_end_beats:
            return
        if self._run.n == 2 and self._bounded and beat.label != "Q":
            self._open("couplet", beat.decided)
        self._close(beat.decided, "signal" if beat.label == "Q" else "rhythm changed")
        self._clear()

    def _rename(self, decided: int) -> None:
        """Tell what the run has become, if that is new."""
        kind = self._classify()
        if kind is None or kind == self._kind:
            return
        if self._kind in _LONG:
            # The new kind began with the beats it was judged by.
            self._close(decided, kind, end=self._run.recent[0].sample)
            self._run = _Run(self._run.recent, self._rules.vt_beats)
        else:
            self._close(decided, kind)
        self._open(kind, decided)

    def _classify(self) -> str | None:
        rules, run = self._rules, self._run
        if run.n < rules.v_run_beats:
            return None
        if len(run.recent) < rules.vt_beats:
            return self._kind or "v_run"
        hysteresis = rules.rate_hysteresis_bpm if self._kind == "vt" else 0
        return "vt" if run.faster(rules.vt_bpm - hysteresis) else "idioventricular"

    def _open(self, kind: str, decided: int) -> None:
        self._kind = kind
        self._episodes.open(kind, self._run.first, decided, self._evidence)

    def _close(self, decided: int, ended_by: str, end: int | None = None) -> None:
        if self._kind is not None:
            self._episodes.close(self._kind, self._run.last if end is None else end, decided, ended_by)
        self._kind = None

    def _evidence(self, _: int) -> Evidence:
        if self._kind == "couplet":
            return self._run.evidence({"beats": 2})
        return self._run.evidence(self._long_rule if self._kind in _LONG else self._short_rule)
