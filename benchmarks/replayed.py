"""Records replayed as `ecg-edge replay` replays them, by any model, with the score of each beat kept beside its label.

As a program it replays some records in one process; `replay` starts a few of those.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import common
from edge.errors import EcgEdgeError
from edge.inference.beat_model import BeatModel
from edge.messages import LabelledBeat, Message, Stream
from edge.service.replay import Replay
from edge.service.wiring import Options
from edge.sinks import Sink
from edge.sinks.wfdb_annotations import WfdbAnnotations
from edge.sources.wfdb_files import read_header
from edge.sources.wfdb_record import open_record
from training import ec57
from training.evaluate import read_both

JOBS = 2
"""Processes at once, unless told otherwise."""

NO_BEAT = "O"


class Scored(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The beats of one record, as they are and as they were called.

    Attributes
    ----------
    name : str
        Record name.
    hours : float
        Its length.
    fs_hz : float
        Its rate.
    samples : int64 array, shape (n,)
        Where the reference has a beat; where it has none, where one was found.
    truth, said : str array, shape (n,)
        AAMI classes, `NO_BEAT` where there is none.
    scores : float64 array, shape (n,)
        As published with the label; NaN where no beat was found.
    """

    name: str
    hours: float
    fs_hz: float
    samples: NDArray[np.int64]
    truth: NDArray[np.str_]
    said: NDArray[np.str_]
    scores: NDArray[np.float64]


def replay(records: Sequence[str], data: Path, model: str | Path, folder: Path, jobs: int = JOBS) -> None:
    """Replay records into `RECORD.edge` and `RECORD.scores.npy`.

    Parameters
    ----------
    records : sequence of str
        Names.
    data : Path
        Folder of the database.
    model : str or Path
        Name of a shipped model, or path of any.
    folder : Path
        Where to write.
    jobs : int
        Processes at once, of one thread each.

    Raises
    ------
    SystemExit
        If a record fails.
    """
    env = {**os.environ, "PYTHONPATH": str(common.REPO), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.replayed", str(model), str(data.resolve()), str(folder.resolve())]
    shares = [share for share in (records[first::jobs] for first in range(jobs)) if share]
    children = [subprocess.Popen([*command, *share], cwd=common.REPO, env=env) for share in shares]
    codes = [child.wait() for child in children]
    if any(codes):
        sys.exit(f"the replay of {', '.join(records)} failed")


def read(name: str, folder: Path, data: Path) -> Scored:
    """Compare a replayed record with its reference, beat by beat.

    Parameters
    ----------
    name : str
        Of the record.
    folder : Path
        That `replay` wrote to.
    data : Path
        Folder of the database.
    """
    header = read_header(data / f"{name}.hea")
    fs_hz, reference, found = read_both(data / f"{name}.atr", folder / f"{name}.edge", header.fs_hz)
    compared = ec57.compare(reference, found, fs_hz)
    at = {int(sample): score for sample, score in np.load(folder / f"{name}.scores.npy").tolist()}
    n_samples = header.n_samples or int(reference[0].max(initial=0))
    return Scored(
        name=name,
        hours=n_samples / header.fs_hz / 3600,
        fs_hz=header.fs_hz,
        samples=np.where(compared.pairs[:, 0] >= 0, compared.pairs[:, 0], compared.pairs[:, 1]),
        truth=compared.labels[:, 0],
        said=compared.labels[:, 1],
        scores=np.array([at[test] if test >= 0 else np.nan for test in compared.pairs[:, 1].tolist()], np.float64),
    )


class _Scores(Sink):
    """Sink that writes sample and score of each beat."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._folder)

    def open(self, stream: Stream) -> None:
        self._path = self._folder / f"{stream.name}.scores.npy"
        self._beats: list[tuple[int, float]] = []

    def write(self, message: Message) -> None:
        if isinstance(message, LabelledBeat):
            self._beats.append((message.sample, message.score))

    def close(self, reason: str) -> None:  # noqa: ARG002  # what was found is kept, why ever the record ended
        np.save(self._path, np.array(self._beats, np.float64).reshape(-1, 2))


def main() -> None:
    """Replay some records in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("model", str), ("data", Path), ("folder", Path)):
        parser.add_argument(name, type=kind)
    parser.add_argument("records", nargs="+")
    arguments = parser.parse_args()

    def report(error: EcgEdgeError | str) -> None:
        sys.stderr.write(f"{error}\n")

    failed = False
    arguments.folder.mkdir(parents=True, exist_ok=True)
    try:
        with BeatModel.load(arguments.model) as model:
            sinks: list[Sink] = [WfdbAnnotations(arguments.folder), _Scores(arguments.folder)]
            replay = Replay(Options(), model, sinks, report=report)
            for record in arguments.records:
                failed |= bool(replay.run(open_record(record, arguments.data)).errors)
    except EcgEdgeError as error:
        sys.exit(str(error))
    sys.exit(failed)


if __name__ == "__main__":
    main()
