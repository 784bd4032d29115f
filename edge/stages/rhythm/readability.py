"""Where the signal could be read: lead states, stretches that were lost, and the episode of a lost signal."""

from __future__ import annotations

from collections import Counter, deque
from typing import Literal

from msgspec import UNSET

from edge.messages import FS_HZ, Evidence, Gap, LabelledBeat, LeadState, Quality
from edge.stages.rhythm.episodes import Episodes, seconds
from edge.stages.rhythm.rules import RhythmRules

View = Literal["seen", "flat", "doubtful", "lost"]
"""What a second shows: a line on which a QRS complex would be seen, a flat one, noise that may hide one, or nothing."""

SAMPLES_LOST = "samples lost"
NOISE = "noise"

_UNKNOWN: LeadState = "off"
_KEPT = 64
"""Stretches remembered, more than there can be in the few seconds before a beat is told."""

_SEEN_ACROSS, _SEEN_AFTER = round(0.04 * FS_HZ), round(0.25 * FS_HZ)
"""A bridged gap this short hides no QRS complex, if the one before it ended so long ago."""

_CONVINCING = 5
"""Beats that follow each other, from which on noise or a gap between them is no reason to doubt that they are seen."""


def view(leads: tuple[LeadState, ...], electrodes_known: bool) -> View:
    """Return what a second shows.

    A flat lead shows a heart that stands still, if its electrodes are known to be on; otherwise a lead that is noisy
    may be the only one that is connected.
    """
    if "good" in leads:
        return "seen"
    if "flat" in leads and (electrodes_known or "noisy" not in leads):
        return "flat"
    return "doubtful" if "noisy" in leads else "lost"


class Readability:
    """Remembers which stretches could not be read in any lead.

    The signal is lost when for `signal_lost_s` it could not be read as long at a stretch as asystole takes. So time
    without a beat is always told, as one or the other. A bridged gap is too short for two beats, and noise may leave
    them to be seen: neither is a reason to break a run, but silence is not claimed across them, and without beats they
    count towards a lost signal. Beats that follow each other for as long as asystole takes show that the signal can be
    read, however often a little is bridged and however noisy it is. A few samples lost now and then are nothing at all.

    Parameters
    ----------
    episodes : Episodes
        Where `signal_lost` is told.
    rules : RhythmRules
        Thresholds.
    n_leads : int
        Leads of the stream.
    electrodes_known : bool
        Whether the source says when an electrode is off.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules, n_leads: int, electrodes_known: bool) -> None:
        self._episodes = episodes
        self._electrodes_known = electrodes_known
        self._back = round(rules.asystole_s * FS_HZ)
        self._lost = round(rules.signal_lost_s * FS_HZ)
        self._rule = {"signal_lost_s": rules.signal_lost_s}
        self._spans: deque[tuple[int, int, bool]] = deque(maxlen=_KEPT)
        self._onset = 0
        self._bad_from: int | None = None
        self._causes: Counter[str] = Counter()
        self._good_from: int | None = None
        self._dark_from: int | None = None
        self._dark_until = 0
        self._gap_end = -_SEEN_AFTER
        self._beats_from: int | None = None  # first of the beats between which nothing but doubtful was lost
        self._n_beats = 0
        self._only_doubtful = True
        self.leads: tuple[LeadState, ...] = tuple(_UNKNOWN for _ in range(n_leads))
        self.view: View | None = None

    @property
    def lost(self) -> bool:
        """Whether the signal is lost."""
        return "signal_lost" in self._episodes

    @property
    def dark_from(self) -> int | None:
        """Since when nothing at all has been seen, not even noise, if that is as long as makes a lost signal."""
        dark = self._dark_from
        return dark if dark is not None and self._dark_until - dark >= self._lost else None

    @property
    def reason(self) -> str | None:
        """Why nothing can be said of the last second; None if it can be read."""
        if self.view is None:
            return "no signal judged yet"
        if self.view == "flat":
            return "flat line"
        return _cause(self.leads) if self.view == "lost" else None

    def from_sample(self, before: int | None = None, *, across_doubtful: bool = False) -> int:
        """Return the end of the last stretch that could not be read, among those that began before `before`; or 0."""
        for start, end, doubtful in reversed(self._spans):
            if (before is None or start < before) and not (doubtful and across_doubtful):
                return end
        return 0

    def beat(self, beat: LabelledBeat, before: int | None) -> None:
        """Take note of a beat, and of the sample of the one before if it joins that one."""
        if before is None:
            self._beats_from = None
            return
        if self._beats_from is None:
            self._beats_from, self._n_beats = before, 1
        self._n_beats += 1
        if self._n_beats < _CONVINCING:
            return
        if self._only_doubtful:
            self._bad_from = None
        if beat.sample - self._beats_from >= self._back:
            self._regain(self._beats_from, beat.decided)

    def judge(self, quality: Quality) -> View:
        """Take the next judgement of the leads; return what it shows."""
        self.leads = quality.leads
        self.view = view(quality.leads, self._electrodes_known)
        end = quality.start + quality.n
        if self.view in ("seen", "flat"):
            self._readable(quality.start, end, quality.decided)
        else:
            doubtful = self.view == "doubtful"
            cause = NOISE if doubtful else _cause(quality.leads)
            self._unreadable(quality.start, end, quality.decided, cause, doubtful=doubtful)
        return self.view

    def hides(self, gap: Gap) -> bool:
        """Return whether a QRS complex may hide in lost samples; to be asked once of each gap."""
        before, self._gap_end = self._gap_end, gap.start + gap.n
        return not gap.bridged or gap.n > _SEEN_ACROSS or gap.start - before < _SEEN_AFTER

    def lose(self, gap: Gap) -> None:
        """Take note of lost samples in which a QRS complex may hide."""
        self._unreadable(gap.start, gap.start + gap.n, gap.decided, SAMPLES_LOST, doubtful=gap.bridged)

    def flush(self, end: int, decided: int) -> None:
        """End what is running."""
        if self.lost:
            self._episodes.close("signal_lost", end, decided, "end of stream")

    def _readable(self, start: int, end: int, decided: int) -> None:
        self._dark_from = None
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

    def _unreadable(self, start: int, end: int, decided: int, cause: str, *, doubtful: bool) -> None:
        self._spans.append((start, end, doubtful))
        self._good_from = None
        if not doubtful:
            self._beats_from = None
        if self._bad_from is None:
            self._bad_from, self._only_doubtful = start, True
            if not self.lost:
                self._causes.clear()
        self._only_doubtful &= doubtful
        self._causes[cause] += end - start
        if doubtful:
            self._dark_from = None
        elif self._dark_from is None:
            self._dark_from = start
        self._dark_until = end
        if end - self._bad_from >= self._lost and not self.lost:
            self._onset = self._bad_from
            self._episodes.open("signal_lost", self._onset, decided, self._evidence)

    def _evidence(self, at: int) -> Evidence:
        cause = self._causes.most_common(1)[0][0]
        leads = UNSET if cause == SAMPLES_LOST else self.leads
        return Evidence(leads=leads, reason=cause, duration_s=seconds(at - self._onset), rule=self._rule)


def _cause(leads: tuple[LeadState, ...]) -> str:
    """Return why none of these leads can be read."""
    return " and ".join(cause for state, cause in (("off", "lead off"), ("saturated", "saturated")) if state in leads)
