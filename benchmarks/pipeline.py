"""The whole way from a record to annotations: how long it takes, where the time goes, and what it needs."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from benchmarks import common
from edge.inference.beat_model import BeatModel, model_names, models_dir
from edge.inference.runtime import runtime_name
from edge.messages import Gap, Message, Samples
from edge.stages import Stage

if TYPE_CHECKING:
    from edge.pipeline import Pipeline

RUNS = 3
STARTS = 7
BLOCKS = {14400: "40 s, as a replay", 360: "1 s", 36: "0.1 s, as live"}
FIRST_PUSH = """
import sys, time
from edge import pipeline

push = pipeline.Pipeline.push

def first(self, message):
    pipeline.Pipeline.push = push
    sys.stdout.write(f"first push {time.time()}\\n")
    return push(self, message)

pipeline.Pipeline.push = first
"""
"""Run before a replay, says when the first sample is about to be worked on."""


class Timed:
    """A stage that notes how long it works.

    Parameters
    ----------
    stage : Stage
        The stage.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.seconds = 0.0

    @property
    def name(self) -> str:
        """Name of the stage."""
        return type(self._stage).__name__

    def push(self, message: Message) -> Iterable[Message]:
        """Do what the stage does."""
        return self._time(lambda: self._stage.push(message))

    def flush(self) -> Iterable[Message]:
        """Do what the stage does."""
        return self._time(self._stage.flush)

    def reset(self) -> None:
        """Do what the stage does."""
        self._stage.reset()

    def _time(self, work: Callable[[], Iterable[Message]]) -> list[Message]:
        start = time.process_time()
        out = list(work())
        self.seconds += time.process_time() - start
        return out


def main() -> None:
    """Measure every model and write the results."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--models", nargs="+", default=list(model_names()))
    parser.add_argument("--stages-of", metavar="MODEL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    mitdb = common.data_dir(arguments.data) / "mitdb"
    records = common.chosen_records(arguments, mitdb)
    if arguments.stages_of:
        sys.stdout.write(msgspec.json.encode(inside(arguments.stages_of, mitdb, records)).decode())
        return
    if not arguments.models:
        sys.exit(f"no models in {models_dir()}")
    common.use_one_core()
    report(
        {model: measure(model, mitdb, records) for model in arguments.models},
        _starts(mitdb, arguments.models[0]),
        len(records),
        arguments.results,
    )


def measure(model: str, mitdb: Path, records: tuple[str, ...]) -> dict[str, Any]:
    """Measure one model: single replays, all records in one process, and from the inside."""
    sys.stderr.write(f"{model} …\n")
    singles = [_replay(mitdb, model, [record]) for record in common.QUICK[:RUNS] for _ in range(RUNS)]
    together = _replay(mitdb, model, records)
    worker = [sys.executable, "-m", "benchmarks.pipeline", "--stages-of", model, "--data", mitdb.parent]
    return {
        "single": {
            "seconds": statistics.median(run.seconds for run in singles),
            "cpu_seconds": statistics.median(run.cpu_seconds for run in singles),
            "runs": len(singles),
            "peak_mb": max(run.peak_mb for run in singles),
        },
        "together": {
            "records": len(records),
            "seconds_a_record": together.seconds / len(records),
            "cpu_seconds_a_record": together.cpu_seconds / len(records),
            "peak_mb": together.peak_mb,
        },
        "bytes": (models_dir() / f"{model}.tflite").stat().st_size,
        **msgspec.json.decode(common.run([*worker, "--records", *common.QUICK]).output),
    }


def inside(model: str, mitdb: Path, records: tuple[str, ...]) -> dict[str, Any]:
    """Return the time of each stage and of one beat in the model; this is what the worker process does."""
    from edge.pipeline import Pipeline  # noqa: PLC0415  (see common.run)
    from edge.sources.wfdb_record import WfdbRecord  # noqa: PLC0415

    loaded = BeatModel.load(model)
    stages_ms: dict[str, list[float]] = {}
    whole_ms: dict[int, list[float]] = {n: [] for n in BLOCKS}
    for record in records:
        source = WfdbRecord(mitdb / record)
        for n in BLOCKS:
            blocks = list(source.blocks(n))
            if n < max(BLOCKS):  # small ones take long
                blocks = blocks[: len(blocks) // 6]
            # Everything is told for half an hour, the length of a MIT-BIH record.
            scale = 1000 * 1800 * source.stream.fs_hz / blocks[-1].end
            for _ in range(RUNS):
                stages, seconds = _timed_run(Pipeline(source.stream, loaded), blocks)
                whole_ms[n].append(scale * seconds)
                if n == max(BLOCKS):
                    for stage in stages:
                        stages_ms.setdefault(stage.name, []).append(scale * stage.seconds)
    return {
        "stages_ms": {name: statistics.median(times) for name, times in stages_ms.items()},
        "whole_ms": {str(n): statistics.median(times) for n, times in whole_ms.items()},
        "predict_us": _predict(loaded),
    }


def _timed_run(pipeline: Pipeline, blocks: Iterable[Samples | Gap]) -> tuple[list[Timed], float]:
    from edge.pipeline import Chain  # noqa: PLC0415

    # Only the pipeline knows the order of its stages, so its own are wrapped.
    stages = [Timed(stage) for stage in pipeline._chain._stages]
    pipeline._chain = Chain(stages)
    start = time.process_time()
    for block in blocks:
        pipeline.push(block)
    pipeline.flush()
    return stages, time.process_time() - start


def report(models: dict[str, dict[str, Any]], starts: dict[str, float], n: int, folder: Path) -> None:
    """Write down what was measured."""
    first = next(iter(models.values()))
    rows = [
        [
            name,
            f"{m['single']['seconds']:.2f}",
            f"{m['single']['cpu_seconds']:.2f}",
            f"{1800 / m['single']['seconds']:,.0f}",
            f"{m['together']['seconds_a_record']:.2f}",
            f"{m['single']['peak_mb']:.0f}",
            f"{m['predict_us']:.0f}",
            f"{m['bytes'] / 1024:.1f}",
        ]
        for name, m in models.items()
    ]
    header = ["model", "s a record", "CPU s", "× real time", f"s a record of {n}", "peak MB", "µs a beat", "KB"]
    about = (
        "`ecg-edge replay RECORD --annotations DIR`, a 30-minute two-lead record in a process of its own, start-up and "
        f"all: median of {first['single']['runs']} runs over {RUNS} records; then all {n} records in one process, a "
        "record. Peak memory is the process's `ru_maxrss`. µs a beat: the model alone, quantization in and out "
        f"included. Interpreter: {runtime_name()}."
    )
    stage_rows = [[stage, *(f"{m['stages_ms'][stage]:.0f}" for m in models.values())] for stage in first["stages_ms"]]
    block_rows = [
        [f"{n} ({what})", *(f"{m['whole_ms'][str(n)]:.0f}" for m in models.values())] for n, what in BLOCKS.items()
    ]
    start_rows = [[what, f"{seconds:.2f}"] for what, seconds in starts.items()]
    text = [
        "# The whole pipeline",
        about,
        common.table(header, rows),
        "Where the time goes: ms of processor for half an hour of two leads at 360 Hz, fed from memory in blocks of "
        f"{max(BLOCKS)}.",
        common.table(["stage", *models], stage_rows),
        "The whole pipeline by size of block: ms of processor for the same half hour.",
        common.table(["samples a block", *models], block_rows),
        f"Start-up, s, median of {STARTS} runs.",
        common.table(["from process start to", "s"], start_rows),
    ]
    facts = common.machine("msgspec", "tflite-runtime", "ai-edge-litert")
    figures = {"interpreter": runtime_name(), "models": models, "start_s": starts}
    common.write(folder, "pipeline", text, figures=figures, facts=facts)


def _replay(mitdb: Path, model: str, records: Iterable[str], before: str = "") -> common.Run:
    with tempfile.TemporaryDirectory() as folder:
        return common.replay(records, mitdb, model, Path(folder), before)


def _starts(mitdb: Path, model: str) -> dict[str, float]:
    """Return how long it takes until Python runs, until edge is imported, until a replay begins."""
    python = [common.run([sys.executable, "-c", "pass"]).seconds for _ in range(STARTS)]
    imported = [common.run([sys.executable, "-c", "import edge"]).seconds for _ in range(STARTS)]
    pushed: list[float] = []
    for _ in range(STARTS):
        run = _replay(mitdb, model, [common.QUICK[0]], FIRST_PUSH)
        pushed.append(float(run.output.split("first push ", 1)[1].split("\n", 1)[0]) - run.started)
    return {
        "end of an empty Python program": statistics.median(python),
        "end of `import edge`": statistics.median(imported),
        "first sample of a replay": statistics.median(pushed),
    }


def _predict(model: BeatModel, n: int = 500) -> float:
    """Return the processor time of one prediction, µs, median of rounds of `n`."""
    rng = np.random.default_rng(0)
    window = rng.normal(size=(model.card.window.n, model.card.window.leads)).astype(np.float32)
    features = np.zeros(len(model.card.features), np.float32)
    rounds: list[float] = []
    for _ in range(2 * RUNS + 1):
        start = time.process_time()
        for _ in range(n):
            model.predict(window, features)
        rounds.append((time.process_time() - start) / n)
    return 1e6 * statistics.median(rounds)


if __name__ == "__main__":
    main()
