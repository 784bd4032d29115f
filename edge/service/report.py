"""Reports of recordings: each analysed once, written in every form that is asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.errors import EcgEdgeError, SourceError, printable
from edge.findings.analyze import findings_of
from edge.findings.findings import Findings
from edge.inference.beat_model import BeatModel
from edge.report.disclosure import disclose
from edge.report.export import write_export
from edge.report.write import Extras, check_form, write_report
from edge.service.replay import EXIT_FAILED, EXIT_INTERRUPTED, stop_on_signal
from edge.service.terminal import Terminal
from edge.service.wiring import Options
from edge.sources.files import open_recording
from edge.triage.note import note_of
from edge.triage.questionnaire import Questionnaire


class Wanted(NamedTuple):
    """What is to be written of each input; `{name}` in a file's name stands for the recording's.

    Attributes
    ----------
    reports : sequence of Path
        Their suffixes say the forms.
    exports : mapping of Path
        By form, see `edge.report.export.FORMS`.
    answers : Questionnaire or None
        For the triage note.
    disclosure : bool
        Whether every beat is to be shown.
    """

    reports: Sequence[Path]
    exports: Mapping[str, Path]
    answers: Questionnaire | None = None
    disclosure: bool = False


def write_reports(
    inputs: Sequence[str], wanted: Wanted, data: Path | None, options: Options, *, as_json: bool = False
) -> int:
    """Analyse recordings one after the other and write their reports.

    Parameters
    ----------
    inputs : sequence of str
        What `edge.sources.files.open_recording` can open.
    wanted : Wanted
        What is to be written.
    data : Path or None
        Folder to look in first.
    options : Options
        What is asked for.
    as_json : bool
        Whether to print the findings as JSON, one object a recording, instead of a summary in words.

    Returns
    -------
    int
        The command's exit code.
    """
    for path in wanted.reports:
        check_form(path)
    good = True
    with Terminal() as terminal:
        with BeatModel.load(options.config.model.name) as model, stop_on_signal() as stop:
            for name in inputs:
                found = _one(name, wanted, data, options, _Work(model, stop, terminal))
                good &= found is not None
                if found is not None:
                    terminal.print(found.to_json().decode() if as_json else printable_lines(found))
                if stop.is_set():
                    terminal.report("interrupted, the report is of what was seen by then")
                    break
        shown = terminal.finish(None)
    return EXIT_INTERRUPTED if stop.is_set() else 0 if good and shown else EXIT_FAILED


class _Work(NamedTuple):
    """What every input is worked on with."""

    model: BeatModel
    stop: threading.Event
    terminal: Terminal


def _one(name: str, wanted: Wanted, data: Path | None, options: Options, work: _Work) -> Findings | None:
    """Analyse an input and write its reports; None if that failed, which is told."""
    terminal = work.terminal
    try:
        recording = open_recording(name, data, options.read_as)
        title, rules = recording.stream.name, options.config
        found = findings_of(
            recording,
            work.model,
            rhythm=rules.rhythm,
            alarms=rules.alarms,
            stop=work.stop,
            progress=lambda share: terminal.progress.share(title, share),
        )
        terminal.progress.clear()
        note = None if wanted.answers is None else note_of(wanted.answers, found)
        extras = Extras(note=note, disclosure=disclose(recording) if wanted.disclosure else None)
        for path in wanted.reports:
            terminal.report(f"{write_report(found, named(path, title), extras)} written")
        for form, path in wanted.exports.items():
            terminal.report(f"{write_export(form, recording, found, named(path, title))} written")
    except EcgEdgeError as error:
        terminal.report(error)
        return None
    except Exception as error:  # whatever a file holds, the others are reported on
        if os.environ.get("ECG_EDGE_DEBUG") == "1":
            raise
        terminal.report(SourceError(name, f"cannot be read, unexpected {type(error).__name__}: {error}"))
        return None
    return found


def read_answers(path: Path) -> Questionnaire:
    """Return the answers of a file, as JSON by `docs/schemas/questionnaire.json`.

    Raises
    ------
    SourceError
        With what is wrong with them.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Questionnaire)
    except OSError as error:
        raise SourceError(str(path), error.strerror or "cannot be read") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(str(path), f"these are no answers: {error}", "see docs/schemas/questionnaire.json") from error


def printable_lines(found: Findings) -> str:
    """Return the findings in words for a terminal."""
    return "\n".join(printable(line) for line in (f"{found.subject.name}:", *found.summary().splitlines()))


def named(path: Path, name: str) -> Path:
    """Return a file's path, a recording's name in the place of `{name}`."""
    return path.with_name(path.name.replace("{name}", _file_name(name)))


def _file_name(name: str) -> str:
    """Return a recording's name as a file's: nothing in it leads out of the folder."""
    bare = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".")
    return bare[:100] or "report"
