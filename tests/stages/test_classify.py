"""Labels given to beats by the shipped models."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.features.history import NAMES
from edge.features.window import LEADS, WINDOW
from edge.inference.beat_model import BeatModel
from edge.messages import Beat, LabelledBeat, Message, Samples, Vitals
from edge.pipeline import Chain
from edge.stages.beats import Beats
from edge.stages.classify import Classify
from edge.stages.conditioning.stage import Conditioning
from edge.stages.qrs.stage import QrsDetector


@pytest.fixture(params=["cnn", "lstm"])
def model(request: pytest.FixtureRequest) -> Iterator[BeatModel]:
    with BeatModel.load(request.param) as loaded:
        yield loaded


def a_beat(usable: bool = True) -> Beat:
    window = np.zeros((WINDOW, LEADS), np.float32)
    return Beat(
        sample=7, rr_ms=800.0, window=window, features=np.zeros(len(NAMES), np.float32), usable=usable, decided=9
    )


def labels(model: BeatModel, mv: NDArray[np.float32], leads: tuple[str, ...], size: int) -> list[LabelledBeat]:
    chain = Chain([Conditioning(360, len(leads)), QrsDetector(len(leads)), Beats(leads), Classify(model)])
    out: list[Message] = []
    for start in range(0, len(mv), size):
        out += chain.push(Samples(start=start, mv=mv[start : start + size]))
    return [message for message in [*out, *chain.flush()] if isinstance(message, LabelledBeat)]


def test_an_unusable_beat_is_not_called(model: BeatModel) -> None:
    (labelled,) = Classify(model).push(a_beat(usable=False))
    assert isinstance(labelled, LabelledBeat)
    assert (labelled.label, labelled.score) == ("Q", 0.0)
    assert (labelled.sample, labelled.rr_ms, labelled.decided) == (7, 800.0, 9)


def test_label_and_score_are_what_the_model_decides(model: BeatModel) -> None:
    beat = a_beat()
    (labelled,) = Classify(model).push(beat)
    assert isinstance(labelled, LabelledBeat)
    assert (labelled.label, labelled.score) == model.decide(model.predict(beat.window, beat.features))


def test_a_noisy_beat_is_called_normal_or_not_at_all(model: BeatModel, toy_ecg: NDArray[np.float32]) -> None:
    chain = Chain([Conditioning(360, 1), QrsDetector(1), Beats(("MLII",))])
    beats = [m for m in chain.push(Samples(start=0, mv=toy_ecg[:18000])) if isinstance(m, Beat)]
    noisy = [msgspec.structs.replace(beat, noisy=True) for beat in beats]
    stage = Classify(model)
    called = [out for beat in beats for out in stage.push(beat) if isinstance(out, LabelledBeat)]
    careful = [out for beat in noisy for out in stage.push(beat) if isinstance(out, LabelledBeat)]
    assert {beat.label for beat in called} >= {"N", "V"}
    for one, other in zip(called, careful, strict=True):
        assert (other.label, other.score) == ((one.label, one.score) if one.label == "N" else ("Q", 0.0))


def test_everything_else_passes(model: BeatModel) -> None:
    stage = Classify(model)
    vitals = Vitals(sample=0, hr_bpm=None, reason="start", leads=("good",), beats={}, decided=0)
    assert list(stage.push(vitals)) == [vitals]
    assert not list(stage.flush())


def test_ventricular_beats_are_told_from_normal_ones(model: BeatModel, toy_ecg: NDArray[np.float32]) -> None:
    """Record 208 has a ventricular beat in every third or so; the models have learnt from it."""
    found = labels(model, toy_ecg, ("MLII",), 3600)
    counts = {label: sum(beat.label == label for beat in found) for label in "NSVFQ"}
    assert 450 < len(found) < 560
    assert counts["V"] > 80
    assert counts["N"] > 200
    assert counts["Q"] == 0


def test_blocks_do_not_matter(model: BeatModel, toy_ecg: NDArray[np.float32]) -> None:
    mv = toy_ecg[:7200]
    whole = [(b.sample, b.label, b.score, b.decided) for b in labels(model, mv, ("MLII",), 7200)]
    assert len(whole) > 25
    for size in (7, 361):
        assert [(b.sample, b.label, b.score, b.decided) for b in labels(model, mv, ("MLII",), size)] == whole


def test_a_beat_is_classified_the_same_whatever_came_before(model: BeatModel, toy_ecg: NDArray[np.float32]) -> None:
    """The fused LSTM would keep its state from beat to beat."""
    chain = Chain([Conditioning(360, 1), QrsDetector(1), Beats(("MLII",))])
    beats = [m for m in chain.push(Samples(start=0, mv=toy_ecg[:7200])) if isinstance(m, Beat)]
    forward = [model.predict(beat.window, beat.features) for beat in beats]
    backward = [model.predict(beat.window, beat.features) for beat in reversed(beats)]
    np.testing.assert_array_equal(np.stack(forward), np.stack(backward[::-1]))
