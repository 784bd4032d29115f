"""The models, their cards and the interpreter."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge.errors import ModelError
from edge.features import history
from edge.features import window as beat_window
from edge.inference import runtime
from edge.inference.beat_model import BeatModel, model_names, models_dir
from edge.inference.card import SCHEMA, Confidence, ModelCard, read_card, write_card
from edge.inference.runtime import runtime_name, tensors
from training.splits import svdb_unseen

NAMES = ("cnn", "lstm")
LIMIT_BYTES = {"cnn": 40_000, "lstm": 60_000}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def copy(tmp_path: Path) -> Callable[..., Path]:
    """Copy a shipped model, its card changed; say nothing of a change and it is the same."""

    def make(name: str = "cnn", content: bytes | None = None, **changes: Any) -> Path:
        card = read_card(models_dir() / f"{name}.json")
        target = tmp_path / f"{name}.tflite"
        target.write_bytes((models_dir() / f"{name}.tflite").read_bytes() if content is None else content)
        write_card(msgspec.structs.replace(card, **changes), target.with_suffix(".json"))
        return target

    return make


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        BeatModel.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_both_models_are_shipped() -> None:
    assert model_names() == NAMES


def test_a_model_gives_probabilities(name: str) -> None:
    with BeatModel.load(name) as model:
        window = np.zeros((beat_window.WINDOW, beat_window.LEADS), np.float32)
        said = model.predict(window, np.zeros(len(history.NAMES), np.float32))
    assert said.shape == (5,)
    assert said.dtype == np.float32
    assert said.sum() == pytest.approx(1, abs=0.02)
    assert model.name == name
    assert model.classes == ("N", "S", "V", "F", "Q")


def test_a_decision_weighs_the_probabilities_and_says_how_sure_it_is(copy: Callable[..., Path]) -> None:
    sure = Confidence(slope=1.0, intercept=0.0)
    path = copy(
        offsets=(0.0, 1.0, 0.0, 0.0, -9.0), confidence=(sure, Confidence(slope=0.5, intercept=1.0), *[sure] * 3)
    )
    with BeatModel.load(path) as model:
        said = np.array([0.5, 0.3, 0.1, 0.1, 0.0], np.float32)
        label, score = model.decide(said)
        weighed = 0.3 * np.e / (0.3 * np.e + 0.7)
        assert label == "S"
        assert score == pytest.approx(1 / (1 + np.exp(-0.5 * np.log(weighed / (1 - weighed)) - 1)), abs=2e-3)
        assert model.decide(np.array([1, 0, 0, 0, 0], np.float32))[1] > 0.99


def test_values_beyond_the_range_saturate(name: str) -> None:
    with BeatModel.load(name) as model:
        for huge in (1e30, -1e30):
            window = np.full((beat_window.WINDOW, beat_window.LEADS), huge, np.float32)
            said = model.predict(window, np.full(len(history.NAMES), huge, np.float32))
            assert said.sum() == pytest.approx(1, abs=0.02)


def test_a_model_is_small_and_integer_throughout(name: str) -> None:
    path = models_dir() / f"{name}.tflite"
    assert path.stat().st_size <= LIMIT_BYTES[name]
    inputs, outputs = tensors(path.read_bytes())
    assert {tensor.dtype for tensor in (*inputs, *outputs)} == {"int8"}
    interpreter = runtime.build(name, path.read_bytes())
    floats = [
        tensor
        for tensor in interpreter.get_tensor_details()
        if np.dtype(tensor["dtype"]).kind == "f" and np.prod(tensor["shape"], dtype=int) > 0 and len(tensor["shape"])
    ]
    # The int8 LSTM lists intermediates in float that hold nothing.
    assert [tensor["name"] for tensor in floats] == []


def test_the_card_tells_where_a_model_comes_from(name: str) -> None:
    card = read_card(models_dir() / f"{name}.json")
    content = (models_dir() / f"{name}.tflite").read_bytes()
    assert card.sha256 == hashlib.sha256(content).hexdigest()
    assert not {"100", "232", "202"} & set(card.origin.databases["mitdb"])
    assert not svdb_unseen(card.origin.databases["svdb"])
    for number_format in ("float", "int8"):
        assert card.metrics["ds2"][number_format]["v_f1"] > 85
    for figure in ("v_f1", "n_se"):
        assert card.metrics["ds2"]["int8"][figure] == pytest.approx(card.metrics["ds2"]["float"][figure], abs=1)


def test_a_copy_elsewhere_loads(copy: Callable[..., Path], name: str) -> None:
    with BeatModel.load(copy(name)) as model:
        assert model.name == name


def test_use_after_close_is_an_error(name: str) -> None:
    model = BeatModel.load(name)
    model.close()
    model.close()
    with pytest.raises(ModelError, match="closed"):
        model.predict(np.zeros((128, 2), np.float32), np.zeros(len(history.NAMES), np.float32))


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(ModelError, match="cnn, lstm"):
        BeatModel.load("transformer")


def test_a_missing_card_is_named(copy: Callable[..., Path]) -> None:
    path = copy()
    path.with_suffix(".json").unlink()
    assert "cnn.json" in refused(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', f'{{"schema": {SCHEMA}, "kind": "cnn"}}'])
def test_a_broken_card_is_refused(copy: Callable[..., Path], text: str) -> None:
    path = copy()
    path.with_suffix(".json").write_text(text)
    assert "cnn" in refused(path)


def test_a_card_of_another_schema_is_refused(copy: Callable[..., Path]) -> None:
    assert "schema version 99" in refused(copy(schema=99))


def test_an_unknown_field_is_refused(copy: Callable[..., Path]) -> None:
    path = copy()
    card = msgspec.json.decode(path.with_suffix(".json").read_bytes())
    path.with_suffix(".json").write_bytes(msgspec.json.encode({**card, "mood": "good"}))
    assert "mood" in refused(path)


def test_another_file_under_the_card_is_refused(copy: Callable[..., Path]) -> None:
    other = (models_dir() / "lstm.tflite").read_bytes()
    assert "sha256" in refused(copy(content=other))


def test_a_file_that_is_no_model_is_refused(copy: Callable[..., Path]) -> None:
    junk = b"TFL3 but not really" * 10
    assert "cannot run" in refused(copy(content=junk, sha256=hashlib.sha256(junk).hexdigest()))


def changed(field: str, **changes: Any) -> dict[str, Any]:
    card: ModelCard = read_card(models_dir() / "cnn.json")
    return {field: msgspec.structs.replace(getattr(card, field), **changes)}


def features(**changes: Any) -> dict[str, Any]:
    first, *rest = read_card(models_dir() / "cnn.json").features
    return {"features": (msgspec.structs.replace(first, **changes), *rest)}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda: changed("beat", name="ecg"), "'ecg'"),
        (lambda: changed("context", name="rr"), "'rr'"),
        (lambda: changed("output", name="labels"), "'labels'"),
        (lambda: changed("beat", shape=(1, 64, 2)), "(1, 64, 2)"),
        (lambda: changed("context", shape=(1, 3)), "(1, 3)"),
        (lambda: changed("output", shape=(1, 4)), "(1, 4)"),
        (lambda: changed("beat", dtype="float32"), "float32"),
        (lambda: changed("context", dtype="uint8"), "uint8"),
        (lambda: changed("window", fs_hz=250), "250"),
        (lambda: changed("window", before=40), "40"),
        (lambda: changed("window", n=256), "256"),
        (lambda: changed("window", leads=1), "leads=1"),
        (lambda: features(name="qt_interval"), "qt_interval"),
        (lambda: features(knots=(0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0)), "knots"),
        (lambda: features(knots=(0.0, 1.0)), "knots"),
        (lambda: {"features": read_card(models_dir() / "cnn.json").features[::-1]}, "order"),
        (lambda: {"features": read_card(models_dir() / "cnn.json").features[:-1]}, "area"),
        (lambda: {"fingerprint": "0123456789ab"}, "learnt from features 0123456789ab"),
        (lambda: {"classes": ("N", "S", "V", "F")}, "classes"),
        (lambda: {"offsets": (0.0, 0.0)}, "offsets"),
        (lambda: {"confidence": ()}, "confidence"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(
    copy: Callable[..., Path], change: Callable[[], dict[str, Any]], named: str
) -> None:
    assert named in refused(copy(**change()))


def test_a_card_survives_being_written(tmp_path: Path, name: str) -> None:
    card = read_card(models_dir() / f"{name}.json")
    write_card(card, tmp_path / "card.json")
    assert msgspec.json.encode(read_card(tmp_path / "card.json")) == msgspec.json.encode(card)


def test_the_runtime_is_named() -> None:
    package, version = runtime_name().split()
    assert package in ("ai-edge-litert", "tflite-runtime")
    assert version[0].isdigit()


def test_without_an_interpreter_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, _ in runtime._RUNTIMES:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError, match="pip install"):
        BeatModel.load("cnn")
    with pytest.raises(ModelError, match="pip install"):
        runtime_name()


def test_a_numpy_that_breaks_the_interpreter_is_named_with_what_mends_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # What tflite-runtime does with numpy 2 is done to it here; that it does so was seen.
    def broken(**_: object) -> None:
        raise SystemError("CreateWrapperFromBuffer returned a result with an exception set")

    monkeypatch.setattr(runtime, "_interpreter", lambda: (broken, "tflite-runtime"))
    monkeypatch.setattr(np, "__version__", "2.4.6")
    with pytest.raises(ModelError) as error:
        BeatModel.load(name)
    assert "tflite-runtime cannot run with numpy 2.4.6" in error.value.reason
    assert error.value.fix == f"`{sys.executable} -m pip install 'numpy>=1.26.4,<2'`"
    monkeypatch.setattr(np, "__version__", "1.26.4")
    with pytest.raises(ModelError, match="CreateWrapperFromBuffer") as other:
        BeatModel.load(name)
    assert "pip install -c constraints.txt ." in other.value.fix.replace("'", "")
    monkeypatch.setattr(runtime, "_interpreter", lambda: (broken, "ai-edge-litert"))
    monkeypatch.setattr(np, "__version__", "2.4.6")
    assert runtime.numpy_clash() is None


def test_either_interpreter_serves_and_they_agree(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    rng = np.random.default_rng(0)
    windows = rng.normal(0, 0.3, (40, 128, 2)).astype(np.float32)
    with BeatModel.load(name) as model:
        knots = np.array([feature.knots for feature in model.card.features], np.float32)
        rows = rng.uniform(knots[:, 0], knots[:, -1], (40, len(knots))).astype(np.float32)
        preferred = np.stack([model.predict(w, f) for w, f in zip(windows, rows, strict=True)])
    module, package = runtime._RUNTIMES[1]
    pytest.importorskip(module, reason=f"needs {package} beside the preferred interpreter")
    monkeypatch.setattr(runtime, "_RUNTIMES", runtime._RUNTIMES[1:])
    with BeatModel.load(name) as model:
        other = np.stack([model.predict(w, f) for w, f in zip(windows, rows, strict=True)])
    # Their int8 kernels round differently, by a step or two along the way.
    np.testing.assert_allclose(other, preferred, atol=0.1)
