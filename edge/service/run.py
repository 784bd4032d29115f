"""Watches a board: live source → pipeline → sinks, until it is told to stop."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from edge.errors import EcgEdgeError, SourceError
from edge.inference import BeatModel, runtime_name
from edge.messages import Event, Gap, Samples, SourceState, Stream
from edge.pipeline import Pipeline
from edge.service.progress import ProgressLine
from edge.service.replay import EXIT_FAILED, Progress, stop_on_signal
from edge.service.summary import Summary, Tally
from edge.service.table import table
from edge.service.wiring import Options, model_info, sinks
from edge.sinks import Sink
from edge.sinks.fanout import Fanout
from edge.sources.serial_sensor import SerialSensor

Report = Callable[[EcgEdgeError | str], None]


class LiveRun:
    """Takes what a sensor yields through the pipeline, a pipeline for each of its streams.

    Parameters
    ----------
    options : Options
        What is asked for.
    model : BeatModel
        Classifies the beats.
    sinks : sequence of Sink
        Where results go.
    report : callable
        Told of everything that goes wrong, as it does.
    progress : callable, optional
        Told after every block.
    """

    def __init__(
        self,
        options: Options,
        model: BeatModel,
        sinks: Sequence[Sink],
        *,
        report: Report,
        progress: Progress | None = None,
    ) -> None:
        self._options = options
        self._model = model
        self._sinks = Fanout(sinks, report)
        self._report = report
        self._progress = progress
        self._watch: _Watch | None = None
        self._reason: str | None = None
        self.summaries: list[Summary] = []

    def run(self, sensor: SerialSensor, stop: threading.Event) -> SourceError | None:
        """Watch until `stop` is set; return why it ended before."""
        failure = None
        try:
            for message in sensor.messages(stop):
                self._take(message)
        except SourceError as error:
            failure = error
            self._report(error)
        except BaseException:
            self._end("failed", None)
            raise
        self._end(failure.reason if failure else "stopped", failure)
        return failure

    def _take(self, message: Stream | Samples | Gap | SourceState) -> None:
        match message:
            case Stream():
                self._begin(message)
            case SourceState():
                self._tell(message)
            case Samples() | Gap():
                assert self._watch is not None  # noqa: S101  # a stream comes before its samples
                self._watch.take(message)
                if self._progress is not None:
                    self._progress(self._watch.stream, self._watch.n_samples, self._watch.tally)

    def _begin(self, stream: Stream) -> None:
        if self._watch is not None:
            self._report(f"{stream.name}: samples otherwise than before, and is watched anew")
            self._end("the board samples otherwise than before", None)
            # Files are named after the stream; those of the one before are kept.
            stream = msgspec.structs.replace(stream, name=f"{stream.name}-{len(self.summaries) + 1}")
        what = f"{stream.fs_hz:g} Hz, leads {', '.join(stream.leads)}"
        for note in stream.notes:
            self._report(f"{stream.name}: {note}; {what}")
        settings = self._options.config
        pipeline = Pipeline(stream, self._model, rhythm=settings.rhythm, alarms=settings.alarms)
        self._sinks.open(stream)
        self._watch = _Watch(stream, pipeline, self._sinks)

    def _tell(self, state: SourceState) -> None:
        if self._watch is not None:
            self._sinks.write(state)
        elif state.reason is not None:
            self._sinks.announce(state.reason)
        if state.reason != self._reason:
            self._reason = state.reason
            self._report(state.reason or "all is well again")

    def _end(self, reason: str, failure: SourceError | None) -> None:
        watch, self._watch = self._watch, None
        if watch is None:
            if failure is not None:
                self._sinks.announce(reason, final=True)
            return
        watch.flush()
        self._sinks.close(reason)
        errors = [*([failure] if failure else []), *self._sinks.errors]
        self.summaries.append(
            msgspec.structs.replace(
                watch.tally.summary(watch.n_samples, time.monotonic() - watch.began_s),
                model=model_info(self._model),
                runtime=runtime_name(),
                written=self._sinks.written,
                errors=tuple(str(error) for error in errors),
            )
        )


class _Watch:
    """One stream on its way through the pipeline."""

    def __init__(self, stream: Stream, pipeline: Pipeline, sinks: Fanout) -> None:
        self.stream = stream
        self.tally = Tally(stream)
        self.n_samples = 0
        self.began_s = time.monotonic()
        self._pipeline = pipeline
        self._sinks = sinks

    def take(self, message: Samples | Gap) -> None:
        """Take samples, or the news that some were lost, through the pipeline into the sinks."""
        self._give(self._pipeline.push(message))
        self._sinks.write(message)
        self.n_samples = message.end if isinstance(message, Samples) else message.start + message.n

    def flush(self) -> None:
        """Give the sinks what the pipeline still holds."""
        self._give(self._pipeline.flush())

    def _give(self, events: Iterable[Event]) -> None:
        for event in events:
            self.tally.add(event)
            self._sinks.write(event)


def run(options: Options, *, as_json: bool = False) -> int:
    """Watch the board the configuration names until Ctrl-C, and say what was found.

    Parameters
    ----------
    options : Options
        What is asked for.
    as_json : bool
        Whether to print one JSON object a stream instead of lines and a table.

    Returns
    -------
    int
        The command's exit code: 0 after Ctrl-C, which is how a watch ends.
    """
    progress = ProgressLine(sys.stderr)

    def report(error: EcgEdgeError | str) -> None:
        progress.clear()
        print(f"ecg-edge: {error}", file=sys.stderr, flush=True)

    with BeatModel.load(options.config.model.name) as model, stop_on_signal() as stop:
        outputs = sinks(options, model, console=None if as_json else sys.stdout, before_line=progress.clear)
        live = LiveRun(options, model, outputs, report=report, progress=progress)
        failure = live.run(SerialSensor(options.config.sensor), stop)
        progress.clear()
        if as_json:
            for summary in live.summaries:
                print(msgspec.json.encode(summary).decode(), flush=True)
        elif live.summaries:
            print(table(live.summaries))
    return EXIT_FAILED if failure is not None or any(summary.errors for summary in live.summaries) else 0
