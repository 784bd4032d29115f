"""Which strips are kept: the longest episodes of each kind, what is typical, and what could be read least."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec

from edge.findings.findings import EpisodeFinding, StripFinding
from edge.findings.strips import BEFORE_S, STRIP_S, Memory
from edge.messages import Episode, Priority, Quality, Samples

OF_A_KIND: dict[Priority, int] = {"high": 30, "medium": 12, "low": 4}
"""Strips kept of episodes of one kind; of ectopy that comes all day a few say it all."""

_TYPICAL = 16
"""Candidates for a typical strip."""
_APART_S = 30.0
"""Between candidates at first; it doubles when there are too many."""
_WAITING = 256
"""Strips that may wait for their samples at one time."""


class _Candidate(msgspec.Struct):
    start: int
    beats: int
    odd: int
    bpm: float | None
    strip: StripFinding | None = None


class Gallery:
    """Cuts strips as their samples have gone by, and keeps those worth it.

    Parameters
    ----------
    fs_hz : float
        Rate of the source.
    leads : tuple of str
        Its leads.
    """

    def __init__(self, fs_hz: float, leads: tuple[str, ...]) -> None:
        self._fs_hz = fs_hz
        self.memory = Memory(fs_hz, leads)
        self._waiting: deque[tuple[int, int | None, str]] = deque()
        self._episodes: dict[int, StripFinding] = {}
        self._severity: dict[str, dict[int, float]] = {}
        self._seconds: deque[tuple[int, int, bool]] = deque(maxlen=round(STRIP_S))
        self._bad = self._without = 0
        self._typical: list[_Candidate] = []
        self._apart = round(_APART_S * fs_hz)
        self._next = 0
        self._noisiest: StripFinding | None = None
        self._worst = 0

    def samples(self, block: Samples) -> None:
        """Take the next samples."""
        self.memory.add(block)
        self._serve(everything=False)

    def episode(self, episode: Episode) -> None:
        """Take note of an episode's onset."""
        start = max(episode.onset - round(BEFORE_S * self._fs_hz), 0)
        self._ask(start, episode.number, "episode")

    def ended(self, episode: EpisodeFinding) -> None:
        """Decide whether an episode's strip is kept: of each kind only the longest are."""
        kept = self._severity.setdefault(episode.kind, {})
        kept[episode.number] = episode.duration_s
        if len(kept) > OF_A_KIND[episode.priority]:
            # Of equals the first ones stay.
            least = min(reversed(kept), key=lambda number: kept[number])
            del kept[least]
            self._episodes.pop(least, None)
            self._waiting = deque(w for w in self._waiting if w[1] != least or w[2] != "episode")

    def quality(self, quality: Quality) -> None:
        """Take the state of the leads in the next second."""
        if len(self._seconds) == self._seconds.maxlen:
            _, bad, without = self._seconds[0]
            self._bad -= bad
            self._without -= without
        bad = len(quality.leads) - quality.leads.count("good")
        without = bad == len(quality.leads)
        self._seconds.append((quality.start, bad, without))
        self._bad += bad
        self._without += without
        if len(self._seconds) < STRIP_S:
            return
        start = self._seconds[0][0]
        if self._bad > self._worst:
            self._worst = self._bad
            self._waiting = deque(w for w in self._waiting if w[2] != "noisiest")
            self._ask(start, None, "noisiest")
        if not self._without and start >= self._next:
            self._propose(start)

    def beat(self, sample: int, label: str, rr_ms: float | None) -> None:
        """Take a beat, for what is typical."""
        n = round(STRIP_S * self._fs_hz)
        for candidate in self._typical[-2:]:
            if candidate.start <= sample < candidate.start + n:
                candidate.beats += 1
                candidate.odd += label != "N"
                if rr_ms:
                    candidate.bpm = 60000 / rr_ms if candidate.bpm is None else 0.8 * candidate.bpm + 12000 / rr_ms

    def strips(self, median_bpm: float | None) -> Iterator[StripFinding]:
        """Yield what was kept: episodes, the typical one, the noisiest; what there is of those that still wait."""
        self._serve(everything=True)
        yield from (self._episodes[number] for number in sorted(self._episodes))
        there = [candidate for candidate in self._typical if candidate.strip is not None and candidate.beats]
        if there:
            best = min(there, key=lambda c: (c.odd / c.beats > 0.5, abs((c.bpm or 0) - (median_bpm or 0)), c.odd))
            if best.strip is not None:
                yield best.strip
        if self._noisiest is not None:
            yield self._noisiest

    def _propose(self, start: int) -> None:
        self._next = start + self._apart
        self._typical.append(_Candidate(start, 0, 0, None))
        self._ask(start, None, "typical")
        if len(self._typical) > _TYPICAL:
            del self._typical[1::2]
            self._apart *= 2
            self._next = start + self._apart

    def _ask(self, start: int, episode: int | None, why: str) -> None:
        if len(self._waiting) < _WAITING:
            self._waiting.append((start, episode, why))

    def _serve(self, *, everything: bool) -> None:
        still: deque[tuple[int, int | None, str]] = deque()
        for start, episode, why in self._waiting:
            if not everything and not self.memory.complete(start):
                still.append((start, episode, why))
            elif (strip := self.memory.cut(start, why, episode)) is not None:
                self._keep(strip, start)
        self._waiting = still

    def _keep(self, strip: StripFinding, start: int) -> None:
        if strip.episode is not None:
            self._episodes[strip.episode] = strip
        elif strip.why == "noisiest":
            self._noisiest = strip
        else:
            for candidate in self._typical:
                if candidate.start == start:
                    candidate.strip = strip
