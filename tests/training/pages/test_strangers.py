"""What is no page of an ECG gets no opinion."""

from __future__ import annotations

import pytest

from edge.inference.beat_model import BeatModel
from training.pages import strangers


@pytest.fixture(scope="module")
def model() -> BeatModel:
    return BeatModel.load()


@pytest.mark.parametrize("kind", list(strangers.KINDS))
def test_it_gets_none_and_there_is_a_reason(kind: str, model: BeatModel) -> None:
    images = list(strangers.KINDS[kind](3))
    if not images:
        pytest.skip("no package with photographs is installed")
    assert all(strangers.why_none(image, model) for image in images)
