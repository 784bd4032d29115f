"""Watches a board: live source → pipeline → sinks, until it is told to stop."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from edge.analysis import Analysis
from edge.config import Config
from edge.errors import EcgEdgeError, SourceError
from edge.inference.beat_model import BeatModel
from edge.messages import Gap, Message, Samples, SourceState, Stream
from edge.service.health import Health, load_model
from edge.service.notify import Notifier
from edge.service.replay import EXIT_FAILED, Progress
from edge.service.session import Session
from edge.service.signals import SignalRequests, listening
from edge.service.summary import Summary
from edge.service.table import table
from edge.service.terminal import Terminal
from edge.service.wiring import Options, sinks
from edge.sinks import Sink
from edge.sinks.fanout import Fanout
from edge.sources import Source
from edge.sources.serial.sensor import SerialSensor

Report = Callable[[EcgEdgeError | str], None]
Reread = Callable[[], Config | None]
"""Reads the configuration again if that was asked for, else returns None; may raise `EcgEdgeError`."""

# Sections whose change a running watch takes up.
_RELOADED = ("rhythm", "alarms")
# A board that keeps changing its rate for months is not told of in full.
_SUMMARIES = 100
# SIGTERM leaves five seconds for everything; who does not read by then does not read.
_SHOWN_WITHIN_S = 0.5


class LiveRun:
    """Watches a live source: its analysis into the sinks, and what is wrong told to whoever can be told.

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
        Asked after every message for a new configuration.
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
        self._sinks = Fanout(sinks)
        self._report = report
        self._progress = progress
        self._notifier = notifier or Notifier()
        self._health = health or Health()
        self._reread = reread
        rhythm, alarms = options.config.rhythm, options.config.alarms
        self._analysis = Analysis(model, rhythm=rhythm, alarms=alarms)
        self._session: Session | None = None
        self._reason: str | None = None
        self._shown: str | None = None
        self.summaries: deque[Summary] = deque(maxlen=_SUMMARIES)
        self._n_streams = 0

    def run(self, source: Source, stop: threading.Event) -> SourceError | None:
        """Watch until `stop` is set; return why it ended before."""
        failure = None
        try:
            for batch in self._analysis.follow(source, stop):
                for message in batch:
                    self._take(message)
                self._notifier.alive()
                self._change_settings()
        except SourceError as error:
            failure = error
            self._report(error)
        except BaseException:
            self._give(self._analysis.finish())
            self._end("failed", None)
            raise
        self._notifier.stopping(str(failure or "stopping"))
        self._end(failure.reason if failure else "stopped", failure)
        return failure

    def _take(self, message: Message) -> None:
        match message:
            case Stream():
                self._begin(message)
            case SourceState():
                self._tell(message)
            case _:
                self._give([message])

    def _give(self, messages: Iterable[Message]) -> None:
        session = self._session
        if session is None:
            return
        for message in messages:
            session.give(message)
            if isinstance(message, Samples | Gap):
                if self._shown is None:
                    self._notifier.ready(self._all_is_well(session))
                if self._progress is not None:
                    self._progress(session.stream, session.n_samples, session.tally)

    def _begin(self, stream: Stream) -> None:
        # A board says its own name, and files are named after it.
        stream = msgspec.structs.replace(stream, name=_plain(stream.name))
        if self._session is not None:
            self._report(f"{stream.name}: samples otherwise than before, and is watched anew")
            self._end("the board samples otherwise than before", None)
            # What it left is delivered, or told, by the next.
            self.summaries[-1] = msgspec.structs.replace(self.summaries[-1], undelivered=())
            # Files are named after the stream; those of the one before are kept.
            stream = msgspec.structs.replace(stream, name=f"{stream.name}-{self._n_streams + 1}")
        what = f"{stream.fs_hz:g} Hz, leads {', '.join(stream.leads)}"
        for note in stream.notes:
            # What a board says may hold words for a terminal.
            self._report("".join(filter(str.isprintable, f"{stream.name}: {note}; {what}")))
        self._n_streams += 1
        self._session = Session(stream, self._model, self._sinks)

    def _tell(self, state: SourceState) -> None:
        """Say what is wrong, with the source and with this machine, wherever it can be said."""
        problems = (*self._health.problems(), *self._sinks.problems)
        reason = "; ".join(filter(None, (state.reason, *problems))) or None
        if self._session is not None:
            self._session.give(msgspec.structs.replace(state, problems=problems))
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
        if set(changed) & set(_RELOADED):
            self._give(self._analysis.change_rules(settings.rhythm, settings.alarms))
        self._report(f"configuration read again; changed: {', '.join(changed) or 'nothing'}")
        if later := [name for name in changed if name not in _RELOADED]:
            self._report(f"{', '.join(later)}: takes effect after a restart")
        self._notifier.ready(self._shown or "configuration read again")

    @staticmethod
    def _all_is_well(session: Session) -> str:
        rate = "" if session.tally.hr_bpm is None else f", {session.tally.hr_bpm:.0f} beats/min"
        return f"watching {session.stream.name}, {session.stream.fs_hz:g} Hz{rate}"

    def _end(self, reason: str, failure: SourceError | None) -> None:
        session, self._session = self._session, None
        if session is not None:
            self.summaries.append(session.close(reason, failure))
        elif failure is not None:
            self._sinks.announce(reason, final=True)


def run(options: Options, *, as_json: bool = False, read: Callable[[], Config] | None = None) -> int:
    """Watch the board the configuration names until Ctrl-C, and say what was found.

    Parameters
    ----------
    options : Options
        What is asked for.
    as_json : bool
        Whether to print one JSON object per stream instead of lines and a table.
    read : callable, optional
        Reads the configuration again, for SIGHUP.

    Returns
    -------
    int
        The command's exit code: 0 after Ctrl-C or SIGTERM, which is how a watch ends.
    """
    chosen, problem = load_model(options.config.model.name)
    with Terminal() as terminal, chosen as model, listening() as asked:
        outputs = sinks(options, model, console=None if as_json else terminal.console(), live=True)
        live = LiveRun(
            options,
            model,
            outputs,
            report=terminal.report,
            progress=terminal.progress,
            notifier=Notifier.from_environment(),
            health=Health(_folders(options), [problem] if problem else []),
            reread=_reread(asked, read),
        )
        failure = live.run(SerialSensor(options.config.sensor), asked.stop)
        for line in live.summaries[-1].undelivered if live.summaries else ():
            terminal.report(line)
        if as_json:
            for summary in live.summaries:
                terminal.print(msgspec.json.encode(summary).decode())
        elif live.summaries:
            terminal.print(table(list(live.summaries), terminal.columns, terminal.told))
        shown = terminal.finish(_SHOWN_WITHIN_S)
    failed = failure is not None or any(summary.failed for summary in live.summaries)
    return EXIT_FAILED if failed or not shown else 0


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
