"""What the benchmarks of accuracy have in common: which models on which records, and what they are called."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import common
from training.evaluate import record_names

DOMINANT = "232"
"""Three quarters of the S beats of DS2 are this record's."""

LEAST_SCORE = {"cnn": 0.94, "lstm": 0.94}
"""Score that an alarm for single V beats should ask for, by model: where DS1 comes nearest to five false V an hour.

Read off the released models, which have learnt from DS1 but for record 201."""

QUICK_SVDB = 2

NOISES = ("0 dB", "-6 dB")


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be scored.

    Attributes
    ----------
    models : tuple of str
        Names of shipped models, or paths of any.
    data : Path
        Folder that holds mitdb, svdb and nstdb.
    records, svdb : tuple of str
        Records of mitdb, and those of svdb not learnt from.
    jobs : int
        Processes at once.
    results : Path
        Folder to write to.
    """

    models: tuple[str, ...]
    data: Path
    records: tuple[str, ...]
    svdb: tuple[str, ...]
    jobs: int
    results: Path


def chosen(arguments: argparse.Namespace, models: Sequence[str] = ()) -> Task:
    """Return what the options ask for."""
    data = common.data_dir(arguments.data)
    svdb = record_names(["svdb"], data / "svdb") if (data / "svdb").is_dir() else ()
    records = common.chosen_records(arguments, data / "mitdb")
    if arguments.records:
        svdb = tuple(record for record in records if record in svdb)
    elif arguments.quick:
        svdb = svdb[:QUICK_SVDB]
    return Task(
        models=tuple(models),
        data=data,
        records=tuple(record for record in records if record not in svdb),
        svdb=svdb,
        jobs=arguments.jobs,
        results=arguments.results,
    )


def model_name(model: str) -> str:
    """Return what a model is called in results: no folders but the one that tells it from others of its name."""
    path = Path(model)
    return f"{path.parent.name}/{path.stem}" if path.suffix == ".tflite" else model


def least_score(model: str) -> float:
    """Return what `LEAST_SCORE` has for a model of this name; its label is enough if it has nothing."""
    return LEAST_SCORE.get(Path(model).stem, 0.0)


def machine() -> dict[str, Any]:
    """Return what these figures depend on."""
    return common.machine("scipy", "wfdb", "tflite-runtime", "ai-edge-litert")
