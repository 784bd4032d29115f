"""Watches a board: live source → pipeline → sinks, until it is told to stop."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from edge.config import Config
from edge.errors import EcgEdgeError, SourceError
from edge.inference.beat_model import BeatModel
from edge.inference.runtime import runtime_name
from edge.messages import Gap, Samples, SourceState, Stream
from edge.service.health import Health, load_model
from edge.service.notify import Notifier
from edge.service.progress import ProgressLine
from edge.service.replay import EXIT_FAILED, Progress
from edge.service.signals import SignalRequests, listening
from edge.service.summary import Summary
from edge.service.table import table
from edge.service.watch import Watch
from edge.service.wiring import Options, model_info, sinks
from edge.sinks import Sink
from edge.sinks.fanout import Fanout
from edge.sources.serial.sensor import SerialSensor

Report = Callable[[EcgEdgeError | str], None]
Reread = Callable[[], Config | None]
"""Reads the configuration again if that was asked for, else returns None; may raise `EcgEdgeError`."""

# Sections whose change a running watch takes up.
_RELOADED = ("rhythm", "alarms")
# A board that keeps changing its rate for months is not told of in full.
_SUMMARIES = 100


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
    notifier : Notifier, optional
        The service manager.
    health : Health, optional
        Looks at the machine.
    reread : callable, optional
        SignalRequests after every message for a new configuration.
    """

    def __init__(
        self,
        options: Options,
        model: BeatModel,
        sinks: Sequence[Sink],
        *,
        report: Report,
        progress: Progress | None = None,
        notifier: Notifier | None = None,
        health: Health | None = None,
        reread: Reread | None = None,
    ) -> None:
        self._settings = options.config
        self._model = model
        self._sinks = Fanout(sinks, report)
        self._report = report
        self._progress = progress
        self._notifier = notifier or Notifier()
        self._health = health or Health()
        self._reread = reread
        self._watch: Watch | None = None
        self._reason: str | None = None
        self._shown: str | None = None
        self.summaries: deque[Summary] = deque(maxlen=_SUMMARIES)
        self._n_streams = 0

    def run(self, sensor: SerialSensor, stop: threading.Event) -> SourceError | None:
        """Watch until `stop` is set; return why it ended before."""
        failure = None
        try:
            for message in sensor.messages(stop):
                self._take(message)
                self._notifier.alive()
                self._change_settings()
        except SourceError as error:
            failure = error
            self._report(error)
        except BaseException:
            self._end("failed", None)
            raise
        self._notifier.stopping(str(failure or "stopping"))
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
                if self._shown is None:
                    self._notifier.ready(self._all_is_well(self._watch))
                if self._progress is not None:
                    self._progress(self._watch.stream, self._watch.n_samples, self._watch.tally)

    def _begin(self, stream: Stream) -> None:
        # A board says its own name, and files are named after it.
        stream = msgspec.structs.replace(stream, name=_plain(stream.name))
        if self._watch is not None:
            self._report(f"{stream.name}: samples otherwise than before, and is watched anew")
            self._end("the board samples otherwise than before", None)
            # Files are named after the stream; those of the one before are kept.
            stream = msgspec.structs.replace(stream, name=f"{stream.name}-{self._n_streams + 1}")
        what = f"{stream.fs_hz:g} Hz, leads {', '.join(stream.leads)}"
        for note in stream.notes:
            # What a board says may hold words for a terminal.
            self._report("".join(filter(str.isprintable, f"{stream.name}: {note}; {what}")))
        self._n_streams += 1
        self._sinks.open(stream)
        self._watch = Watch(stream, self._model, self._settings, self._sinks)

    def _tell(self, state: SourceState) -> None:
        """Say what is wrong, with the source and with this machine, wherever it can be said."""
        problems = (*self._health.problems(), *self._sinks.problems)
        reason = "; ".join(filter(None, (state.reason, *problems))) or None
        if self._watch is not None:
            self._sinks.write(msgspec.structs.replace(state, problems=problems))
        elif reason is not None:
            self._sinks.announce(reason)
        if reason != self._reason:
            self._reason = reason
            self._report(reason or "all is well again")
        # Everybody who can be told has been told: being without samples is then a state like any other.
        # What a broker cannot be told, and what its connection has told the journal, is shown here.
        self._shown = "; ".join(filter(None, (reason, *self._sinks.troubles))) or None
        if self._shown is not None:
            self._notifier.ready(self._shown)

    def _change_settings(self) -> None:
        """Take up a changed configuration, as far as that goes without a restart."""
        try:
            settings = self._reread() if self._reread is not None else None
        except EcgEdgeError as error:
            self._report(f"{error}; the configuration stays as it was")
            self._notifier.reloading()
            self._notifier.ready(f"{error}; the configuration stays as it was")
            return
        if settings is None:
            return
        self._notifier.reloading()
        before, self._settings = self._settings, settings
        changed = [name for name in settings.__struct_fields__ if getattr(settings, name) != getattr(before, name)]
        if self._watch is not None and set(changed) & set(_RELOADED):
            self._watch.change_rules(settings)
        self._report(f"configuration read again; changed: {', '.join(changed) or 'nothing'}")
        if later := [name for name in changed if name not in _RELOADED]:
            self._report(f"{', '.join(later)}: takes effect after a restart")
        self._notifier.ready(self._shown or "configuration read again")

    @staticmethod
    def _all_is_well(watch: Watch) -> str:
        rate = "" if watch.hr_bpm is None else f", {watch.hr_bpm:.0f} beats/min"
        return f"watching {watch.stream.name}, {watch.stream.fs_hz:g} Hz{rate}"

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


def run(options: Options, *, as_json: bool = False, read: Callable[[], Config] | None = None) -> int:
    """Watch the board the configuration names until Ctrl-C, and say what was found.

    Parameters
    ----------
    options : Options
        What is asked for.
    as_json : bool
        Whether to print one JSON object a stream instead of lines and a table.
    read : callable, optional
        Reads the configuration again, for SIGHUP.

    Returns
    -------
    int
        The command's exit code: 0 after Ctrl-C or SIGTERM, which is how a watch ends.
    """
    progress = ProgressLine(sys.stderr)

    def report(error: EcgEdgeError | str) -> None:
        progress.clear()
        print(f"ecg-edge: {error}", file=sys.stderr, flush=True)

    chosen, problem = load_model(options.config.model.name)
    with chosen as model, listening(report) as asked:
        console = None if as_json else sys.stdout
        outputs = sinks(options, model, console=console, before_line=progress.clear, live=True, report=report)
        live = LiveRun(
            options,
            model,
            outputs,
            report=report,
            progress=progress,
            notifier=Notifier.from_environment(),
            health=Health(_folders(options), [problem] if problem else []),
            reread=_reread(asked, read),
        )
        failure = live.run(SerialSensor(options.config.sensor), asked.stop)
        progress.clear()
        if as_json:
            for summary in live.summaries:
                print(msgspec.json.encode(summary).decode(), flush=True)
        elif live.summaries:
            print(table(list(live.summaries)))
    return EXIT_FAILED if failure is not None or any(summary.errors for summary in live.summaries) else 0


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:64].strip("-_") or "board"


def _reread(asked: SignalRequests, read: Callable[[], Config] | None) -> Reread:
    return lambda: read() if read is not None and asked.take_reload() else None


def _folders(options: Options) -> list[Path]:
    """Return where this run writes."""
    state = [Path(folder) for folder in os.environ.get("STATE_DIRECTORY", "").split(":") if folder]
    files = [options.annotations, options.alerts and options.alerts.absolute().parent]
    # A folder that is yet to be made is made by the sink that writes into it.
    return [*state, *(folder for folder in files if folder is not None and folder.is_dir())]
