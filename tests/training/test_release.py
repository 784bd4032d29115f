"""Releases: a worse model is refused, and nothing is left half done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from synthetic import make_beats

from edge.errors import EcgEdgeError
from edge.features.fingerprint import FINGERPRINT
from edge.features.history import NAMES
from edge.inference.beat_model import BeatModel, models_dir
from edge.inference.card import ModelCard, read_card
from training import calibration, features, release
from training.datasets import LabelledBeats
from training.features import BINS, Levels
from training.sets import Sets
from training.train import Checkpoints, Recipe, Trained


def card(s_f1: float, v_f1: float) -> ModelCard:
    shipped = read_card(models_dir() / "cnn.json")
    return msgspec.structs.replace(shipped, metrics={"validation": {"int8": {"s_f1": s_f1, "v_f1": v_f1}}})


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
    sets = Sets(train=one, validation=one, added=one, recorded=(), test=())
    release.refuse_other_databases("cnn", sets, tmp_path, "")
    release.put(card(60, 80), content(), tmp_path)
    release.refuse_other_databases("cnn", sets, tmp_path, "for a comparison")
    said: list[str] = []
    with pytest.raises(EcgEdgeError, match=r"mitdb does not compare.*mitdb and svdb.*--because"):
        release.release(["cnn"], sets, tmp_path, tmp_path, progress=said.append)
    assert said == []


def test_what_is_put_in_place_loads(tmp_path: Path) -> None:
    release.put(card(60, 80), content(), tmp_path / "models")
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["cnn.json", "cnn.tflite"]
    BeatModel.load(tmp_path / "models" / "cnn.tflite").close()


@pytest.mark.parametrize("name", ["cnn.json", "cnn.tflite"])
def test_a_release_replaces_models_only(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"settings": 1}')
    with pytest.raises(FileExistsError, match="holds something else already"):
        release.put(card(60, 80), content(), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: '{"settings": 1}'}


def patient(record: str, n: int) -> LabelledBeats:
    """Make a patient whose V beats the trees can tell as well, not the network alone."""
    beats = make_beats(record, n=n, seed=int(record))
    beats.features[beats.labels == 2, 5] += 2
    return beats


TINY = Recipe(epochs=3, drawn=6000, mixed=1000, batch=64, rate=3e-3, blind=0.1)


def small_sets() -> Sets:
    recorded = [patient(name, 400) for name in ("101", "106", "108", "109")]
    others = patient("114", 300)
    test = patient("100", 100)
    test.usable[:10] = False
    test.missed[2] = 5
    validation = features.table([others])
    return Sets(features.table(recorded), validation, validation, (*recorded, others), (test,))


@pytest.mark.filterwarnings("ignore")  # tensorflow's own, while it converts
def test_a_release_from_beats_to_a_model_in_place(tmp_path: Path, keras: Any) -> None:
    sets, models = small_sets(), tmp_path / "models"
    release.release(["cnn"], sets, models, tmp_path, seeds=[1], recipe=TINY, progress=lambda _: None)
    made = read_card(models / "cnn.json")
    assert made.fingerprint == FINGERPRINT
    assert made.metrics["validation"]["int8"]["v_f1"] > 85
    assert made.metrics["cross_fitted"]["int8"]["v_f1"] > 85
    work = tmp_path / "mitdb"  # weights of one database have a folder of their own
    (released,) = (work / release.RELEASED).iterdir()
    (chosen,) = work.glob("cnn-0.*.npz")
    assert released.name == chosen.name
    assert released.read_bytes() != chosen.read_bytes()
    truth = sets.test[0].labels
    n_v = int((truth == 2).sum())
    found = int((truth[10:] == 2).sum())
    assert made.metrics["ds2"]["int8"]["v_se"] <= 100 * found / (n_v + 5) + 1e-2
    with BeatModel.load(models / "cnn.tflite") as model:
        rows = [model.predict(w, f) for w, f in zip(sets.validation.windows, sets.validation.features, strict=True)]
    assert (np.argmax(rows, axis=1) == sets.validation.labels).mean() > 0.9
    # In this process tensorflow's runtime may stand in for the device's, which names tensors otherwise.
    load = f"from edge.inference.beat_model import BeatModel; BeatModel.load({str(models / 'cnn.tflite')!r})"
    subprocess.run([sys.executable, "-c", load], check=True)


def test_the_other_model_is_released_when_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def candidate(kind: str, *_: object, **__: object) -> release.Candidate:
        return release.Candidate(chosen=trained(kind), final=trained(kind), content=b"", recipe=TINY)

    def publish(one: release.Candidate, *_: object, **__: object) -> ModelCard:
        if one.final.kind == "cnn":
            raise EcgEdgeError("cnn is worse", "keep it")
        return card(60, 80)

    one = features.table([make_beats("101", n=20, seed=1)])
    sets = Sets(train=one, validation=one, added=one, recorded=(), test=())
    monkeypatch.setattr(release, "fit_shared", lambda *_: None)
    monkeypatch.setattr(release, "make_candidate", candidate)
    monkeypatch.setattr(calibration, "cross_fit", lambda *_: {"cnn": None, "lstm": None})
    monkeypatch.setattr(release, "publish", publish)
    monkeypatch.setattr(release, "keep_weights", lambda *_: None)
    lines: list[str] = []
    with pytest.raises(EcgEdgeError, match="cnn is worse"):
        release.release(["cnn", "lstm"], sets, tmp_path, tmp_path, progress=lines.append)
    assert len(lines) == 1


def trained(kind: Any) -> Trained:
    levels = Levels(np.zeros((0, BINS + 1), np.float32))
    return Trained(kind=kind, model=None, levels=levels, offsets=np.zeros(5, np.float32), score=0.5, seed=1)


def test_old_weights_do_not_win_over_todays_and_the_best_seed_is_credited(tmp_path: Path, keras: Any) -> None:
    sets = small_sets()
    knots = np.tile(np.arange(BINS + 1, dtype=np.float32), (len(NAMES), 1))
    Checkpoints(tmp_path, "cnn").offer(0.999, [np.zeros(3, np.float32)], Levels(knots), np.zeros(5, np.float32), 7)
    (old,) = tmp_path.iterdir()
    recipe = Recipe(epochs=2, drawn=3000, mixed=500, batch=64, rate=3e-3, blind=0.1)

    def fit(folder: Path, *seeds: int) -> Trained:
        return release.fit_seeds(
            "cnn", sets, Checkpoints(folder, "cnn"), seeds=seeds, recipe=recipe, progress=lambda _: None
        )

    alone = {seed: fit(tmp_path / str(seed), seed) for seed in (3, 5)}
    best = fit(tmp_path, 3, 5)
    expected = max(alone.values(), key=lambda one: one.score)
    assert (best.seed, best.score) == (expected.seed, expected.score)
    assert [alone[seed].seed for seed in (3, 5)] == [3, 5]
    (kept,) = tmp_path.glob("*.npz")
    assert kept != old
    for ours, theirs in zip(best.model.get_weights(), expected.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_without_a_seed_nothing_is_trained(tmp_path: Path) -> None:
    with pytest.raises(EcgEdgeError, match="no seed"):
        release.fit_seeds("cnn", small_sets(), Checkpoints(tmp_path, "cnn"), seeds=[], recipe=TINY)
