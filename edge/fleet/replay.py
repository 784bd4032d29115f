"""Many records read again: from a list of locations to tables, by whatever engine does the work."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import msgspec

from edge.config import Config
from edge.fleet import record
from edge.fleet.engine import Engine, engine
from edge.fleet.listing import locations
from edge.fleet.parts import About, Output
from edge.fleet.progress import Progress, duration
from edge.fleet.record import Result, Task
from edge.inference.beat_model import BeatModel
from edge.service.replay import EXIT_FAILED, EXIT_INTERRUPTED, stop_on_signal
from edge.service.terminal import shown
from edge.service.wiring import model_info

RECORDS_A_PART = 100


class Interrupted(Exception):  # noqa: N818  (it is no error)
    """Somebody asked the work to end."""


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did; the object `--json` prints.

    Attributes
    ----------
    records, done_before : int
        In the list, and how many of them an earlier run had done.
    ok, partial, failed : int
        Of those that this run read.
    failed_in_all : int
        Records in the tables that could not be read.
    ecg_s, elapsed_s : float
        Seconds of ECG that this run read, and took.
    out : str
        The folder.
    interrupted : bool
        Whether it ended before the list did.
    """

    records: int
    done_before: int
    ok: int
    partial: int
    failed: int
    failed_in_all: int
    ecg_s: float
    elapsed_s: float
    out: str
    interrupted: bool = False


class Bulk:
    """A list of records on their way into the tables of a folder.

    Parameters
    ----------
    records : sequence of str
        Where they are, see `edge.fleet.listing`.
    output : Output
        Where the rows go.
    stop : threading.Event, optional
        Once set, the work ends; parts that are not whole are left out.
    retry : bool
        Whether parts in which a record failed are done again.
    """

    def __init__(
        self, records: Sequence[str], output: Output, *, stop: threading.Event | None = None, retry: bool = False
    ) -> None:
        self._records, self._output = records, output
        self._stop = stop or threading.Event()
        size = output.about.records_a_part
        parts = [records[start : start + size] for start in range(0, len(records), size)]
        self._todo = [(n, part) for n, part in enumerate(parts) if not output.is_done(n, part, retry=retry)]
        self._n_parts = len(parts)
        self._statuses: Counter[str] = Counter()
        self._ecg_s = 0.0
        self._places = _places(records) if output.about.task.annotations else {}

    def run(self, engine: Engine, progress: Progress | None = None) -> Total:
        """Do what is to be done.

        Raises
        ------
        FleetError
            If the engine or the folder can do no more; what is done is kept.
        """
        begun = time.monotonic()
        todo = sum(len(part) for _, part in self._todo)

        def tick() -> None:
            if progress is not None:
                progress(todo, self._statuses)
            if self._stop.is_set():
                raise Interrupted

        task = self._output.about.task
        wanted = (where for _, part in self._todo for where in part)
        results = engine.in_order(
            record.function(task), wanted, lost=lambda where, reason: record.lost(where, reason, task), tick=tick
        )
        interrupted = False
        try:
            self._write(results)
        except Interrupted:
            interrupted = True
        finally:
            results.close()  # type: ignore[attr-defined]  # it is a generator
        return Total(
            records=len(self._records),
            done_before=len(self._records) - todo,
            ok=self._statuses["ok"],
            partial=self._statuses["partial"],
            failed=self._statuses["failed"],
            failed_in_all=self._output.failed(),
            ecg_s=round(self._ecg_s, 3),
            elapsed_s=round(time.monotonic() - begun, 3),
            out=str(self._output.folder),
            interrupted=interrupted,
        )

    def _write(self, results: Iterator[Result]) -> None:
        for number, records in self._todo:
            with self._output.part(number, records) as part:
                for where in records:
                    result = next(results)
                    part.add(result)
                    self._statuses[result.status] += 1
                    self._ecg_s += result.ecg_s
                    if result.annotations is not None:
                        self._output.annotate(self._places[where], result.annotations)


def _places(records: Sequence[str]) -> dict[str, str]:
    """Return where each record's annotation file goes: as the records lie to each other, so that names may recur."""
    split = {where: ["__" if p == ".." else p for p in where.replace("://", "/").split("/")] for where in records}
    folders = [parts[:-1] for parts in split.values()]
    # What the first and the last of them in order share, all between share too.
    shared = zip(min(folders), max(folders), strict=False) if folders else ()
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], shared))
    return {where: "/".join(filter(None, parts[common:])) + ".edge" for where, parts in split.items()}


def replay(
    words: Sequence[str],
    out: Path,
    *,
    data: Path | None,
    settings: Config,
    workers: int | None,
    scheduler: str | None,
    annotations: bool,
    retry: bool,
    as_json: bool,
    records_a_part: int = RECORDS_A_PART,
) -> int:
    """Read many records again, and say what came of it.

    Parameters
    ----------
    words : sequence of str
        What is to be read, see `edge.fleet.listing.locations`.
    out : Path
        Folder for the tables.
    data : Path or None
        Where names of records are looked up first.
    settings : Config
        Model and rules.
    workers, scheduler : int or None, str or None
        See `edge.fleet.engine.engine`; by default as many processes as there are processors.
    annotations, retry : bool
        Whether WFDB annotations are written, and parts with failures done again.
    as_json : bool
        Whether to print one JSON object instead of lines.
    records_a_part : int
        How many records share a file.

    Returns
    -------
    int
        The command's exit code.
    """
    progress = Progress(sys.stderr)
    report = shown(progress.clear)
    records = locations(words, data)
    with BeatModel.load(settings.model.name) as model:
        task = Task(model=model_info(model), rhythm=settings.rhythm, alarms=settings.alarms, annotations=annotations)
    output = Output(out, About(records_a_part=records_a_part, task=task))
    try:
        n_parts = -(-len(records) // records_a_part)
        if beyond := output.parts_beyond(n_parts):
            report(f"{out} holds {beyond} more parts than this list has: they are of an earlier, longer one")
        with stop_on_signal() as stop:
            bulk = Bulk(records, output, stop=stop, retry=retry)
            with engine(workers or len(os.sched_getaffinity(0)), scheduler) as does:
                total = bulk.run(does, progress)
    finally:
        progress.clear()
        output.close()
    print(msgspec.json.encode(total).decode() if as_json else "\n".join(_told(total)))
    if total.interrupted:
        report(f"interrupted; {out} keeps what is whole, run the same command to go on")
        return EXIT_INTERRUPTED
    return EXIT_FAILED if total.failed_in_all else 0


def _told(total: Total) -> list[str]:
    read = total.ok + total.partial + total.failed
    lines = [
        f"{total.records:,} records, {total.done_before:,} of them done before",
        f"{read:,} read in {duration(total.elapsed_s)}: {total.ecg_s / 3600:,.1f} h of ECG",
    ]
    if total.partial:
        lines.append(f"{total.partial:,} ended early; what could be read of them was used")
    if total.failed_in_all:
        lines.append(f"{total.failed_in_all:,} could not be read: see `reason` where `status` is failed, in summary")
    return [*lines, f"tables in {total.out}: beats, episodes, vitals, summary"]
