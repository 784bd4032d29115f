"""What the atria do, from labelled beats: which beats are supraventricular, and how likely fibrillation is."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from edge.features import history
from edge.features.conducted import RHYTHM, UNKNOWN_ODDS, Conducted, next_s
from edge.features.irregularity import Intervals, Strip
from edge.inference.trees import TreeModel, log_odds, probability
from edge.messages import Event, Gap, LabelledBeat, Likelihood, Message, Samples

EVERY = 8
"""Pairs of intervals from one judgement to the next."""
FEWEST = 32
"""Pairs that it takes to call beats by it."""
SURE = log_odds(0.9)
"""From here on a beat that is not ventricular is of the fibrillation …"""
DOUBT = log_odds(0.5)
"""… until it is no more likely than not …"""
NO_P_WAVE = 0.4
"""… unless the PR segment is that of the beats before, by a mean cosine from here on: frequent ectopy is as irregular
as fibrillation, but has P waves. In cinc2017 it is less in nine of ten strips of fibrillation, one of five normal ones.
"""
STRIP_BEATS = 96
"""Beats up to which a recording is a strip, judged as a whole at its end."""

_P_USUAL = history.NAMES.index("p_usual")


class Atria:
    """Stage that tells supraventricular beats, and judges every few beats whether the atria fibrillate.

    First comes what a network sees of each beat, ventricular or not. What is not is S or N by its timing among others
    that are not, its P wave, and how likely fibrillation is.

    It tells a `Likelihood` of kind ``af``, which the rhythm stage makes an episode of slowly. Single beats follow at
    once: nothing is premature where nothing is expected, so that S becomes N while fibrillation is likely and there are
    no P waves. Its score is then the probability of fibrillation.

    Parameters
    ----------
    model : TreeModel
        Of what `edge.features.irregularity` measures.
    strips : TreeModel or None
        Of what it measures of short recordings; without it nothing is said of these.
    ectopy : TreeModel or None
        Of what `edge.features.conducted` measures; without it S is what the network calls so.
    """

    def __init__(self, model: TreeModel, strips: TreeModel | None = None, ectopy: TreeModel | None = None) -> None:
        self._model = model
        self._strips = strips
        self._ectopy = ectopy
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._intervals = Intervals()
        self._conducted = Conducted()
        self._since = 0
        self._fibrillates = False
        self._odds = UNKNOWN_ODDS
        self._strip = Strip()
        self._last: LabelledBeat | None = None
        self._seen = 0

    def push(self, message: Message) -> Iterable[Message]:
        """Take in a beat; pass it on, with what it leads to after it. Everything else passes."""
        # What is said of a whole recording is decided no sooner than anything else was.
        if isinstance(message, Event | Samples):
            self._seen = max(self._seen, message.decided if isinstance(message, Event) else message.end + message.lag)
        if isinstance(message, LabelledBeat):
            return self._on_beat(message)
        if isinstance(message, Gap) and not message.bridged:
            self._intervals.add(None, counts=False)
        return (message,)

    def flush(self) -> Iterable[Message]:
        """Judge a recording that was too short for anything else."""
        measured = self._strip.measure() if self._strips and len(self._strip) <= STRIP_BEATS else None
        if self._strips is None or measured is None or self._last is None:
            return ()
        odds = round(self._strips.log_odds(measured.tolist()), 4)
        return (Likelihood(kind="af", sample=self._last.sample, log_odds=odds, whole=True, decided=self._seen),)

    def _on_beat(self, beat: LabelledBeat) -> list[Message]:
        judged: list[Message] = []
        counts = beat.label in ("N", "S")
        rr_s = None if beat.rr_ms is None else beat.rr_ms / 1000
        if len(self._strip) <= STRIP_BEATS:
            self._strip.add(rr_s, beat.label)
            self._last = beat
        if self._intervals.add(rr_s, counts=counts):
            self._since += 1
        if self._since >= EVERY and (measured := self._intervals.measure()) is not None:
            self._since = 0
            judged.append(self._judge(self._model.log_odds(measured.tolist()), beat))
        return [self._tell(beat, rr_s), *judged]

    def _tell(self, beat: LabelledBeat, rr_s: float | None) -> LabelledBeat:
        """Tell whether a beat that is not ventricular is S or N."""
        label, score = beat.label, beat.score
        features = beat.features
        after_s = None if features is None else next_s(features)
        timing = self._conducted.describe(rr_s, after_s, ventricular=label in ("V", "F"))
        if self._ectopy is not None and features is not None and timing is not None and label in ("N", "S"):
            odds = self._ectopy.log_odds([*features[RHYTHM].tolist(), *timing, self._odds])
            likely = probability(odds)
            # A network that was sure of an N is not more so for what it was not asked; of an S it was sure of another.
            score = min(score, 1 - likely) if label == "N" else 1 - likely
            label = "N"
            if odds >= self._ectopy.card.least:
                label, score = "S", likely
        if self._fibrillates and label == "S" and (features is None or features[_P_USUAL] < NO_P_WAVE):
            label, score = "N", round(probability(self._odds), 4)
        return msgspec.structs.replace(beat, label=label, score=score, features=None)

    def _judge(self, odds: float, beat: LabelledBeat) -> Likelihood:
        likelihood = Likelihood(kind="af", sample=beat.sample, log_odds=round(odds, 4), decided=beat.decided)
        self._odds = likelihood.log_odds
        limit = DOUBT if self._fibrillates else SURE
        self._fibrillates = odds >= limit and len(self._intervals) >= FEWEST
        return likelihood
