"""Pauses and asystole: time without a QRS, in signal that could be read."""

from __future__ import annotations

from typing import NamedTuple

from edge.messages import FS_HZ, Evidence
from edge.stages.rhythm.episodes import Episodes, seconds
from edge.stages.rhythm.rules import RhythmRules

_NEVER = 1 << 62


class _Over(NamedTuple):
    """Silence that a beat has ended before it was told."""

    kind: str
    since: int
    until: int
    due: int


class Silence:
    """Watches how long there has been no QRS, and says at which sample that becomes an episode.

    Asystole is counted from the last beat, or from where the signal could be read (again). A pause lies between two
    beats, so it is counted only from a beat; one that lasts on becomes asystole, which ends it. Both are told
    `settle_s` after they have lasted long enough, even if they are over by then: a beat may be known that late, and
    whether the last second of silence could be read at all.

    Parameters
    ----------
    episodes : Episodes
        Where episodes are told.
    rules : RhythmRules
        Thresholds.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules) -> None:
        self._episodes = episodes
        self._least = {"pause": round(rules.pause_s * FS_HZ), "asystole": round(rules.asystole_s * FS_HZ)}
        self._settle = round(rules.settle_s * FS_HZ)
        self._rules: dict[str, dict[str, float]] = {
            "pause": {"pause_s": rules.pause_s},
            "asystole": {"asystole_s": rules.asystole_s},
        }
        self._over: _Over | None = None
        self._onset = self._told = 0  # start and end of the silence told last
        self._until: int | None = None
        self._restart(0, after_beat=False)

    def begin_at(self, sample: int) -> None:
        """Count from here, where the stream is joined midway."""
        self._restart(sample, after_beat=False)

    @property
    def kind(self) -> str | None:
        """What is running: `asystole`, `pause` or nothing."""
        return next((kind for kind in ("asystole", "pause") if kind in self._episodes), None)

    def beat(self, sample: int, decided: int, since: int, *, after_beat: bool, readable_from: int) -> None:
        """Take the next beat.

        Parameters
        ----------
        sample, decided : int
            As in the beat.
        since : int
            Where the time without a QRS before it began.
        after_beat : bool
            Whether that was at a beat.
        readable_from : int
            End of the last stretch that could not be read, as far as is known; later than the beat if that is known
            before the beat.
        """
        kind, length = self.kind, sample - since
        if self._over is None and (kind or since >= self._told):
            if kind == "asystole" or (kind == "pause" and length < self._least["asystole"]):
                self._close(kind, sample, decided, "rhythm changed")
            elif length >= self._least["asystole"]:
                self._over = self._due_over("asystole", since, sample, decided)
            elif after_beat and length >= self._least["pause"]:
                self._over = self._due_over("pause", since, sample, decided)
        self._restart(max(sample, readable_from), after_beat=sample >= readable_from)

    def lost(self, start: int, end: int) -> None:
        """Take note that the signal from `start` to `end` could not be read; what runs goes on."""
        if self._over is not None and start < self._over.until and self._over.since < end:
            self._over = None
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
        self._begin(kind, self._since, due)
        self._set_due()
        return kind

    def _due_over(self, kind: str, since: int, until: int, decided: int) -> _Over:
        return _Over(kind, since, until, max(decided, since + self._least[kind] + self._settle))

    def _restart(self, since: int, *, after_beat: bool) -> None:
        self._since, self._after_beat = since, after_beat
        self._set_due()

    def _set_due(self) -> None:
        if self._over is not None:
            self.due = self._over.due
        elif "asystole" in self._episodes:
            self.due = _NEVER
        else:
            self.due = self._since + self._least[self._next_kind()] + self._settle

    def _next_kind(self) -> str:
        comes_first = self._least["pause"] < self._least["asystole"]
        return "pause" if self._after_beat and comes_first and self.kind is None else "asystole"

    def _tell_over(self, decided: int) -> None:
        over, self._over = self._over, None
        if over is not None:
            self._begin(over.kind, over.since, decided, until=over.until)
            self._close(over.kind, over.until, decided, "rhythm changed")

    def _begin(self, kind: str, since: int, decided: int, until: int | None = None) -> None:
        if "pause" in self._episodes:
            self._close("pause", since + self._least["asystole"], decided, kind)
        self._onset, self._until = since, until
        self._episodes.open(kind, since, decided, lambda at: self._evidence(kind, at))

    def _close(self, kind: str, end: int, decided: int, ended_by: str) -> None:
        self._until = self._told = max(end, self._onset)
        self._episodes.close(kind, end, decided, ended_by)

    def _evidence(self, kind: str, at: int) -> Evidence:
        # What came within the last `settle_s` may not be known yet.
        until = at - self._settle if self._until is None else self._until
        return Evidence(duration_s=seconds(until - self._onset), rule=self._rules[kind])
