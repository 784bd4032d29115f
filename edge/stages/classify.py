"""From beats to labelled beats, by a model."""

from __future__ import annotations

from collections.abc import Iterable

from edge.inference.beat_model import BeatModel
from edge.messages import Beat, Label, LabelledBeat, Message


class Classify:
    """Stage that labels every `Beat`.

    A beat that is not usable becomes Q, score 0, without asking the model; so does a noisy one that the model does not
    call N. Noise seldom looks like a normal beat and often like a ventricular one, of which the model is as sure as of
    true ones.

    Parameters
    ----------
    model : BeatModel
        It decides, and tells how sure it is.
    """

    def __init__(self, model: BeatModel) -> None:
        self._model = model

    def push(self, message: Message) -> Iterable[Message]:
        """Label a beat; pass anything else on."""
        return (self._label(message),) if isinstance(message, Beat) else (message,)

    def flush(self) -> Iterable[Message]:
        """Nothing is ever held."""
        return ()

    def reset(self) -> None:
        """Nothing is ever held."""

    def _label(self, beat: Beat) -> LabelledBeat:
        label: Label = "Q"
        score = 0.0
        if beat.usable:
            label, score = self._model.decide(self._model.predict(beat.window, beat.features))
            if beat.noisy and label != "N":
                label, score = "Q", 0.0
        known = beat.usable and not beat.noisy
        return LabelledBeat(
            sample=beat.sample,
            label=label,
            score=score,
            rr_ms=beat.rr_ms,
            features=beat.features if known else None,
            decided=beat.decided,
        )
