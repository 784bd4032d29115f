"""Evidence in words: every number is said with what it counts, and nothing is said as a program names it."""

from __future__ import annotations

import msgspec
import pytest

from edge.evidence import evidence_words
from edge.kinds import KINDS
from edge.messages import Evidence

SAID = [
    (Evidence(rate_per_min=132.43, duration_s=1.5, rule={"beats": 5}, episodes=1, held=0), "at 132/min, 1.5 s"),
    (Evidence(beats=1), "1 beat"),
    (Evidence(beats=18, rate_per_min=None, mean_score=0.8), "18 beats, score 0.80"),
    (Evidence(v_beats=14, beats=29, percent=48.3, window_s=60), "14 of 29 beats ventricular, 48 % in 60 s"),
    (Evidence(v_beats=17, duration_s=33.6), "17 ventricular beats, 34 s"),
    (Evidence(v_beats=5, beats=5), "5 beats"),
    (Evidence(lost=3, high=1, low=2), "3 alerts not kept: 1 high, 2 low"),
    (Evidence(reason="lead off", leads=("off", "flat")), "lead off, leads off, flat"),
    (
        Evidence(episodes=2, recurred_after_s=12.0, held=1),
        "2 times, the last after 12 s, 1 since it was last told",
    ),
    (Evidence(ended_by="vf"), "ended by ventricular fibrillation or flutter"),
    (Evidence(ended_by="end of stream"), "end of stream"),
    (Evidence(), ""),
]


@pytest.mark.parametrize(("said", "text"), SAID)
def test_what_is_said(said: Evidence, text: str) -> None:
    assert ", ".join(evidence_words(said)) == text


def test_no_number_is_left_out() -> None:
    shown = {name for said, _ in SAID for name in said.__struct_fields__ if getattr(said, name) is not msgspec.UNSET}
    assert shown | {"medium"} == set(Evidence.__struct_fields__)


@pytest.mark.parametrize("kind", KINDS)
def test_no_name_of_a_program_is_said(kind: str) -> None:
    (text,) = evidence_words(Evidence(ended_by=kind))
    assert "_" not in text
