"""R peaks, from one lead or several, at most 0.35 s after they happened.

Candidates are the local maxima of the leads' joint detection function (`edge.stages.qrs.detection_function`). One is
a QRS complex if it stands above a threshold between the level of the last QRS complexes and that of the last false
candidates (Pan and Tompkins 1985, Hamilton and Tompkins 1986), higher for what comes earlier than the rhythm would have
it. Two finds may be told later than 0.35 s:

- in the first 1.5 s of a segment the leads are weighed by what was learned from these 1.5 s, so that the first beat is
  found; it is told 1.8 s after the segment's start at the latest;
- one and a half RR intervals after a QRS complex without another one, the best candidate passed over is taken, if good
  enough (search-back). Of the 109,773 beats found in the MIT-BIH Arrhythmia Database 249 were, the latest 1.8 s after
  it happened.

What a long gap or the end of the stream cuts short is told when that is known.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from msgspec.structs import replace

from edge.messages import FS_HZ, MOST_LATE, Gap, Message, RPeak, Samples
from edge.stages.qrs.candidates import REFRACTORY, Candidate, Candidates
from edge.stages.qrs.detection_function import DetectionFunction
from edge.stages.qrs.levels import JUMP, NOISE_CONTRAST

THRESHOLD = 0.3
"""Of the way from false candidates to QRS complexes."""

EARLY_THRESHOLD = 0.5
"""The same for a candidate at 0.4 of the usual RR interval; falls to `THRESHOLD` at 0.9."""

T_WAVE = round(0.36 * FS_HZ)
T_WAVE_RATIO = 0.5
"""A candidate this soon after a QRS complex is its T wave unless it has this much of its evidence …"""

T_WAVE_SLOPE = 0.65
"""… and, in some lead, this much of its steepness: a T wave may be as tall as the QRS complex, but is not as steep (Pan
and Tompkins 1985) …"""

T_WAVE_SHARPNESS = 0.8
"""… or this much of its steepness for its height: a smaller beat of the same shape is a beat."""

NEXT_LARGEST_RATIO = 1.2
"""A candidate is passed over for one this much larger within the refractory time: it was a P wave or noise."""

STEP_RATIO = 1.5
STEP_CREDIT = 0.3
"""A step that exceeds the usual QRS this much is an electrode that moved, and counts this much."""

CONTRAST = 1.4
SEARCH_CONTRAST = 1.5
"""A QRS complex stands out from the average at least this much; when searched for, this much."""

SEARCH_RR = 1.5
SEARCH_THRESHOLD = 0.15

LEARNING = 0.15
SEARCH_LEARNING = 0.5
FALSE_LEARNING = 0.05

FADE_AFTER = round(2.5 * FS_HZ)
FADE = FS_HZ / 2
"""Without QRS complexes for so long the level halves every so many samples: the gain may have changed for good."""

FADE_LEAST = 0.1
"""What the level falls to at least: P waves without QRS complexes stay below it."""

FADE_CONTRAST = 3.0
"""Then it must stand out this much, or the noise of an asystole would be beats."""

LEAST_MV = 0.05
"""No QRS complex is smaller from peak to peak in the largest lead. IEC 60601-2-27 201.12.1.101 has monitors find 0.5 mV
and leave out 0.15 mV; less is seen here so that a lead far from the heart is read too."""

RHYTHM_NOISE_CONTRAST = 2.4
"""What a QRS complex exceeds noise by while others come before it; without these, see `NOISE_CONTRAST`."""

REMEMBERED_SHARE = 0.5
"""The level after a gap is at least this share of that before it: an electrode may have been moved, but noise is no
patient."""


class QrsDetector:
    """Finds R peaks in clean samples.

    Parameters
    ----------
    n_leads : int
        Columns of the samples.
    """

    def __init__(self, n_leads: int) -> None:
        self._n_leads = n_leads
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._segment: _Segment | None = None
        self._remembered: list[float] = []
        self._last = -REFRACTORY
        self._told = 0

    def push(self, message: Message) -> Iterable[Message]:
        """Find R peaks in samples; everything passes. A gap that is not bridged ends what was learned."""
        if isinstance(message, Samples):
            if self._segment is None:
                self._segment = _Segment(message, self._remembered)
            return [*self._tell(self._segment.take(message)), message]
        if isinstance(message, Gap) and not message.bridged:
            return [*self._end(message.decided), message]
        return [message]

    def flush(self) -> Iterable[Message]:
        """Find the last R peaks."""
        return self._end(None)

    def _end(self, known: int | None) -> list[RPeak]:
        segment, self._segment = self._segment, None
        if segment is None:
            return []
        found = list(self._tell(segment.finish(known)))
        self._remembered = segment.level or self._remembered
        return found

    def _tell(self, found: Iterable[RPeak]) -> Iterator[RPeak]:
        """Pass on R peaks in order and in time, never two within the refractory time, whatever led to them."""
        for peak in found:
            if peak.sample - self._last < REFRACTORY or peak.decided - peak.sample > MOST_LATE:
                continue
            self._last, self._told = peak.sample, max(self._told, peak.decided)
            yield peak if peak.decided == self._told else replace(peak, decided=self._told)


class _Segment:
    """R peaks between two gaps."""

    def __init__(self, first: Samples, remembered: list[float]) -> None:
        self._function = DetectionFunction(first.start, first.mv[0].astype(np.float64))
        self._candidates = Candidates(first.start, first.lag)
        self._decision = BeatDecision(self._function, remembered)
        self._lag = first.lag

    @property
    def level(self) -> list[float]:
        """What the detection function is at the usual QRS in each lead; empty if there was none."""
        return self._decision.level

    def take(self, samples: Samples) -> list[RPeak]:
        mv = samples.mv.astype(np.float64)
        bad = np.zeros(mv.shape, bool) if samples.valid is None else ~samples.valid
        self._function.extend(mv, bad)
        found = [
            self._tell(candidate, strength, self._function.needs(known) + self._lag)
            for judged in self._candidates.take(self._function)
            for candidate, strength, known in self._decision.decide(judged)
        ]
        late = self._decision.search(self._function.joint.end)
        return found + [self._tell(c, strength, self._function.needs(known) + self._lag) for c, strength, known in late]

    def finish(self, known: int | None) -> list[RPeak]:
        end = self._function.mv.end
        self._function.finish()
        # What follows is not needed, only that it is not the next sample.
        decided = end + self._lag if known is None else min(end + self._lag, known)
        return [
            self._tell(candidate, strength, decided)
            for judged in self._candidates.take(self._function, end)
            for candidate, strength, _ in self._decision.decide(judged)
        ]

    @staticmethod
    def _tell(found: Candidate, strength: float, decided: int) -> RPeak:
        return RPeak(decided=decided, sample=found.peak, lead=found.lead, amplitude_mv=found.mv, strength=strength)


Verdict = tuple[Candidate, float, int]
"""A QRS complex, its strength, and how far the joint evidence had to be known."""


class BeatDecision:
    """Decides on one candidate after the other.

    Parameters
    ----------
    function : DetectionFunction
        Says which leads show signal.
    remembered : list of float
        `level` before a gap; empty if there was nothing before.

    Attributes
    ----------
    level : list of float
        What the detection function is at the last QRS complexes in each lead.
    """

    def __init__(self, function: DetectionFunction, remembered: list[float]) -> None:
        self._function = function
        self._remembered = remembered
        self.level: list[float] = []
        self._false: list[float] = []
        self._peak_to_peak: list[float] = []
        self._last: Candidate | None = None
        self._rr: deque[int] = deque(maxlen=8)
        self._usual_rr: int | None = None
        self._passed: list[Candidate] = []
        self._searched = (0, 0)

    def decide(self, candidate: Candidate) -> list[Verdict]:
        """Return the QRS complexes that are known once this candidate is."""
        found = self.search(candidate.ready)
        self._begin(candidate)
        self._discount(candidate)
        since = math.inf if self._last is None else candidate.fiducial - self._last.fiducial
        if (
            since < REFRACTORY
            or (self._last is not None and candidate.peak - self._last.peak < REFRACTORY)
            or self._is_t_wave(candidate, since)
            or candidate.next_largest > NEXT_LARGEST_RATIO * candidate.joint
            or _is_too_small(candidate)
        ):
            return found
        threshold = self._threshold(candidate, since)
        if candidate.joint >= threshold:
            self._accept(candidate, LEARNING)
            found.append((candidate, candidate.joint / threshold, candidate.ready))
        else:
            self._false = _toward(self._false, candidate.leads, FALSE_LEARNING)
            self._passed.append(candidate)
        return found

    def search(self, known: int) -> list[Verdict]:
        """Return what a pause in the rhythm makes of the candidates passed over."""
        found: list[Verdict] = []
        while self._passed and self._last is not None and self._usual_rr is not None:
            due = self._last.fiducial + round(SEARCH_RR * self._usual_rr)
            if known < due or (due, len(self._passed)) == self._searched:
                break
            self._searched = due, len(self._passed)
            self._leave_out_the_dead(max(due, self._passed[-1].ready) - 1)
            best = max(self._passed, key=lambda candidate: candidate.joint)
            least = max(
                SEARCH_THRESHOLD * _joint(self.level, best),
                SEARCH_CONTRAST * _joint(best.average, best),
                RHYTHM_NOISE_CONTRAST * _joint(best.noise, best),
            )
            if best.joint <= least:
                break
            self._accept(best, SEARCH_LEARNING)
            found.append((best, best.joint / least, max(due, best.ready)))
        return found

    def _begin(self, candidate: Candidate) -> None:
        """Take what is known of a lead for the first time, and of one whose gain has changed for good."""
        if not self.level:
            self.level = [0.0] * len(candidate.scale)
            self._false = [0.0] * len(candidate.scale)
        for lead, level in enumerate(candidate.level):
            if self.level[lead] <= 0 < level:
                before = self._remembered[lead] if self._remembered else 0.0
                self.level[lead] = max(level, REMEMBERED_SHARE * before)
            elif level > JUMP * self.level[lead] > 0:
                self.level[lead] = level

    def _accept(self, candidate: Candidate, learning: float) -> None:
        if self._last is not None:
            self._rr.append(candidate.fiducial - self._last.fiducial)
            self._usual_rr = sorted(self._rr)[len(self._rr) // 2]
        seen = [
            min(now, 3 * level) if scale > 0 else level
            for now, level, scale in zip(candidate.leads, self.level, candidate.scale, strict=True)
        ]
        self.level = _toward(self.level, seen, learning)
        usual = self._peak_to_peak or candidate.peak_to_peak
        self._peak_to_peak = _toward(
            usual, [min(n, 2 * u) for n, u in zip(candidate.peak_to_peak, usual, strict=True)], 0.12
        )
        self._last = candidate
        self._passed = [
            passed
            for passed in self._passed
            if min(passed.fiducial - candidate.fiducial, passed.peak - candidate.peak) >= REFRACTORY
        ]

    def _leave_out_the_dead(self, at: int) -> None:
        """Judge what was passed over by the leads that still show signal: one may have died without being known yet."""
        # At the end of a segment a candidate may be ready later than the last sample.
        alive = self._function.trusted.at(np.array([min(at, self._function.trusted.end - 1)]))[0].tolist()
        if all(alive) or not any(alive):
            return
        for candidate in self._passed:
            scale = [now * lives for now, lives in zip(candidate.scale, alive, strict=True)]
            share = sum(now * level for now, level in zip(scale, candidate.level, strict=True))
            if share > 0:
                candidate.scale = [now / share for now in scale]
                candidate.joint = _joint(candidate.leads, candidate)

    def _discount(self, candidate: Candidate) -> None:
        """Take most of the evidence from a lead that only stepped, and all from one that jumped."""
        credit = [1.0 if now <= JUMP * level else 0.0 for now, level in zip(candidate.leads, self.level, strict=True)]
        if self._peak_to_peak and any(candidate.step):
            for lead, (step, usual) in enumerate(zip(candidate.step, self._peak_to_peak, strict=True)):
                if step > STEP_RATIO * usual:
                    credit[lead] = min(credit[lead], STEP_CREDIT)
        if min(credit) < 1:
            candidate.leads = [now * part for now, part in zip(candidate.leads, credit, strict=True)]
            candidate.joint = _joint(candidate.leads, candidate)

    def _is_t_wave(self, candidate: Candidate, since: float) -> bool:
        if self._last is None or since >= T_WAVE:
            return False
        is_dull = all(
            scale <= 0 or (slope < T_WAVE_SLOPE * of_last and slope * tall_last < T_WAVE_SHARPNESS * of_last * tall)
            for scale, slope, tall, of_last, tall_last in zip(
                candidate.scale,
                candidate.slope,
                candidate.peak_to_peak,
                self._last.slope,
                self._last.peak_to_peak,
                strict=True,
            )
        )
        return is_dull or candidate.joint < T_WAVE_RATIO * _joint(self._last.leads, candidate)

    def _threshold(self, candidate: Candidate, since: float) -> float:
        part = THRESHOLD
        if self._usual_rr is not None:
            early = min(max((0.9 - since / self._usual_rr) / 0.5, 0.0), 1.0)
            part += (EARLY_THRESHOLD - THRESHOLD) * early
        false, level = _joint(self._false, candidate), _joint(self.level, candidate)
        contrast, noise_contrast = CONTRAST, RHYTHM_NOISE_CONTRAST
        if since > FADE_AFTER:
            noise_contrast = NOISE_CONTRAST
        if self._last is not None and since > FADE_AFTER:
            level *= max(0.5 ** ((since - FADE_AFTER) / FADE), FADE_LEAST)
            contrast = FADE_CONTRAST
        return max(
            false + part * (level - false),
            contrast * _joint(candidate.average, candidate),
            noise_contrast * _joint(candidate.noise, candidate),
        )


def _is_too_small(candidate: Candidate) -> bool:
    return all(
        scale <= 0 or size < LEAST_MV for scale, size in zip(candidate.scale, candidate.peak_to_peak, strict=True)
    )


def _joint(leads: list[float], candidate: Candidate) -> float:
    return sum(now * scale for now, scale in zip(leads, candidate.scale, strict=True))


def _toward(old: list[float], new: list[float], part: float) -> list[float]:
    return [a + part * (b - a) for a, b in zip(old, new, strict=True)]
