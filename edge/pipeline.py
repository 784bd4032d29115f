"""Chains the stages; the only place that knows their order. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from edge.features import conducted, irregularity, waves
from edge.inference.beat_model import BeatModel
from edge.inference.trees import TreeModel, shipped
from edge.messages import Event, Gap, Message, Samples, Stream
from edge.stages import Stage
from edge.stages.alarms import AlarmRules, Alarms
from edge.stages.atria import Atria
from edge.stages.beats import Beats
from edge.stages.classify import Classify
from edge.stages.conditioning.stage import Conditioning
from edge.stages.qrs.stage import QrsDetector
from edge.stages.quality import SignalQuality
from edge.stages.rhythm import Rhythm, RhythmRules
from edge.stages.ventricles import Ventricles
from edge.timebase import Rates


class Chain:
    """Stages one after the other, events kept in the order they were decided.

    Parameters
    ----------
    stages : sequence of Stage
        In the order of the flow.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = tuple(stages)

    def push(self, message: Message) -> list[Message]:
        """Take one message through all stages; return what came out at the end."""
        return self._through([message], self._stages)

    def flush(self) -> list[Message]:
        """End of the stream: let every stage give up what it holds, first to last."""
        out: list[Message] = []
        for i, stage in enumerate(self._stages):
            out += self._through(list(stage.flush()), self._stages[i + 1 :])
        return out

    def reset(self) -> None:
        """Make all stages as new."""
        for stage in self._stages:
            stage.reset()

    @staticmethod
    def _through(batch: list[Message], stages: Iterable[Stage]) -> list[Message]:
        for stage in stages:
            batch = list(_in_order(out for message in batch for out in stage.push(message)))
        return batch


def _in_order(messages: Iterable[Message]) -> Iterator[Message]:
    """Sort events by `decided` within the span that each block of samples closes."""
    events: list[Event] = []
    for message in messages:
        if isinstance(message, Event):
            events.append(message)
        else:
            yield from sorted(events, key=_decided)
            events.clear()
            yield message
    yield from sorted(events, key=_decided)


def _decided(event: Event) -> int:
    return event.decided


def front_end(stream: Stream) -> list[Stage]:
    """Stages from samples to beats ready to be classified; training makes its features with these too."""
    return [
        SignalQuality(stream.fs_hz, len(stream.leads), range_mv=stream.range_mv),
        Conditioning(stream.fs_hz, len(stream.leads), range_mv=stream.range_mv),
        QrsDetector(len(stream.leads)),
        Beats(stream.leads),
    ]


def atrial_model() -> TreeModel:
    """Return the model of atrial fibrillation that is shipped.

    Raises
    ------
    ModelError
        If it is missing or broken.
    """
    return TreeModel(shipped("af"), irregularity.NAMES, irregularity.example())


def strip_model() -> TreeModel:
    """Return the model of atrial fibrillation in short recordings that is shipped.

    Raises
    ------
    ModelError
        If it is missing or broken.
    """
    return TreeModel(shipped("af_strip"), irregularity.STRIP_NAMES, irregularity.strip_example())


def ectopy_model() -> TreeModel:
    """Return the model of supraventricular beats among those that are not ventricular that is shipped.

    Raises
    ------
    ModelError
        If it is missing or broken.
    """
    return TreeModel(shipped("s"), conducted.NAMES, conducted.example())


def atria() -> Atria:
    """Return the stage that knows what the atria do, with the models that are shipped."""
    return Atria(atrial_model(), strip_model(), ectopy_model())


def ventricular_model() -> TreeModel:
    """Return the model of ventricular fibrillation that is shipped.

    Raises
    ------
    ModelError
        If it is missing or broken.
    """
    return TreeModel(shipped("vf"), waves.NAMES, waves.example())


class Pipeline:
    """From samples to alerts.

    Takes `Samples` and `Gap` in the source's own sample numbers and returns events in those numbers. The blocks
    themselves are not returned; whoever feeds the pipeline has them.

    Parameters
    ----------
    stream : Stream
        What the source says of itself.
    model : BeatModel
        Classifies the beats.
    rhythm : RhythmRules
        What counts as which rhythm.
    alarms : AlarmRules
        Which rhythms are told, and how urgently.
    """

    def __init__(
        self,
        stream: Stream,
        model: BeatModel,
        *,
        rhythm: RhythmRules | None = None,
        alarms: AlarmRules | None = None,
    ) -> None:
        self._stream = stream
        self._first: list[Stage] = [*front_end(stream), Classify(model), atria()]
        self._first.append(Ventricles(ventricular_model(), len(stream.leads)))
        self._rhythm = self._follow(rhythm or RhythmRules())
        self._alarms = Alarms(alarms or AlarmRules(), stream.leads)
        self._chain = Chain([*self._first, self._rhythm, self._alarms])
        self._rates = Rates(stream.fs_hz)

    def push(self, message: Samples | Gap) -> list[Event]:
        """Take in the next samples, or the news that some were lost; return the events they lead to."""
        return self._leave(self._chain.push(message))

    def flush(self) -> list[Event]:
        """End of the stream: return the events still held."""
        return self._leave(self._chain.flush())

    def change_rules(self, rhythm: RhythmRules, alarms: AlarmRules) -> list[Event]:
        """Go on with other rules; beats found and labelled from now on are what they would have been anyway.

        Alerts in force that hold by the new rules too go on under their numbers, the others end.

        Returns
        -------
        list of Event
            Onsets and ends that the change leads to.
        """
        former_rhythm, self._rhythm = self._rhythm, self._follow(rhythm)
        former_alarms, self._alarms = self._alarms, Alarms(alarms, self._stream.leads)
        self._chain = Chain([*self._first, self._rhythm, self._alarms])
        return self._leave(self._alarms.succeed(former_alarms, self._rhythm.succeed(former_rhythm)))

    def reset(self) -> None:
        """Make ready for a new stream of the same kind."""
        self._chain.reset()

    def _follow(self, rules: RhythmRules) -> Rhythm:
        return Rhythm(rules, len(self._stream.leads), self._stream.lead_off_detection)

    def _leave(self, messages: Iterable[Message]) -> list[Event]:
        return [self._rates.event_to_source(message) for message in messages if isinstance(message, Event)]
