"""From what a source yields to its events: the one loop that everything which analyses a stream shares."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from edge.errors import SourceError
from edge.inference.beat_model import BeatModel
from edge.messages import Event, Gap, Message, Samples, SourceState, Stream
from edge.pipeline import Pipeline
from edge.sources import Source, SourceMessage
from edge.stages.alarms import AlarmRules
from edge.stages.rhythm import RhythmRules


class Analysis:
    """Takes what a source yields through the pipeline, a new pipeline for each of its streams.

    Parameters
    ----------
    model : BeatModel
        Classifies the beats.
    rhythm : RhythmRules, optional
        What counts as which rhythm.
    alarms : AlarmRules, optional
        Which rhythms are told, and how urgently.
    """

    def __init__(
        self, model: BeatModel, *, rhythm: RhythmRules | None = None, alarms: AlarmRules | None = None
    ) -> None:
        self._model = model
        self._rhythm = rhythm
        self._alarms = alarms
        self._pipeline: Pipeline | None = None

    def follow(self, source: Source, stop: threading.Event) -> Iterator[list[Message]]:
        """Yield, for each thing the source says, all that it leads to, until the source ends or `stop` is set.

        What the pipeline still holds comes last.

        Raises
        ------
        SourceError
            If the source fails; what could be found until then has been yielded.
        """
        try:
            for message in source.messages(stop):
                yield self.take(message)
        except SourceError:
            yield [*self.finish()]
            raise
        yield [*self.finish()]

    def take(self, message: SourceMessage) -> list[Message]:
        """Return what the next thing a source says leads to: events, and after them the message that decided them.

        A gap is returned once, as the pipeline has it: with whether it could be bridged.

        Raises
        ------
        ValueError
            If samples come before their stream.
        """
        match message:
            case Stream():
                ended = self.finish()
                self._pipeline = Pipeline(message, self._model, rhythm=self._rhythm, alarms=self._alarms)
                return [*ended, message]
            case SourceState():
                return [message]
            case Samples() | Gap():
                if self._pipeline is None:
                    raise ValueError("a source says what stream it has before its samples")
                events = self._pipeline.push(message)
                return [*events, message] if isinstance(message, Samples) else [*events]

    def change_rules(self, rhythm: RhythmRules, alarms: AlarmRules) -> list[Event]:
        """Go on with other rules; return what that leads to, see `Pipeline.change_rules`."""
        self._rhythm, self._alarms = rhythm, alarms
        return [] if self._pipeline is None else self._pipeline.change_rules(rhythm, alarms)

    def finish(self) -> list[Event]:
        """End the stream; return the events that were still held."""
        pipeline, self._pipeline = self._pipeline, None
        return [] if pipeline is None else pipeline.flush()
