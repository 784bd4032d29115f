"""One record read again: a pure function that any executor can run, here or on another machine."""

from __future__ import annotations

import os
import threading
from functools import partial

import msgspec
import pyarrow as pa

from edge import __version__
from edge.analysis import Analysis
from edge.contract.payloads import ModelInfo
from edge.errors import EcgEdgeError, SourceError
from edge.fleet import rows
from edge.fleet.errors import MismatchError
from edge.fleet.fetch import name_of, opened
from edge.inference.beat_model import BeatModel
from edge.sinks.wfdb_annotations import annotation_file
from edge.sources import Recording
from edge.sources.playback import Playback
from edge.stages.alarms import AlarmRules
from edge.stages.rhythm import RhythmRules


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done with each record; the same for all of a run.

    Attributes
    ----------
    model : ModelInfo
        What classifies the beats; a worker that has another one refuses.
    rhythm, alarms : RhythmRules, AlarmRules
        What counts as which rhythm, and which rhythms are told.
    annotations : bool
        Whether a WFDB annotation file is wanted.
    version : str
        Of this program, wherever it runs.
    """

    model: ModelInfo
    rhythm: RhythmRules = RhythmRules()
    alarms: AlarmRules = AlarmRules()
    annotations: bool = False
    version: str = __version__


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one record.

    Attributes
    ----------
    tables : dict of str to RecordBatch
        Its rows, by table.
    status : str
        `ok`, `partial` (what could be read was) or `failed`.
    ecg_s : float
        Seconds of ECG that were read.
    annotations : bytes or None
        Its WFDB annotation file, if one was wanted and there is anything to annotate.
    """

    tables: dict[str, pa.RecordBatch]
    status: str
    ecg_s: float
    annotations: bytes | None = None


def analyse(where: str, task: Task) -> Result:
    """Read one record through the whole pipeline.

    Whatever is wrong with the record is told in its row; only what is wrong with the machine is raised.

    Parameters
    ----------
    where : str
        Path or URL, see `edge.fleet.listing`.
    task : Task
        What is to be done with it.

    Raises
    ------
    MismatchError
        If this machine has another version or model than `task` wants.
    """
    model = _model(task)
    try:
        with opened(where) as recording:
            return _read(where, recording, task, model)
    except EcgEdgeError as error:
        reason = error.reason if isinstance(error, SourceError) else str(error)
    except Exception as error:  # whatever a file holds, the others are read
        if os.environ.get("ECG_EDGE_DEBUG") == "1":
            raise
        reason = f"cannot be read, unexpected {type(error).__name__}: {error}"
    return lost(where, reason, task)


def lost(where: str, reason: str, task: Task) -> Result:
    """Return the result of a record of which nothing could be read."""
    return Result(tables=rows.failed(where, name_of(where), reason, task.model), status="failed", ecg_s=0.0)


def _read(where: str, recording: Recording, task: Task, model: BeatModel) -> Result:
    found = rows.Rows(where, recording.stream, task.model)
    analysis = Analysis(model, rhythm=task.rhythm, alarms=task.alarms)
    status, reason = "ok", None
    try:
        for batch in analysis.follow(Playback(recording), threading.Event()):
            for message in batch:
                found.add(message)
    except SourceError as error:
        status, reason = "partial" if found.n_samples else "failed", error.reason
    if status == "ok" and found.nothing_readable:
        status, reason = "failed", "no lead could be read in any second of it"
    annotations = annotation_file(found.beats, found.episodes, recording.stream.fs_hz) if task.annotations else None
    tables = found.tables(status, reason)
    return Result(tables=tables, status=status, ecg_s=tables["summary"]["ecg_s"][0].as_py(), annotations=annotations)


# An interpreter holds one beat at a time, so that threads cannot share a model.
_models = threading.local()


def _model(task: Task) -> BeatModel:
    if task.version != __version__:
        raise MismatchError(f"ecg-edge {task.version}", f"ecg-edge {__version__}")
    wanted = task.model
    model: BeatModel | None = getattr(_models, wanted.name, None)
    if model is None:
        model = BeatModel.load(wanted.name)
        setattr(_models, wanted.name, model)
    if model.sha256 != wanted.sha256:
        raise MismatchError(f"model {wanted.name} {wanted.sha256[:12]}…", f"{model.sha256[:12]}…")
    return model


def function(task: Task) -> partial[Result]:
    """Return the function of one location that a run gives to its executor."""
    return partial(analyse, task=task)
