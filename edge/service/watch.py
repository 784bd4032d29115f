"""One live stream on its way through the pipeline."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

import msgspec

from edge.config import Config
from edge.inference.beat_model import BeatModel
from edge.messages import FS_HZ, Alert, Episode, Event, Gap, Samples, Stream, Strip, Vitals
from edge.pipeline import Pipeline
from edge.service.summary import Tally
from edge.sinks.fanout import Fanout

_TIMES = ("decided", "sample", "start", "onset", "end")


class Watch:
    """Takes a stream's samples through a pipeline into the sinks.

    Parameters
    ----------
    stream : Stream
        The stream.
    model : BeatModel
        Classifies the beats.
    settings : Config
        Its `rhythm` and `alarms`.
    sinks : Fanout
        Where results go.
    """

    def __init__(self, stream: Stream, model: BeatModel, settings: Config, sinks: Fanout) -> None:
        self.stream = stream
        self.tally = Tally(stream)
        self.n_samples = 0
        self.hr_bpm: float | None = None
        self.began_s = time.monotonic()
        self._model = model
        self._sinks = sinks
        self._shift: _Shift | None = None
        self._pipeline = self._new_pipeline(settings)
        self._last_number = 0
        self._beats: Counter[str] = Counter()

    def take(self, message: Samples | Gap) -> None:
        """Take samples, or the news that some were lost, through the pipeline into the sinks."""
        pushed = message if self._shift is None else self._shift.back(message)
        self._give(self._pipeline.push(pushed))
        self._sinks.write(message)
        self.n_samples = message.end if isinstance(message, Samples) else message.start + message.n

    def flush(self) -> None:
        """Give the sinks what the pipeline still holds."""
        self._give(self._pipeline.flush())

    def change_rules(self, settings: Config) -> None:
        """Go on with other rules: alerts in force end, and the stages start anew at the next sample."""
        self.flush()
        self._pipeline = self._new_pipeline(settings)
        # Stages take the first sample for number 0; what they say is told in the stream's own numbers and counts.
        self._shift = _Shift(self.n_samples, self.stream.fs_hz, self._last_number, Counter(self._beats))

    def _new_pipeline(self, settings: Config) -> Pipeline:
        return Pipeline(self.stream, self._model, rhythm=settings.rhythm, alarms=settings.alarms)

    def _give(self, events: Iterable[Event]) -> None:
        for found in events:
            event = found if self._shift is None else self._shift.forth(found)
            if isinstance(event, Alert | Episode):
                self._last_number = max(self._last_number, event.number)
            elif isinstance(event, Vitals):
                self._beats, self.hr_bpm = Counter(event.beats), event.hr_bpm
            self.tally.add(event)
            self._sinks.write(event)


class _Shift(msgspec.Struct, frozen=True):
    """Between the numbers of a pipeline begun mid-stream and those of the stream."""

    n: int
    fs_hz: float
    number: int
    beats: Counter[str]

    def back(self, message: Samples | Gap) -> Samples | Gap:
        """Return what the source says in the pipeline's numbers."""
        moved = {"start": message.start - self.n}
        if isinstance(message, Gap):
            moved["decided"] = message.decided - self.n
        return msgspec.structs.replace(message, **moved)

    def forth(self, event: Event) -> Event:
        """Return what the pipeline found in the stream's numbers."""
        changes: dict[str, object] = {}
        for name in event.__struct_fields__:
            value = getattr(event, name)
            if name in _TIMES and value is not None:
                changes[name] = value + self.n
            elif name == "number":
                changes[name] = value + self.number
            elif name == "beats" and isinstance(event, Vitals):
                changes[name] = {label: n + self.beats[label] for label, n in event.beats.items()}
            elif isinstance(value, Strip):
                start = value.start + round(self.n * FS_HZ / self.fs_hz)
                changes[name] = msgspec.structs.replace(value, start=start)
        return msgspec.structs.replace(event, **changes)
