"""Replays a source through the pipeline into the sinks, as fast as it goes or at a pace."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from edge.analysis import Analysis
from edge.errors import EcgEdgeError, SourceError
from edge.inference.beat_model import BeatModel
from edge.messages import Stream
from edge.service.session import Session
from edge.service.signals import Asked
from edge.service.summary import Summary, Tally
from edge.service.table import table
from edge.service.terminal import Terminal
from edge.service.wiring import Options, sinks
from edge.sinks import Sink
from edge.sinks.fanout import Fanout
from edge.sources import Recording
from edge.sources.files import open_recording
from edge.sources.playback import Playback
from edge.sources.read_as import ReadAs

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

Progress = Callable[[Stream, int, Tally], None]
"""Told after every block: the stream, how many samples were seen, what was found so far."""


class Replay:
    """Replays sources, one after the other.

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
    stop : threading.Event, optional
        Once set, the replay ends after the block it is at.
    """

    def __init__(
        self,
        options: Options,
        model: BeatModel,
        sinks: Sequence[Sink],
        *,
        report: Callable[[EcgEdgeError | str], None],
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._options = options
        self._model = model
        self._sinks = Fanout(sinks)
        self._report = report
        self._progress = progress
        self._stop = stop or threading.Event()

    @property
    def read_as(self) -> ReadAs:
        """What the user says of files that do not say it themselves."""
        return self._options.read_as

    def run(self, recording: Recording) -> Summary:
        """Replay one recording to its end; what goes wrong is reported and noted in the summary."""
        source = Playback(recording, self._options.speed, self._options.block)
        settings = self._options.config
        analysis = Analysis(self._model, rhythm=settings.rhythm, alarms=settings.alarms)
        session = Session(recording.stream, self._model, self._sinks)
        failure: SourceError | None = None
        try:
            for batch in analysis.follow(source, self._stop):
                for message in batch:
                    if not isinstance(message, Stream):
                        session.give(message)
                if self._progress is not None:
                    self._progress(session.stream, session.n_samples, session.tally)
        except SourceError as error:
            failure = error
        except BaseException:
            self._sinks.close("failed")
            raise
        if failure is None and session.tally.nothing_readable:
            failure = SourceError(session.stream.name, "no lead could be read in any second of it", "check the leads")
        if failure is not None:
            self._report(failure)
        reason = failure.reason if failure else "interrupted" if self._stop.is_set() else "end of record"
        return session.close(reason, failure)


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into an event, so that what was found is still written; the second one kills."""
    stop = Asked()
    before: dict[signal.Signals, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # a signal handler's arguments
        stop.set()
        for caught, handler in before.items():
            signal.signal(caught, handler)

    for caught in (signal.SIGINT, signal.SIGTERM):
        before[caught] = signal.signal(caught, ask)
    try:
        yield stop
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)


def replay_records(
    names: Sequence[str],
    data: Path | None,
    options: Options,
    *,
    as_json: bool = False,
    quiet: bool = False,
    more: Callable[[BeatModel], Sequence[Sink]] = lambda _: (),
) -> int:
    """Replay records one after the other, and print what was found.

    Parameters
    ----------
    names : sequence of str
        Paths or names of records, tables, EDF files; see `edge.sources.files.open_recording`.
    data : Path or None
        Folder to look in first.
    options : Options
        What is asked for.
    as_json : bool
        Whether to print one JSON object per record instead of lines and a table.
    quiet : bool
        Whether nothing but errors is printed, as where a further sink shows it.
    more : callable
        Returns further sinks, given the model.

    Returns
    -------
    int
        The command's exit code.
    """
    summaries: list[Summary] = []
    with Terminal() as terminal:
        with BeatModel.load(options.config.model.name) as model, stop_on_signal() as stop:
            outputs = [*more(model), *sinks(options, model, console=None if as_json or quiet else terminal.console())]
            replay = Replay(
                options,
                model,
                outputs,
                report=terminal.report,
                progress=None if quiet else terminal.progress,
                stop=stop,
            )
            for name in names:
                summaries.append(_replay_one(replay, name, data, terminal.report))
                if as_json and not quiet:
                    terminal.print(msgspec.json.encode(summaries[-1]).decode())
                if stop.is_set():
                    terminal.report("interrupted, what was found so far is kept")
                    break
        if not as_json and not quiet:
            terminal.print(table(summaries, terminal.columns, terminal.told))
        shown = terminal.finish(None)
    if stop.is_set():
        return EXIT_INTERRUPTED
    return EXIT_FAILED if any(summary.failed for summary in summaries) or not shown else 0


def _replay_one(replay: Replay, name: str, data: Path | None, report: Callable[[EcgEdgeError | str], None]) -> Summary:
    try:
        source = open_recording(name, data, replay.read_as)
        for note in source.stream.notes:
            report(f"{source.stream.name}: {note}")
        return replay.run(source)
    except SourceError as error:
        report(error)
        return Summary(record=name, errors=(str(error),))
    except Exception as error:  # whatever a file holds, the other records are replayed
        if os.environ.get("ECG_EDGE_DEBUG") == "1":
            raise
        why = error.strerror if isinstance(error, OSError) else None
        failure = SourceError(name, f"cannot be read, {why or f'unexpected {type(error).__name__}: {error}'}")
        report(failure)
        return Summary(record=name, errors=(str(failure),))
