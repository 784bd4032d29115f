"""The book of running episodes, and what a tracker of one kind of rhythm is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from edge.kinds import KINDS
from edge.messages import FS_HZ, Episode, Evidence, LabelledBeat, Phase

Judge = Callable[[int], Evidence]
"""Says what an episode is judged by, as of a sample."""


@dataclass
class _Running:
    number: int
    onset: int
    judge: Judge
    due: int
    step: int


class Episodes:
    """Numbers episodes and says each phase once; of each kind at most one runs.

    Parameters
    ----------
    tell : callable
        Takes every `Episode`.
    update_s : float
        First time to an update; it doubles with each.
    """

    def __init__(self, tell: Callable[[Episode], None], update_s: float) -> None:
        self._tell = tell
        self._step = round(update_s * FS_HZ)
        self._running: dict[str, _Running] = {}
        self._count = 0

    def __contains__(self, kind: str) -> bool:
        return kind in self._running

    def open(self, kind: str, onset: int, decided: int, judge: Judge) -> int:
        """Tell the onset of an episode; return its number."""
        self._count += 1
        running = _Running(self._count, onset, judge, decided + self._step, self._step)
        self._running[kind] = running
        self._say("onset", kind, running, decided, judge(decided))
        return self._count

    def close(self, kind: str, end: int, decided: int, ended_by: str) -> None:
        """Tell the end of the running episode of this kind."""
        running = self._running.pop(kind)
        evidence = replace(running.judge(end), ended_by=ended_by)
        self._say("end", kind, running, decided, evidence, end=max(end, running.onset))

    def tick(self, now: int) -> None:
        """Tell updates that are due."""
        for kind, running in self._running.items():
            if now >= running.due and KINDS[kind].updates:
                running.step *= 2
                running.due = now + running.step
                self._say("update", kind, running, now, running.judge(now))

    def succeed(self, former: Episodes, end: int, decided: int) -> None:
        """Go on in the place of a book kept by other rules.

        What runs in both goes on under its number, what runs only there ends, what runs only here begins.

        Parameters
        ----------
        former : Episodes
            The book so far.
        end : int
            Last sample of what ends.
        decided : int
            Samples seen.
        """
        self._count = former._count
        for kind, running in former._running.items():
            if kind not in self._running:
                evidence = replace(running.judge(decided), ended_by="rules changed")
                self._say("end", kind, running, decided, evidence, end=max(end, running.onset))
        for kind, running in self._running.items():
            if (known := former._running.get(kind)) is not None:
                running.number, running.onset = known.number, known.onset
                running.due, running.step = known.due, known.step
            else:
                self._count += 1
                running.number = self._count
                running.due, running.step = decided + self._step, self._step
                self._say("onset", kind, running, decided, running.judge(decided))

    def _say(
        self,
        phase: Phase,
        kind: str,
        running: _Running,
        decided: int,
        evidence: Evidence,
        *,
        end: int | None = None,
    ) -> None:
        self._tell(
            Episode(
                number=running.number,
                kind=kind,
                phase=phase,
                onset=running.onset,
                end=end,
                evidence=evidence,
                decided=decided,
            )
        )


class Tracker(Protocol):
    """Follows one kind of rhythm, or a few that exclude each other, beat by beat.

    What it finds it opens and closes in `Episodes`. A new rhythm is a new tracker in `Rhythm`'s list.
    """

    def beat(self, beat: LabelledBeat, joined: bool, /) -> None:
        """Take the next beat; `joined` if all of the signal since the one before it could be read."""

    def tick(self, now: int) -> None:
        """Take note that a second has passed; `now` is as `decided`."""

    def lost(self, decided: int, why: str) -> None:
        """End what is running, and forget the beats so far: they do not join the next one."""


def seconds(samples: int) -> float:
    """Return a duration in s, to the millisecond."""
    return round(samples / FS_HZ, 3)


def per_min(samples: float) -> float:
    """Return the rate in 1/min of intervals of this length, to the tenth."""
    return round(60 * FS_HZ / samples, 1)
