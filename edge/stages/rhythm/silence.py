"""Pauses and asystole: time without a QRS, in signal that could be read."""

from __future__ import annotations

from typing import Any

from edge.messages import FS_HZ
from edge.stages.rhythm.episodes import Episodes, seconds
from edge.stages.rhythm.rules import RhythmRules

_NEVER = 1 << 62


class Silence:
    """Watches how long there has been no QRS, and says at which sample that becomes an episode.

    Asystole is counted from the last beat, or from where the signal could be read (again). A pause lies between two
    beats, so it is counted only from a beat; one that lasts on becomes asystole, which ends it. Both are told
    `settle_s` after they have lasted long enough, because a beat may be known that late, or at the beat that ends them
    if that is known sooner.

    Parameters
    ----------
    episodes : Episodes
        Where episodes are told.
    rules : RhythmRules
        Thresholds.
    """

    def __init__(self, episodes: Episodes, rules: RhythmRules) -> None:
        self._episodes = episodes
        self._pause = round(rules.pause_s * FS_HZ)
        self._asystole = round(rules.asystole_s * FS_HZ)
        self._settle = round(rules.settle_s * FS_HZ)
        self._rules: dict[str, dict[str, float]] = {
            "pause": {"pause_s": rules.pause_s},
            "asystole": {"asystole_s": rules.asystole_s},
        }
        self._onset = 0
        self._until: int | None = None
        self._restart(0, after_beat=False)

    @property
    def kind(self) -> str | None:
        """What is running: `asystole`, `pause` or nothing."""
        return next((kind for kind in ("asystole", "pause") if kind in self._episodes), None)

    def beat(self, sample: int, decided: int, before: tuple[int, bool], readable_from: int) -> None:
        """Take the next beat.

        Parameters
        ----------
        sample, decided : int
            As in the beat.
        before : tuple of (int, bool)
            Where the time without a QRS before it began, and whether that was at a beat.
        readable_from : int
            Sample from which on the signal can be read again, as far as is known; later than the beat if signal after
            it was lost.
        """
        since, after_beat = before
        kind, length = self.kind, sample - since
        if kind and sample > self._onset and (kind == "asystole" or length < self._asystole):
            self._close(kind, sample, decided, "rhythm changed")
        elif kind != "asystole" and length >= self._asystole:
            self._begin("asystole", since, decided, until=sample)
            self._close("asystole", sample, decided, "rhythm changed")
        elif kind is None and after_beat and length >= self._pause:
            self._begin("pause", since, decided, until=sample)
            self._close("pause", sample, decided, "rhythm changed")
        self._restart(max(sample, readable_from), after_beat=sample >= readable_from)

    def lost(self, start: int, end: int, decided: int, why: str, *, bridged: bool = False) -> None:
        """Take note that the signal from `start` to `end` could not be read; if bridged, what runs goes on."""
        if not bridged and (kind := self.kind):
            self._close(kind, start, decided, why)
        if end > self._since:
            self._restart(end, after_beat=False)

    def fire(self) -> str:
        """Tell what is due; return its kind."""
        due = self.due
        kind = "pause" if self._awaits_pause() else "asystole"
        self._begin(kind, self._since, due)
        self._set_due()
        return kind

    def _restart(self, since: int, *, after_beat: bool) -> None:
        self._since, self._after_beat = since, after_beat
        self._set_due()

    def _set_due(self) -> None:
        self.due = _NEVER
        if "asystole" not in self._episodes:
            self.due = self._since + self._settle + (self._pause if self._awaits_pause() else self._asystole)

    def _awaits_pause(self) -> bool:
        return self._after_beat and self._pause < self._asystole and self.kind is None

    def _begin(self, kind: str, since: int, decided: int, until: int | None = None) -> None:
        if "pause" in self._episodes:
            self._close("pause", since + self._asystole, decided, kind)
        self._onset, self._until = since, until
        self._episodes.open(kind, since, decided, lambda at: self._evidence(kind, at))

    def _close(self, kind: str, end: int, decided: int, ended_by: str) -> None:
        self._until = max(end, self._onset)
        self._episodes.close(kind, end, decided, ended_by)

    def _evidence(self, kind: str, at: int) -> dict[str, Any]:
        # What came within the last `settle_s` may not be known yet.
        until = at - self._settle if self._until is None else self._until
        return {"duration_s": seconds(until - self._onset), "rule": self._rules[kind]}
