"""One model gives the same labels to the same beats, whichever way they come: training, a replay, a live board."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb
from command import Run
from numpy.typing import NDArray

from benchmarks import same_labels
from edge.inference.beat_model import BeatModel
from training.datasets import read_beats

FS_HZ = 360
N = 4 * 60 * FS_HZ


def write(
    folder: Path, counts: NDArray[np.int64], leads: list[str], beats: tuple[NDArray[np.int64], list[str]]
) -> Path:
    """A record of whole counts of 5 µV, as the databases have them and as a board can send them."""
    n = len(leads)
    wfdb.wrsamp(
        "900",
        fs=FS_HZ,
        units=["mV"] * n,
        sig_name=leads,
        d_signal=counts,
        fmt=["16"] * n,
        adc_gain=[200.0] * n,
        baseline=[0] * n,
        write_dir=str(folder),
    )
    wfdb.wrann("900", "atr", beats[0], symbol=beats[1], write_dir=str(folder))
    return folder / "900"


@pytest.fixture(params=["toy", "mitdb 223"])
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "toy":
        toy: NDArray[np.float32] = request.getfixturevalue("toy_ecg")
        return write(tmp_path, np.rint(toy[:N] * 200).astype(np.int64), ["MLII"], (np.array([400]), ["N"]))
    path = str(request.getfixturevalue("mitdb") / "223")
    original, marks = wfdb.rdrecord(path, sampto=N, physical=False), wfdb.rdann(path, "atr", sampto=N)
    counts = original.d_signal.astype(np.int64) - np.array(original.baseline)
    return write(tmp_path, counts, list(original.sig_name), (marks.sample, list(marks.symbol)))


def test_training_replay_and_live_agree_on_every_beat(record: Path, ecg_edge: Run, tmp_path: Path) -> None:
    done = ecg_edge("replay", record, "--model", "cnn", "--annotations", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    replayed = same_labels.from_file(tmp_path / "out" / "900.edge")
    assert len(replayed) > 200
    assert {"N", "V"} <= set(replayed.values())
    with BeatModel.load("cnn") as model:
        assert same_labels.as_trained(model, read_beats(record.parent, "900")) == replayed
        live, lost = same_labels.live(model, record, speed=60)
    assert lost == 0
    assert live == replayed


def test_differences_are_counted() -> None:
    counted = same_labels.agreement({10: "N", 20: "V", 30: "S"}, {10: "N", 20: "N", 40: "S"})
    assert counted == same_labels.Agreement(same=1, other_label=1, elsewhere=2)
