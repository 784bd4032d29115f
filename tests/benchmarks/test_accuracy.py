"""What is made of replayed beats: reliability, thresholds, mistakes, spread over seeds."""

from __future__ import annotations

import io
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
import wfdb
from command import write_record
from PIL import Image

from benchmarks import beat_cost, mistake_pictures, mistakes, reliability, replayed, seeds
from benchmarks.replayed import Scored
from edge.inference.beat_model import models_dir

FS_HZ = 360


def scored(truth: str, said: str, scores: list[float], name: str = "900") -> Scored:
    """Beats a second apart, in half an hour."""
    return Scored(
        name=name,
        hours=0.5,
        fs_hz=FS_HZ,
        samples=FS_HZ * np.arange(1, len(truth) + 1),
        truth=np.array(list(truth)),
        said=np.array(list(said)),
        scores=np.array(scores),
    )


@pytest.fixture(scope="module")
def toy(toy_ecg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of ECG with every found beat annotated N, but the tenth V, and one left out."""
    folder = tmp_path_factory.mktemp("toy")
    path = write_record(folder, "900", np.repeat(toy_ecg[: 120 * FS_HZ], 2, axis=1))
    out = folder / "first"
    replayed.replay(["900"], folder, "cnn", out, jobs=1)
    found = wfdb.rdann(str(out / "900"), "edge")
    beats = [int(at) for at, symbol in zip(found.sample, found.symbol, strict=True) if symbol != "+"]
    symbols = ["V" if number == 10 else "N" for number in range(len(beats))]
    del beats[20], symbols[20]
    wfdb.wrann(
        "900", "atr", np.array([1, *beats]), symbol=["+", *symbols], aux_note=["(AFIB"] + [""] * len(beats),
        write_dir=str(folder),
    )  # fmt: skip
    return path


def test_any_model_is_replayed_with_scores(toy: Path, tmp_path: Path):
    replayed.replay(["900"], toy.parent, models_dir() / "lstm.tflite", tmp_path)
    beats = replayed.read("900", tmp_path, toy.parent)
    assert beats.hours == pytest.approx(120 / 3600)
    assert np.count_nonzero(beats.truth == "O") == 1
    assert np.count_nonzero(beats.truth == "V") == 1
    assert len(beats.samples) > 100
    assert np.isfinite(beats.scores).all()
    called = beats.said != "Q"
    assert ((beats.scores[called] > 0) & (beats.scores[called] <= 1)).all()


def test_a_replay_that_fails_ends_the_benchmark(tmp_path: Path, capfd):
    with pytest.raises(SystemExit, match=r"the replay of .*none failed"):
        replayed.replay([str(tmp_path / "none")], tmp_path, "cnn", tmp_path / "out")
    said = capfd.readouterr().err
    assert "no such record" in said
    assert "Traceback" not in said


def test_reliability_counts_right_labels_by_score():
    beats = scored("NNVVONQS", "NVVVVNQO", [0.99, 0.65, 0.95, 0.55, 0.65, 1.0, 0.0, math.nan])
    v = {(one.low, one.high): one for one in reliability.bins([beats], "V") if one.n}
    assert {key: (one.n, one.right) for key, one in v.items()} == {
        (0.5, 0.6): (1, 1.0),
        (0.6, 0.7): (2, 0.0),
        (0.95, 0.98): (1, 1.0),
    }
    error = (0.45 + 2 * 0.65 + 0.05) / 4
    assert reliability.calibration_error(list(v.values())) == pytest.approx(error)
    # The beat too poor to call and the one that was missed are in no bin.
    assert sum(one.n for one in reliability.bins([beats], "NSVFQ")) == 6
    text, figures = reliability.report("DS2", [beats])
    assert "| 0.6–0.7 | 2 | 65.00 | 0.00 | 2 | 65.00 | 0.00 | 0 | - | - |" in text[1]
    assert figures["S"]["calibration_error"] is None
    assert msgspec.json.encode(figures)


def test_a_least_score_takes_v_back():
    beats = scored("NNVVO", "NVVVV", [0.9, 0.6, 0.95, 0.5, 0.7])
    score, false = reliability.ventricular([beats, beats], 0.0)
    assert (score.tp, score.fn, score.fp, false) == (4, 0, 4, 4.0)
    score, false = reliability.ventricular([beats], 0.65)
    assert (score.tp, score.fn, score.fp, false) == (1, 1, 1, 2.0)
    text, figures = reliability.curve({"DS1": [beats]}, 0.65)
    assert "| **0.65** | 50.00 | 2.0 |" in text[1]
    assert figures["0.65"]["DS1"]["se"] == 0.5


def test_the_dearest_record_comes_first():
    good, bad = scored("NNVV", "NNVV", [0.9] * 4, "1"), scored("NVVSO", "NNNSV", [0.9] * 5, "2")
    first, second = mistakes.losses([good, bad])
    assert (first.beats.name, second.total) == ("2", 0.0)
    assert first.cost == {"V": pytest.approx(1 - 2 * 2 / (2 * 2 + 2 + 1)), "S": 0.0}
    assert (first.missed["V"], first.false["V"], first.false["N"]) == (2, 1, 2)


def test_mistakes_are_told_by_rhythm_and_timing():
    beats = scored("NNNNNNNNNNSNS", "NNNNNNNNNNNNN", [0.8] * 13)
    beats.samples[10] -= FS_HZ // 4
    kinds = mistakes.kinds(beats, (np.array([0, 13 * FS_HZ]), ["(N", "(AFIB"]))
    assert [(kind.truth, kind.said, kind.rhythm, kind.rows, kind.before) for kind in kinds] == [
        ("S", "N", "(N", (10,), "N"),
        ("S", "N", "(AFIB", (12,), "N"),
    ]
    assert [kind.rr_ratio for kind in kinds] == pytest.approx([0.75, 1.0])


def test_a_picture_is_small_and_shows_the_mistake(toy: Path, tmp_path: Path):
    replayed.replay(["900"], toy.parent, "cnn", tmp_path)
    beats = replayed.read("900", tmp_path, toy.parent)
    kinds = mistakes.kinds(beats, mistakes.rhythm_notes(toy))
    kind = next(kind for kind in kinds if kind.truth in "NV")
    assert kind.rhythm == "(AFIB"
    picture = mistake_pictures.draw(toy, beats, kind)
    assert len(picture) < 80_000
    colours = {colour for _, colour in Image.open(io.BytesIO(picture)).convert("RGB").getcolors(1 << 24) or ()}
    red = [(r, g, b) for r, g, b in colours if r > 180 and g < 60 and b < 80]
    assert red


def test_spread_over_seeds():
    half = 4.30265 / math.sqrt(3)
    assert seeds.interval([1.0, 2.0, 3.0]) == pytest.approx((2 - half, 2 + half), abs=1e-4)
    assert all(map(math.isnan, seeds.interval([1.0])))


def test_all_that_belongs_to_a_beat_is_in_its_cost(toy: Path):
    costs = beat_cost.measure(toy, 50, ["cnn"])
    cnn = costs["models"]["cnn"]
    assert costs["beats"] == 50
    assert min(costs["describe_us"], *(cnn[step] for step in beat_cost.STEPS)) > 0
    assert cnn["whole_us"] == costs["describe_us"] + cnn["classify_us"]
    assert cnn["kb"] == pytest.approx((models_dir() / "cnn.tflite").stat().st_size / 1000)
