"""Where the signal could be read: lead states, stretches that were lost, and the episode of a lost signal."""

from __future__ import annotations

from collections import deque

from edge.messages import FS_HZ, Evidence, Gap, LabelledBeat, LeadState, Quality
from edge.stages.rhythm.episodes import Episodes, seconds
from edge.stages.rhythm.rules import RhythmRules

_REASONS: dict[LeadState, str] = {"off": "lead off", "flat": "flat line", "saturated": "saturated"}
_UNKNOWN: LeadState = "off"
_KEPT = 64
"""Stretches remembered, more than there can be in the few seconds before a beat is told."""


class Readability:
    """Remembers which stretches could not be read in any lead.

    The signal is lost when for `signal_lost_s` it could not be read as long at a stretch as asystole takes. So time
    without a beat is always told, as one or the other. A bridged gap is too short for two beats: it is no reason to
    break a run, but silence is not claimed across it, and without beats it counts towards a lost signal. Beats that
    follow each other for as long as asystole takes show that the signal can be read, however often a little is bridged.

    Parameters
    ----------
    episodes : Episodes
        Where `signal_lost` is told.
    rules : RhythmRules
        Thresholds.
    n_leads : int
        Leads of the stream.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules, n_leads: int) -> None:
        self._episodes = episodes
        self._back = round(rules.asystole_s * FS_HZ)
        self._lost = round(rules.signal_lost_s * FS_HZ)
        self._rule = {"signal_lost_s": rules.signal_lost_s}
        self._spans: deque[tuple[int, int, bool]] = deque(maxlen=_KEPT)
        self._onset = 0
        self._bad_from: int | None = None
        self._good_from: int | None = None
        self._beats_from: int | None = None  # first of the beats between which nothing but bridged gaps was lost
        self._only_bridged = True
        self.leads: tuple[LeadState, ...] = tuple(_UNKNOWN for _ in range(n_leads))
        self.reason: str | None = "no signal judged yet"

    @property
    def lost(self) -> bool:
        """Whether the signal is lost."""
        return "signal_lost" in self._episodes

    def from_sample(self, before: int | None = None, *, across_bridged: bool = False) -> int:
        """Return the end of the last stretch that could not be read, among those that began before `before`; or 0."""
        for start, end, bridged in reversed(self._spans):
            if (before is None or start < before) and not (bridged and across_bridged):
                return end
        return 0

    def beat(self, beat: LabelledBeat, before: int | None) -> None:
        """Take note of a beat, and of the sample of the one before if it joins that one."""
        if before is None:
            self._beats_from = None
            return
        if self._only_bridged:
            self._bad_from = None
        if self._beats_from is None:
            self._beats_from = before
        if beat.sample - self._beats_from >= self._back:
            self._regain(self._beats_from, beat.decided)

    def judge(self, quality: Quality) -> None:
        """Take the next judgement of the leads."""
        self.leads = quality.leads
        end = quality.start + quality.n
        if quality.usable:
            self.reason = None
            self._readable(quality.start, end, quality.decided)
            return
        states = set(quality.leads)
        self.reason = _REASONS[states.pop()] if len(states) == 1 else "signal too poor"
        self._unreadable(quality.start, end, quality.decided)

    def lose(self, gap: Gap) -> None:
        """Take note of lost samples."""
        self._unreadable(gap.start, gap.start + gap.n, gap.decided, bridged=gap.bridged)

    def flush(self, end: int, decided: int) -> None:
        """End what is running."""
        if self.lost:
            self._episodes.close("signal_lost", end, decided, "end of stream")

    def _readable(self, start: int, end: int, decided: int) -> None:
        if self._bad_from is None:
            return
        if self._good_from is None:
            self._good_from = start
        if end - self._good_from >= self._back:
            self._regain(self._good_from, decided)

    def _regain(self, since: int, decided: int) -> None:
        self._bad_from = None
        if self.lost:
            self._episodes.close("signal_lost", since, decided, "signal back")

    def _unreadable(self, start: int, end: int, decided: int, *, bridged: bool = False) -> None:
        self._spans.append((start, end, bridged))
        self._good_from = None
        if not bridged:
            self._beats_from = None
        if self._bad_from is None:
            self._bad_from, self._only_bridged = start, True
        self._only_bridged &= bridged
        if end - self._bad_from >= self._lost and not self.lost:
            self._onset = self._bad_from
            self._episodes.open("signal_lost", self._onset, decided, self._evidence)

    def _evidence(self, at: int) -> Evidence:
        return Evidence(leads=self.leads, duration_s=seconds(at - self._onset), rule=self._rule)
