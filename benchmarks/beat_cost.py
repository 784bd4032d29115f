"""What one beat costs: the interpreter alone, the model, the stage around it, and describing the beat first.

Each installed interpreter is measured in a process of its own, the others hidden from it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import common

RECORD = "208"
BEATS = 1000
ROUNDS = 7
REFERENCE = "cnn"
RUNTIMES = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}
STEPS = {
    "invoke_us": "interpreter alone",
    "predict_us": "predict: quantize, invoke, dequantize",
    "classify_us": "classified: predict, decide, score",
    "whole_us": "with its features: window, timing, shape, classified",
}


def main() -> None:
    """Measure every model on every interpreter and write the results."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--models", nargs="+", help="names, or paths of .tflite; the shipped ones by default")
    parser.add_argument("--only", choices=RUNTIMES, help="measure on this interpreter, in this process, print JSON")
    arguments = parser.parse_args()
    mitdb = common.data_dir(arguments.data) / "mitdb"
    record = arguments.records[0] if arguments.records else RECORD
    n_beats = BEATS // 5 if arguments.quick else BEATS
    if arguments.only:
        for other in RUNTIMES:
            if other != arguments.only:
                # An import of it fails then, as if it were not installed.
                sys.modules[other] = None  # type: ignore[assignment]
        sys.stdout.write(msgspec.json.encode(measure(mitdb / record, n_beats, arguments.models)).decode())
        return
    common.use_one_core()
    figures: dict[str, Any] = {}
    for runtime, package in RUNTIMES.items():
        if importlib.util.find_spec(runtime) is None:
            continue
        sys.stderr.write(f"{package} …\n")
        command = [sys.executable, "-m", "benchmarks.beat_cost", "--only", runtime, *sys.argv[1:]]
        figures[package] = msgspec.json.decode(common.run(command).output)
    report(figures, record, arguments.results)


def measure(record: Path, n_beats: int, models: Sequence[str] | None) -> dict[str, Any]:
    """Return costs in µs a beat, of each model and of describing a beat.

    Parameters
    ----------
    record : Path
        Whose beats are taken.
    n_beats : int
        How many of them.
    models : sequence of str, optional
        Names or paths; the shipped ones by default.
    """
    # Here, because what is hidden must be hidden before.
    from edge.inference.beat_model import model_names  # noqa: PLC0415

    beats, describe_us = described(record, n_beats)
    costs = {model: _model_costs(model, beats, describe_us) for model in models or model_names()}
    return {"describe_us": describe_us, "beats": len(beats), "models": costs}


def described(record: Path, n_beats: int) -> tuple[list[Any], float]:
    """Return the first beats of a record, and what it cost to make one of an R peak and the signal, in µs."""
    from edge.messages import Beat, Message, Samples  # noqa: PLC0415
    from edge.pipeline import Chain, front_end  # noqa: PLC0415
    from edge.sources.wfdb_record import WfdbRecord  # noqa: PLC0415

    source = WfdbRecord(record)
    before = Chain(front_end(source.stream)[:-1])
    messages: list[Message] = []
    found = 0
    for block in source.blocks(14_400):
        out = before.push(block)
        messages += out
        found += sum(not isinstance(message, Samples) for message in out)
        if found > 3 * n_beats:
            break

    beats: list[Any] = []

    def describe() -> None:
        stage = front_end(source.stream)[-1]
        beats[:] = [out for message in messages for out in stage.push(message) if isinstance(out, Beat)]

    seconds = _best(describe)
    return [beat for beat in beats if beat.usable][:n_beats], 1e6 * seconds / len(beats)


def _model_costs(name: str, beats: Sequence[Any], describe_us: float) -> dict[str, float]:
    from edge.inference.beat_model import BeatModel, models_dir  # noqa: PLC0415
    from edge.stages.classify import Classify  # noqa: PLC0415

    path = Path(name) if name.endswith(".tflite") else models_dir() / f"{name}.tflite"
    with BeatModel.load(name) as model:
        classify = Classify(model)
        interpreter = model._interpreter
        model.predict(beats[0].window, beats[0].features)

        def invoke() -> None:
            for _ in beats:
                interpreter.invoke()

        def predict() -> None:
            for beat in beats:
                model.predict(beat.window, beat.features)

        def classified() -> None:
            for beat in beats:
                classify.push(beat)

        invoke_us, predict_us, classify_us = (1e6 * _best(work) / len(beats) for work in (invoke, predict, classified))
    return {
        "kb": path.stat().st_size / 1000,
        "invoke_us": invoke_us,
        "predict_us": predict_us,
        "classify_us": classify_us,
        "whole_us": describe_us + classify_us,
    }


def _best(work: Callable[[], None]) -> float:
    """Return the processor time of the quickest of some rounds: what else the machine does only makes it slower."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def report(figures: dict[str, Any], record: str, folder: Path) -> None:
    """Write a table for each interpreter."""
    n = next(iter(figures.values()))["beats"]
    text = [
        "# What a beat costs",
        f"µs of one core for a beat, over {n:,} beats of record {record}, the best of {ROUNDS} rounds. In brackets, "
        f"times what the {REFERENCE} takes for the same. A beat comes about once a second.",
    ]
    for package, measured in figures.items():
        models: dict[str, dict[str, float]] = measured["models"]
        reference = models.get(REFERENCE, next(iter(models.values())))
        rows = [["file, kB", *(f"{costs['kb']:.1f}" for costs in models.values())]]
        for step, words in STEPS.items():
            rows.append([words, *(_cell(costs[step], reference[step]) for costs in models.values())])
        names = [Path(name).stem for name in models]
        text += [
            f"## {package}",
            common.table(["", *names], rows),
            f"Describing the beat is {measured['describe_us']:.0f} µs of the last line.",
        ]
    common.write(folder, "beat_cost", text, figures=figures, facts=common.machine(*RUNTIMES.values()))


def _cell(us: float, reference: float) -> str:
    return f"{us:.0f} (×{us / reference:.2f})"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
