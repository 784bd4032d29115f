"""Releases: a worse model is refused, and nothing is left half done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from synthetic import MakeRecord, make_beats

from edge.errors import EcgEdgeError
from edge.inference.beat_model import BeatModel, models_dir
from edge.inference.card import ModelCard, read_card
from training import features, release, splits
from training.datasets import LabelledBeats
from training.release import Sets
from training.train import Recipe


def card(s_f1: float, v_f1: float) -> ModelCard:
    shipped = read_card(models_dir() / "cnn.json")
    return msgspec.structs.replace(shipped, metrics={"judges": {"int8": {"s_f1": s_f1, "v_f1": v_f1}}})


def content() -> bytes:
    return (models_dir() / "cnn.tflite").read_bytes()


def test_a_worse_model_is_refused_unless_there_is_a_reason(tmp_path: Path) -> None:
    release.refuse_worse(card(10, 10), tmp_path, "")
    release.put(card(60, 80), content(), tmp_path)
    release.refuse_worse(card(60, 80), tmp_path, "")
    release.refuse_worse(card(70, 75), tmp_path, "")
    with pytest.raises(EcgEdgeError, match=r"65\.00.*70\.00.*--because"):
        release.refuse_worse(card(50, 80), tmp_path, "")
    release.refuse_worse(card(50, 80), tmp_path, "the features have changed")


def test_a_model_of_other_databases_is_refused_before_anything_is_learnt(tmp_path: Path) -> None:
    one = features.table([make_beats("101", n=20, seed=1)])
    sets = Sets(learn=one, judge=one, rest=one, test=[])
    release.refuse_other_databases("cnn", sets, tmp_path, "")
    release.put(card(60, 80), content(), tmp_path)
    release.refuse_other_databases("cnn", sets, tmp_path, "for a comparison")
    said: list[str] = []
    with pytest.raises(EcgEdgeError, match=r"mitdb does not compare.*mitdb and svdb.*--because"):
        release.release_all(["cnn"], sets, tmp_path, tmp_path, progress=said.append)
    assert said == []


def test_the_other_model_is_released_when_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one(kind: str, *_: object, **__: object) -> ModelCard:
        if kind == "cnn":
            raise EcgEdgeError("cnn is worse", "keep it")
        return card(60, 80)

    beats = features.table([make_beats("101", n=20, seed=1)])
    sets = Sets(learn=beats, judge=beats, rest=beats, test=[])
    monkeypatch.setattr(release, "lessons", lambda *_: None)
    monkeypatch.setattr(release, "release", one)
    said: list[str] = []
    with pytest.raises(EcgEdgeError, match="cnn is worse"):
        release.release_all(["cnn", "lstm"], sets, tmp_path, tmp_path, progress=said.append)
    assert len(said) == 1


def test_what_is_put_in_place_loads(tmp_path: Path) -> None:
    release.put(card(60, 80), content(), tmp_path / "models")
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["cnn.json", "cnn.tflite"]
    BeatModel.load(tmp_path / "models" / "cnn.tflite").close()


def test_sets_are_gathered_by_patient(tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "DS1", ("106", "114"))
    monkeypatch.setattr(splits, "DS2", ("100",))
    for name in ("106", "114", "100"):
        make_record(name)
    for name in ("802", "803", "824"):
        make_record(name, database="svdb", fs_hz=128, leads=("ECG1", "ECG2"))
    sets = release.gather(tmp_path, tmp_path / "cache", lambda _: None)
    assert set(sets.learn.records) == {"mitdb/106", "svdb/802"}
    assert set(sets.judge.records) == {"mitdb/114", "svdb/824"}
    assert set(sets.rest.records) == {"mitdb/114", "svdb/824"}
    assert len(sets.rest) > len(sets.judge)  # each lead alone as well
    assert [beats.record for beats in sets.test] == ["100"]
    alone = release.gather(tmp_path, tmp_path / "cache", lambda _: None, ["mitdb"])
    assert set(alone.learn.records) == {"mitdb/106"}
    assert set(alone.judge.records) == {"mitdb/114"}


def test_the_subject_of_202_judges_but_is_never_learnt_from(
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "DS1", ("106", "114", "201"))
    monkeypatch.setattr(splits, "DS2", ("100",))
    for name in ("106", "114", "201", "100"):
        make_record(name)
    make_record("802", database="svdb", fs_hz=128, leads=("ECG1", "ECG2"))
    sets = release.gather(tmp_path, tmp_path / "cache", lambda _: None)
    assert set(sets.judge.records) == {"mitdb/114", "mitdb/201"}
    assert set(sets.rest.records) == {"mitdb/114"}


def patient(record: str, n: int) -> LabelledBeats:
    """Make a patient whose V beats the trees can tell as well, not the network alone."""
    beats = make_beats(record, n=n, seed=int(record))
    beats.features[beats.labels == 2, 5] += 2
    return beats


@pytest.mark.filterwarnings("ignore")  # tensorflow's own, while it converts
def test_a_release_from_beats_to_a_model_in_place(tmp_path: Path, keras: Any) -> None:
    learn = [patient(name, 400) for name in ("101", "106", "108", "109")]
    judge = features.table([patient("114", 300)])
    sets = Sets(learn=features.table(learn), judge=judge, rest=judge, test=[patient("100", 100)])
    sets.test[0].usable[:10] = False
    sets.test[0].missed[2] = 5
    recipe = Recipe(epochs=3, drawn=6000, mixed=1000, batch=64, rate=3e-3, blind=0.1)
    quiet: list[str] = []
    made = release.release("cnn", sets, tmp_path / "models", tmp_path, seeds=[1], recipe=recipe, progress=quiet.append)
    assert made.metrics["judges"]["int8"]["v_f1"] > 85
    (released,) = (tmp_path / release.RELEASED).iterdir()
    (chosen,) = tmp_path.glob("cnn-0.*.npz")
    assert released.name == chosen.name
    assert released.read_bytes() != chosen.read_bytes()
    truth = sets.test[0].labels
    n_v = int((truth == 2).sum())
    found = int((truth[10:] == 2).sum())
    assert made.metrics["ds2"]["int8"]["v_se"] <= 100 * found / (n_v + 5) + 1e-2
    with BeatModel.load(tmp_path / "models" / "cnn.tflite") as model:
        said = [model.predict(w, f) for w, f in zip(sets.judge.windows, sets.judge.features, strict=True)]
    assert (np.argmax(said, axis=1) == sets.judge.labels).mean() > 0.9
    # In this process tensorflow's runtime may stand in for the device's, which names tensors otherwise.
    model = tmp_path / "models" / "cnn.tflite"
    load = f"from edge.inference.beat_model import BeatModel; BeatModel.load({str(model)!r})"
    subprocess.run([sys.executable, "-c", load], check=True)
