"""Pauses and asystole: time without a QRS, in signal that could be read."""

from __future__ import annotations

from typing import NamedTuple

from edge.messages import FS_HZ, Evidence
from edge.stages.rhythm.episodes import Episodes, seconds
from edge.stages.rhythm.rules import RhythmRules

ASYSTOLES = ("asystole", "asystole_or_lead_off")
CONVINCING = 3
"""QRS complexes, none of them further from the next than asystole takes, that show that the heart beats again: noise
makes one now and then, and a dying heart, too."""

FIRST_BEAT = 3 * FS_HZ
"""From the first second of signal after a flat start until its first QRS complex is known at the latest."""

_NEVER = 1 << 62


class _Over(NamedTuple):
    """Silence that a QRS complex has ended before it was told."""

    kind: str
    since: int
    until: int
    due: int


class Silence:
    """Watches how long there has been no QRS, and says at which sample that becomes an episode.

    Asystole is counted from the last QRS complex, or from where the signal could be read (again). A pause lies between
    two QRS complexes, so it is counted only from one; a pause that lasts on becomes asystole, which ends it. Both are
    told once they have lasted long enough, every QRS complex until then is known, which takes `settle_s`, and the last
    second has been judged; even if they are over by then.

    Once told, asystole lasts until beats convince, or the signal is lost for another reason than noise.

    Where the source does not say when an electrode is off, a flat line may be a heart or a wire. Then it is told as
    either: `asystole_or_lead_off`.

    Parameters
    ----------
    episodes : Episodes
        Where episodes are told.
    rules : RhythmRules
        Thresholds.
    electrodes_known : bool
        Whether the source says when an electrode is off.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules, electrodes_known: bool) -> None:
        self._episodes = episodes
        self._electrodes_known = electrodes_known
        self._pause, self._asystole = round(rules.pause_s * FS_HZ), round(rules.asystole_s * FS_HZ)
        self._settle = round(rules.settle_s * FS_HZ)
        self._rules: dict[str, dict[str, float]] = {
            "pause": {"pause_s": rules.pause_s},
            **{kind: {"asystole_s": rules.asystole_s} for kind in ASYSTOLES},
        }
        self._over: _Over | None = None
        self._onset = self._told = 0  # start and end of the silence told last
        self._until: int | None = None
        self._flat = self._first_signal = 0  # flat seconds since then, and the first that was not
        self._back: list[int] = []  # QRS complexes since the asystole that runs, or is over
        self._restart(0, after_beat=False)

    def begin_at(self, sample: int) -> None:
        """Count from here, where the stream is joined midway."""
        self._restart(sample, after_beat=False)

    @property
    def kind(self) -> str | None:
        """What is running: an asystole, `pause` or nothing."""
        return self.asystole or ("pause" if "pause" in self._episodes else None)

    @property
    def asystole(self) -> str | None:
        """The asystole that is running, if any."""
        return next((kind for kind in ASYSTOLES if kind in self._episodes), None)

    def see(self, start: int, *, flat: bool) -> None:
        """Take note of a second in which a QRS complex would have been seen, and whether the line was flat."""
        if start >= self._since:
            self._flat += flat
            if not flat and not self._first_signal:
                self._first_signal = start
            self._set_due()

    def beat(self, sample: int, decided: int, since: int, *, after_beat: bool, readable_from: int) -> None:
        """Take the next QRS complex.

        Parameters
        ----------
        sample, decided : int
            As in the R peak.
        since : int
            Where the time without a QRS before it began.
        after_beat : bool
            Whether that was at a QRS.
        readable_from : int
            End of the last stretch that could not be read, as far as is known; later than the beat if that is known
            before the beat.
        """
        length = sample - since
        if self.asystole:
            self._convince(sample, decided)
        elif self._over is not None and self._over.kind != "pause":
            self._back.append(sample)
        elif "pause" in self._episodes and length < self._asystole:
            self._close("pause", sample, decided, "rhythm changed")
        elif self._over is None and since >= self._told:
            self._note_over(sample, decided, since, after_beat=after_beat)
        self._restart(max(sample, readable_from), after_beat=sample >= readable_from)

    def lost(self, start: int, end: int, decided: int, why: str) -> None:
        """Take note that the signal from `start` to `end` could not be read; a pause is over, an asystole is not."""
        if self._over is not None and start < self._over.until and self._over.since < end:
            self._over = None
        if self._over is not None and self._over.kind == "pause":
            self._tell_over(decided)
        if "pause" in self._episodes:
            self._close("pause", start, decided, why)
        self._back.clear()
        if end > self._since:
            self._restart(end, after_beat=False)
        self._set_due()

    def stop(self, end: int, decided: int, why: str) -> None:
        """End what is running, and tell what is over."""
        if self._over is not None:
            self._tell_over(decided)
        if kind := self.kind:
            self._close(kind, end, decided, why)
        self._set_due()

    def fire(self) -> str | None:
        """Tell what is due; return its kind if it lasts."""
        due = self.due
        if self._over is not None:
            self._tell_over(due)
            self._set_due()
            return None
        kind = self._next_kind()
        if kind != "pause":
            self._back.clear()
        self._begin(kind, self._since, due)
        self._set_due()
        return kind

    def _convince(self, sample: int, decided: int) -> None:
        """End the asystole that runs with the first of enough QRS complexes that follow each other."""
        if self._back and sample - self._back[-1] >= self._asystole:
            self._back.clear()
        self._back.append(sample)
        if len(self._back) >= CONVINCING and (kind := self.asystole):
            self._close(kind, self._back[0], decided, "rhythm changed")
            self._back.clear()

    def _note_over(self, sample: int, decided: int, since: int, *, after_beat: bool) -> None:
        """Take note of a silence that this QRS complex ends before it was told."""
        if sample - since >= self._asystole:
            kind = self._kind_of_asystole()
            self._over = _Over(kind, since, sample, max(decided, self._known(since + self._asystole)))
            self._back = [sample]
        elif after_beat and sample - since >= self._pause:
            self._over = _Over("pause", since, sample, max(decided, self._known(since + self._pause)))

    def _restart(self, since: int, *, after_beat: bool) -> None:
        self._since, self._after_beat = since, after_beat
        self._flat = self._first_signal = 0
        self._set_due()

    def _set_due(self) -> None:
        if self._over is not None:
            self.due = self._over.due
        elif self.asystole:
            self.due = _NEVER
        elif self._next_kind() == "pause":
            self.due = self._known(self._since + self._pause)
        else:
            self.due = self._known(self._since + self._asystole)
            if self._flat and not self._after_beat:
                # What the first beats look like is learnt from the first signal only.
                self.due = max(self.due, min(self._first_signal, self._since + self._asystole) + FIRST_BEAT)

    def _known(self, sample: int) -> int:
        """Return when it is known what there was up to this sample."""
        return max(sample + self._settle, -(-sample // FS_HZ) * FS_HZ)

    def _kind_of_asystole(self) -> str:
        return ASYSTOLES[self._flat > 0 and not self._electrodes_known]

    def _next_kind(self) -> str:
        if self._after_beat and self._pause < self._asystole and self.kind is None:
            return "pause"
        return self._kind_of_asystole()

    def _tell_over(self, decided: int) -> None:
        over, self._over = self._over, None
        if over is None:
            return
        self._begin(over.kind, over.since, decided, until=over.until)
        if over.kind == "pause":
            self._close(over.kind, over.until, decided, "rhythm changed")
        elif len(self._back) >= CONVINCING:
            self._close(over.kind, self._back[0], decided, "rhythm changed")

    def _begin(self, kind: str, since: int, decided: int, until: int | None = None) -> None:
        if "pause" in self._episodes:
            self._close("pause", since + self._asystole, decided, kind)
        self._onset, self._until = since, until
        self._episodes.open(kind, since, decided, lambda at: self._evidence(kind, at))

    def _close(self, kind: str, end: int, decided: int, ended_by: str) -> None:
        self._until = self._told = max(end, self._onset)
        self._episodes.close(kind, end, decided, ended_by)

    def _evidence(self, kind: str, at: int) -> Evidence:
        # What came within the last `settle_s` may not be known yet.
        until = at - self._settle if self._until is None else self._until
        return Evidence(duration_s=seconds(until - self._onset), rule=self._rules[kind])
