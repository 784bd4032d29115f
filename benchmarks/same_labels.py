"""One model, one heart, one answer: labels of the same beats by every way that leads to them.

The beats training learns from, a replay, and a live watch of a board on a pty; with `--weights` also the float network
the int8 model was made from. Labels of the int8 model must be the same whichever way the beats came.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks import common, replayed
from edge.errors import EcgEdgeError
from edge.inference.beat_model import BeatModel, model_names
from edge.messages import FS_HZ, Beat, Gap, LabelledBeat, Message, Samples
from edge.pipeline import Chain, atria
from edge.service.run import LiveRun
from edge.service.wiring import Options
from edge.sinks import Sink
from edge.sources.serial.sensor import SerialSensor
from edge.sources.serial.settings import Sensor
from edge.sources.wfdb_record import WfdbRecord
from edge.stages import Stage
from edge.stages.classify import Classify
from firmware_bridge.boards import NativeBoard
from firmware_bridge.emulator import Emulator, Pty
from training.datasets import CLASSES, LabelledBeats, read_beats
from training.ec57 import AAMI
from training.evaluate import read_annotations
from training.splits import DS2

SPEED = 400.0
"""Times real time at which a board plays, halved for a record in which anything was lost."""
SLOWEST = 10.0
PATIENCE_S = 600.0
SILENCE_S = 10.0
_RECORDED_BITS = 11
"""Of MIT-BIH's converter; at 5 uV a count a board with as many has its range."""

Labels = dict[int, str]
"""Label of each beat, by its sample."""


class Agreement(msgspec.Struct, frozen=True):
    """How two ways agree.

    Attributes
    ----------
    same : int
        Beats at the same sample with the same label.
    other_label : int
        Beats at the same sample with another label.
    elsewhere : int
        Beats that one of the two alone has.
    """

    same: int
    other_label: int
    elsewhere: int


def agreement(first: Labels, second: Labels) -> Agreement:
    """Compare the labels of two ways."""
    both = first.keys() & second.keys()
    same = sum(first[sample] == second[sample] for sample in both)
    return Agreement(same, len(both) - same, len(first.keys() ^ second.keys()))


def as_trained(model: BeatModel, beats: LabelledBeats) -> Labels:
    """Return what a model, and the atria after it, make of windows and features as training has them."""
    return _through([Classify(model), atria()], _beats(beats))


def _beats(beats: LabelledBeats) -> Iterator[Beat]:
    last: int | None = None
    for sample, window, features, usable, noisy in zip(
        beats.samples.tolist(), beats.windows, beats.features, beats.usable.tolist(), beats.noisy.tolist(), strict=True
    ):
        rr_ms = None if last is None else (sample - last) / FS_HZ * 1000
        last = sample
        yield Beat(
            sample=sample, rr_ms=rr_ms, window=window, features=features, usable=usable, noisy=noisy, decided=sample
        )


def _through(stages: Sequence[Stage], messages: Iterable[Message]) -> Labels:
    chain = Chain(stages)
    found = [out for message in messages for out in chain.push(message)]
    return {out.sample: out.label for out in found if isinstance(out, LabelledBeat)}


def from_file(path: Path) -> Labels:
    """Return the labels of an annotation file that a replay wrote."""
    samples, symbols = read_annotations(path)
    return {int(at): AAMI[symbol] for at, symbol in zip(samples.tolist(), symbols, strict=True) if symbol in AAMI}


def live(model: BeatModel, record: Path, speed: float = SPEED) -> tuple[Labels, int]:
    """Watch a board that plays a record on a pty.

    Parameters
    ----------
    model : BeatModel
        Labels the beats.
    record : Path
        The record, without extension.
    speed : float
        Times real time.

    Returns
    -------
    labels : dict
        Label of each beat.
    lost : int
        Samples that did not arrive.
    """
    spawn = multiprocessing.get_context("spawn")
    paths: Any = spawn.Queue()
    board = spawn.Process(target=_board, args=(paths, record, speed), daemon=True)
    board.start()
    try:
        port, n_samples = paths.get(timeout=60)
        stop, notes = threading.Event(), _Notes()
        threading.Thread(target=_wait, args=(notes, n_samples, stop), daemon=True).start()
        LiveRun(Options(), model, [notes], report=_complain).run(SerialSensor(Sensor(port=port)), stop)
    finally:
        board.kill()
        board.join()
    return notes.labels, n_samples - notes.received


def lossless(model: BeatModel, record: Path, speed: float = SPEED) -> tuple[Labels, float]:
    """Watch a board as fast as nothing is lost; return labels, and the speed that was."""
    while True:
        labels, lost = live(model, record, speed)
        if not lost:
            return labels, speed
        if speed <= SLOWEST:
            sys.exit(f"{record.name}: {lost} samples lost even at {speed:g} times real time")
        speed /= 2


def floating(weights: Path, kind: str) -> Callable[[LabelledBeats], Labels]:
    """Return what the float network of a folder of weights makes of beats."""
    from training import predictions, train  # noqa: PLC0415  (of tensorflow)

    trained = train.Checkpoints(weights, kind).load(kind)  # type: ignore[arg-type]

    def label(beats: LabelledBeats) -> Labels:
        numbers = predictions.labels_of(beats, lambda table: predictions.weigh_float(trained, table))
        labelled = (
            LabelledBeat(
                sample=beat.sample,
                label=CLASSES[number],
                score=1.0,
                rr_ms=beat.rr_ms,
                features=beat.features if beat.usable and not beat.noisy else None,
                decided=beat.decided,
            )
            for beat, number in zip(_beats(beats), numbers.tolist(), strict=True)
        )
        return _through([atria()], labelled)

    return label


class _Notes(Sink):
    """Sink that keeps labels, and counts samples."""

    def __init__(self) -> None:
        self.labels: Labels = {}
        self.received = 0
        self.end = 0

    def write(self, message: Message) -> None:
        if isinstance(message, LabelledBeat):
            self.labels[message.sample] = message.label
        elif isinstance(message, Samples):
            self.received += len(message.mv)
            self.end = max(self.end, message.end)
        elif isinstance(message, Gap):
            self.end = max(self.end, message.start + message.n)


def _board(paths: Any, record: Path, speed: float) -> None:
    """Be a board that plays a record once somebody listens; a process of its own."""
    source = WfdbRecord(record)
    stream = source.stream
    mv = np.concatenate([block.mv for block in source.blocks(100_000)])
    line = Pty()
    paths.put((line.path, len(mv)))
    board = NativeBoard(mv, stream.fs_hz, stream.leads, adc_bits=_RECORDED_BITS, running=False)
    Emulator(board, line, speed=speed).run()
    # What is still in the pty would be lost with it.
    time.sleep(PATIENCE_S)


def _wait(notes: _Notes, n_samples: int, stop: threading.Event) -> None:
    """Stop once all samples are there, or none has come for a while."""
    seen, since = -1, time.monotonic()
    while notes.end < n_samples and time.monotonic() - since < SILENCE_S:
        if notes.end != seen:
            seen, since = notes.end, time.monotonic()
        time.sleep(0.1)
    stop.set()


def _complain(error: EcgEdgeError | str) -> None:
    if isinstance(error, EcgEdgeError):
        sys.stderr.write(f"{error}\n")


def main() -> None:
    """Compare all ways on DS2 and write the results."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--models", nargs="+", default=list(model_names()), help="names, or paths of .tflite")
    parser.add_argument("--weights", type=Path, help="folder of the float weights, ecg-train's --work")
    parser.add_argument("--speed", type=float, default=SPEED, help="times real time of the board")
    parser.add_argument("--no-live", action="store_true", help="leave the board out")
    arguments = parser.parse_args()
    mitdb = common.data_dir(arguments.data) / "mitdb"
    records = common.chosen_records(arguments, mitdb)
    if not arguments.records:
        records = tuple(record for record in records if record in DS2)
    figures: dict[str, dict[str, dict[str, Agreement]]] = {}
    for name in arguments.models:
        sys.stderr.write(f"{name} …\n")
        with BeatModel.load(name) as model, tempfile.TemporaryDirectory() as folder:
            kind = model.card.kind
            float_network = floating(arguments.weights, kind) if arguments.weights else None
            replayed.replay(records, mitdb, name, Path(folder))
            found: dict[str, dict[str, Agreement]] = {}
            for record in records:
                reference = from_file(Path(folder) / f"{record}.edge")
                beats = read_beats(mitdb, record)
                ways = {"training's beats": as_trained(model, beats)}
                if not arguments.no_live:
                    ways["live, through a pty"], speed = lossless(model, mitdb / record, arguments.speed)
                    sys.stderr.write(f"{record}: live at {speed:g} times real time\n")
                if float_network is not None:
                    ways["float network"] = float_network(beats)
                for way, labels in ways.items():
                    found.setdefault(way, {})[record] = agreement(reference, labels)
            figures[name] = found
    report(figures, len(records), arguments.results)


def report(figures: dict[str, dict[str, dict[str, Agreement]]], n_records: int, folder: Path) -> None:
    """Write how many labels are the same, and in which records some are not."""
    text = [
        "# Same labels",
        f"Beats of {n_records} records, each way against `ecg-edge replay`: at the same sample with the same label, "
        "at the same sample with another, and found by one of the two only. The float network is what the int8 model "
        "was made from; it may differ, the others may not.",
    ]
    for model, found in figures.items():
        rows = []
        for way, by_record in found.items():
            total = [sum(getattr(one, field) for one in by_record.values()) for field in Agreement.__struct_fields__]
            differing = [name for name, one in by_record.items() if one.other_label or one.elsewhere]
            share = f"{100 * total[0] / max(sum(total), 1):.3f}"
            rows.append([way, *(f"{n:,}" for n in total), share, " ".join(differing) or "none"])
        header = ["way", "same", "other label", "found by one only", "same, %", "records that differ"]
        text += [f"## {Path(model).stem}", common.table(header, rows)]
    plain: dict[str, Any] = msgspec.to_builtins({Path(model).stem: found for model, found in figures.items()})
    common.write(folder, "same_labels", text, figures=plain, facts=common.machine("tflite-runtime", "ai-edge-litert"))


if __name__ == "__main__":
    main()
