"""One stream on its way from the analysis into the sinks, counted as it goes by."""

from __future__ import annotations

import time

import msgspec

from edge.errors import SourceError
from edge.inference.beat_model import BeatModel
from edge.inference.runtime import runtime_name
from edge.messages import Event, Gap, Message, Samples, Stream
from edge.service.summary import Summary, Tally
from edge.service.wiring import model_info
from edge.sinks.fanout import Fanout


class Session:
    """Gives the sinks what the analysis of one stream yields.

    Parameters
    ----------
    stream : Stream
        The stream, by the name that the sinks are to know it by.
    model : BeatModel
        The model that classifies the beats.
    sinks : Fanout
        Where results go.

    Attributes
    ----------
    tally : Tally
        What was found so far.
    n_samples : int
        Samples seen so far.
    """

    def __init__(self, stream: Stream, model: BeatModel, sinks: Fanout) -> None:
        self.stream = stream
        self.tally = Tally(stream)
        self.n_samples = 0
        self._model = model
        self._sinks = sinks
        self._began_s = time.monotonic()
        sinks.open(stream)

    def give(self, message: Message) -> None:
        """Take an event, a block of samples or a source's state."""
        match message:
            case Samples():
                self.n_samples = message.end
            case Gap():
                self.n_samples = message.start + message.n
            case _:
                pass
        if isinstance(message, Event):
            self.tally.add(message)
        self._sinks.write(message)

    def close(self, reason: str, failure: SourceError | None = None) -> Summary:
        """Close the sinks; return what was found, and what went wrong."""
        self._sinks.close(reason)
        errors = [*([failure] if failure else []), *self._sinks.errors]
        return msgspec.structs.replace(
            self.tally.summary(self.n_samples, time.monotonic() - self._began_s),
            model=model_info(self._model),
            runtime=runtime_name(),
            written=self._sinks.written,
            undelivered=self._sinks.undelivered,
            errors=tuple(str(error) for error in errors),
        )
