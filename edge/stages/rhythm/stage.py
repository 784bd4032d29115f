"""The stage: keeps time, and hands beats, quality and gaps to what follows them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from edge.kinds import title
from edge.messages import FS_HZ, Event, Gap, LabelledBeat, Likelihood, Message, Quality, RPeak, Samples, Vitals
from edge.stages.rhythm.atrial import AtrialFibrillation
from edge.stages.rhythm.dropped import DroppedBeats
from edge.stages.rhythm.ectopy import Burden, Pattern
from edge.stages.rhythm.episodes import Episodes, Tracker
from edge.stages.rhythm.rate import HeartRate, RateTracker
from edge.stages.rhythm.readability import Readability
from edge.stages.rhythm.rules import RhythmRules
from edge.stages.rhythm.runs import SupraventricularRuns, VentricularRuns
from edge.stages.rhythm.silence import ASYSTOLES, Silence
from edge.stages.rhythm.ventricular import VentricularFibrillation

_LATEST = 2 * FS_HZ
"""From a beat until it is told, and from the end of a second until its quality is, at the latest. What is told later
than that was cut short by a gap, within which time must not pass as silence."""

TOO_POOR = "signal too poor"


_WAVES = FS_HZ
"""For how long at least there have been waves where fibrillation is more likely than not."""
_REMEMBERED = 300 * FS_HZ
"""What other rules are told of the stream so far: longer than any of their windows."""


class Rhythm:
    """Stage that tells `Vitals` once a second and `Episode`; everything that comes in is passed on, `RPeak` alone not.

    Silence is told by R peaks, which are known at once; all else by beats, once they are labelled.

    Time goes on with the events' `decided`, and with each block to its end plus its lag. What time itself decides,
    a second that is over or a silence that has lasted, is told at its own sample, after the events of that sample
    and before any later one; so blocks do not matter. Seconds that end within a gap that was not bridged have no
    Vitals.

    Parameters
    ----------
    rules : RhythmRules
        Thresholds.
    n_leads : int
        Leads of the stream.
    electrodes_known : bool
        Whether the source says when an electrode is off; otherwise a flat line may be one.
    """

    def __init__(self, rules: RhythmRules, n_leads: int, electrodes_known: bool = False) -> None:
        self._rules = rules
        self._n_leads = n_leads
        self._electrodes_known = electrodes_known
        self._asystole = round(rules.asystole_s * FS_HZ)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        rules = self._rules
        self._out: list[Message] = []
        episodes = self._episodes = Episodes(self._out_append, rules.update_s)
        self._signal = Readability(episodes, rules, self._n_leads, self._electrodes_known)
        self._silence = Silence(episodes, rules, self._electrodes_known)
        self._hr = HeartRate(rules.hr_window_s)
        self._atrial = AtrialFibrillation(episodes, rules)
        self._ventricular = VentricularFibrillation(episodes, rules)
        self._waves_until = 0  # end of the last stretch that was more likely fibrillation than silence
        self._trackers: tuple[Tracker, ...] = (
            RateTracker(episodes, rules, "extreme_bradycardia", within="bradycardia"),
            RateTracker(episodes, rules, "extreme_tachycardia", within="tachycardia"),
            RateTracker(episodes, rules, "bradycardia", beyond="extreme_bradycardia"),
            RateTracker(episodes, rules, "tachycardia", beyond="extreme_tachycardia"),
            VentricularRuns(episodes, rules),
            SupraventricularRuns(episodes, rules),
            Pattern(episodes, rules, "bigeminy"),
            Pattern(episodes, rules, "trigeminy"),
            DroppedBeats(episodes, rules),
            Burden(episodes, rules),
            self._atrial,
        )
        self._beats = dict.fromkeys("NSVFQ", 0)
        self._last: int | None = None  # sample of the last beat
        self._last_peak = -1  # before the first, no silence is one between two beats
        self._after_gap = False
        self._second = FS_HZ  # end of the second that runs
        self._now = 0
        self._end = 0
        self._past: deque[Message] = deque()
        self._past_from = 0  # sample from which on the past is known

    def push(self, message: Message) -> Iterable[Message]:
        """Take one message in; return it, and what was decided at or before it."""
        self._remember(message)
        if isinstance(message, Samples):
            self._pass(message.end + message.lag + 1)
            self._now = max(self._now, message.end + message.lag)
            self._end = message.end
            self._out.append(message)
        elif isinstance(message, RPeak):
            self._wait(message.decided, min(message.decided, message.sample + _LATEST))
            self._on_peak(message)
        elif isinstance(message, LabelledBeat):
            self._note(message, min(message.decided, message.sample + _LATEST))
            self._on_beat(message)
        elif isinstance(message, Likelihood):
            self._on_likelihood(message)
        elif isinstance(message, Quality):
            self._note(message, min(message.decided, message.start + message.n + _LATEST))
            self._on_quality(message)
        elif isinstance(message, Gap):
            self._note(message, message.decided if message.bridged else min(message.start, message.decided))
            self._on_gap(message)
        else:
            self._out.append(message)
        return self._take()

    def succeed(self, former: Rhythm) -> list[Message]:
        """Go on in the place of a stage with other rules, as if these had held for the last minutes.

        Parameters
        ----------
        former : Rhythm
            The stage so far, of the same stream; it is not to be used any more.

        Returns
        -------
        list of Message
            Ends of the episodes that are none by the new rules, and onsets of those that are some only now.
        """
        self._second = former._past_from - former._past_from % FS_HZ + FS_HZ
        self._silence.begin_at(former._past_from)
        for message in former._past:
            self.push(message)
        self._take()
        self._past_from = former._past_from
        self._beats = former._beats
        self._episodes.succeed(former._episodes, self._end, self._now)
        return self._take()

    def flush(self) -> Iterable[Message]:
        """End every running episode."""
        self._lost_all(self._now, "end of stream")
        self._silence.stop(self._end, self._now, "end of stream")
        self._signal.flush(self._end, self._now)
        return self._take()

    def _out_append(self, message: Message) -> None:
        self._out.append(message)

    def _take(self) -> list[Message]:
        out, self._out = self._out, []
        return out

    def _remember(self, message: Message) -> None:
        """Keep what is needed to look at the last minutes again; of the samples only how far they have come."""
        past = self._past
        if isinstance(message, Samples):
            if past and isinstance(past[-1], Samples):
                past.pop()
            past.append(Samples(start=message.end, mv=message.mv[:0], lag=message.lag))
            while past and _time(past[0]) < message.end - _REMEMBERED:
                self._past_from = _time(past.popleft())
        elif isinstance(message, RPeak | LabelledBeat | Likelihood | Quality | Gap):
            past.append(message)

    def _note(self, event: Event, until: int) -> None:
        """Let time pass up to an event, and pass it on."""
        self._wait(event.decided, until)
        self._out.append(event)

    def _wait(self, decided: int, until: int) -> None:
        """Let time pass `until` a sample, where something new was `decided`."""
        if decided > self._now:
            self._pass(until)
            self._now = decided

    def _pass(self, until: int) -> None:
        """Tell all that time decides before `until`."""
        while (due := min(self._second, self._silence.due)) < until:
            if due == self._silence.due and self._ventricular.lasts:
                self._silence.lost(0, due - FS_HZ, due, "vf")
            elif due == self._silence.due:
                if (kind := self._silence.fire()) in ASYSTOLES:
                    self._lost_all(due, kind)
            else:
                self._tick(due)

    def _tick(self, now: int) -> None:
        self._ventricular.tick(now)
        for tracker in self._trackers:
            tracker.tick(now)
        self._episodes.tick(now)
        hr_bpm = self._hr.at(now)
        reason = self._why_no_rate(hr_bpm)
        self._after_gap &= hr_bpm is None
        self._out.append(
            Vitals(
                sample=now - 1,
                hr_bpm=None if reason else hr_bpm,
                reason=reason,
                leads=self._signal.leads,
                beats=self._beats.copy(),
                decided=now,
            )
        )
        self._second = now + FS_HZ

    def _why_no_rate(self, hr_bpm: float | None) -> str | None:
        signal, silence = self._signal, self._silence.kind
        is_noise = signal.view == "doubtful"
        if silence and signal.view != "lost":
            return title(silence)
        if signal.reason or (signal.lost and is_noise):
            return signal.reason or TOO_POOR
        if self._ventricular.lasts:
            return "ventricular fibrillation"
        if hr_bpm is not None:
            return None
        if self._after_gap or is_noise:
            return "gap" if self._after_gap else TOO_POOR
        return "too few beats" if any(self._beats.values()) else "no beats yet"

    def _on_peak(self, peak: RPeak) -> None:
        if self._ventricular.lasts:
            self._silence.lost(0, peak.sample, peak.decided, "vf")
            self._last_peak = peak.sample
            return
        since = max(self._last_peak, self._signal.from_sample(peak.sample), min(self._waves_until, peak.sample))
        if peak.sample - since >= self._asystole:
            self._lost_all(peak.decided, "asystole")
        self._silence.beat(
            peak.sample,
            peak.decided,
            since,
            after_beat=since == self._last_peak,
            readable_from=self._signal.from_sample(),
        )
        self._last_peak = peak.sample

    def _on_beat(self, beat: LabelledBeat) -> None:
        self._beats[beat.label] += 1
        joined = self._joins(beat)
        self._signal.beat(beat, self._last if joined else None)
        if not self._ventricular.lasts:  # what is found in fibrillation are its waves
            self._hr.beat(beat, joined)
            for tracker in self._trackers:
                tracker.beat(beat, joined)
        self._last = beat.sample

    def _joins(self, beat: LabelledBeat) -> bool:
        """Return whether the signal could be read all the way from the beat before, or nearly and that is not long."""
        if beat.rr_ms is None or self._last is None or self._ventricular.ended_after(self._last):
            return False
        if self._signal.from_sample(beat.sample) <= self._last:
            return True
        is_long = beat.sample - self._last >= self._asystole
        return not is_long and self._signal.from_sample(beat.sample, across_doubtful=True) <= self._last

    def _on_likelihood(self, likelihood: Likelihood) -> None:
        if likelihood.kind == "af":
            self._atrial.judge(likelihood)
            return
        self._wait(likelihood.decided, likelihood.decided)
        had = self._ventricular.lasts
        if self._ventricular.judge(likelihood) or self._ventricular.lasts:
            # Big waves are no silence, whether or not a beat is seen in them.
            self._waves_until = likelihood.sample + 1
            self._silence.lost(likelihood.sample - _WAVES, self._waves_until, likelihood.decided, "vf")
        if self._ventricular.lasts and not had:
            # A silence that was not told yet is no more.
            self._silence.lost(0, self._waves_until, likelihood.decided, "vf")
            self._silence.stop(likelihood.sample, likelihood.decided, "vf")
            self._lost_all(likelihood.decided, "vf")

    def _on_quality(self, quality: Quality) -> None:
        had = self._signal.lost
        view = self._signal.judge(quality)
        if view in ("seen", "flat"):
            self._silence.see(quality.start, flat=view == "flat")
            return
        self._silence.lost(quality.start, quality.start + quality.n, quality.decided, "signal")
        if self._signal.lost and not had:
            self._lost_all(quality.decided, "signal")
        self._end_silence_in_the_dark(quality.decided, "signal")

    def _on_gap(self, gap: Gap) -> None:
        if not self._signal.hides(gap):
            return
        end = gap.start + gap.n
        self._silence.lost(gap.start, end, gap.decided, "gap")
        if not gap.bridged:
            self._lost_all(gap.decided, "gap")
            self._after_gap = True
            passed = max(end, gap.decided)
            self._second = max(self._second, passed - passed % FS_HZ + FS_HZ)
        self._signal.lose(gap)
        self._end_silence_in_the_dark(gap.decided, "gap")

    def _end_silence_in_the_dark(self, decided: int, why: str) -> None:
        """End an asystole of which nothing is seen any more: that the signal is lost is told instead."""
        if (since := self._signal.dark_from) is not None:
            self._silence.stop(since, decided, why)

    def _lost_all(self, decided: int, why: str) -> None:
        self._hr.lost()
        if why != "vf":
            self._ventricular.end(decided, why)
        for tracker in self._trackers:
            tracker.lost(decided, why)


def _time(message: Message) -> int:
    """Return up to where a remembered message has brought the stream."""
    return message.decided if isinstance(message, Event) else message.end if isinstance(message, Samples) else 0
