"""What is told when a signal ends or changes: the ways of the benchmark, once each, that decide most."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import first_word
from benchmarks.first_word import MARKS, PAGES, WAYS, Outcome, Way, happens, put, wrong
from edge.inference.beat_model import BeatModel

_BY_NAME = {way.name: way for way in WAYS}
_TRIED = (
    "electrodes off, the board says so",
    "dead flat, or frozen at one value",
    "asystole, 30 µV",
    "asystole, 60 µV",
    "saturated at an end of the range",
    "mains of 50 Hz alone, 0.5 mV",
    "samples lost for 12 s",
    "170 ms lost, asystole from then on",
    "one lead flat",
    "a step of 20 mV",
    "170 ms lost",
)


@pytest.fixture(scope="module")
def cnn() -> Iterator[BeatModel]:
    with BeatModel.load("cnn") as loaded:
        yield loaded


@pytest.mark.parametrize("name", _TRIED)
def test_it_is_told_within_ten_seconds_and_as_what_it_is(cnn: BeatModel, name: str) -> None:
    way = _BY_NAME[name]
    for known in (True, False):
        outcome = happens(way, cnn, electrodes_known=known, seed=0)
        assert not wrong(way, known, [outcome])
        if "asystole" in way.right and not way.gap_s:
            told = "asystole" if known or way.name.endswith("60 µV") else "asystole_or_lead_off"
            assert [kind for kind in outcome.kinds if kind != "pause"] == [told]


@pytest.mark.parametrize(
    ("kinds", "first_s", "beats_s", "why"),
    [
        (("asystole",), 3.0, None, ""),
        ((), None, None, "told nothing"),
        (("vt",), 3.0, None, "told vt"),
        (("asystole",), 11.0, None, "told after 11.0 s"),
    ],
)
def test_what_is_not_as_it_should_be_is_said(
    kinds: tuple[str, ...], first_s: float | None, beats_s: float | None, why: str
) -> None:
    way = Way(name="x", change=lambda mv, _: mv, right=("asystole",))
    assert wrong(way, True, [Outcome(kinds=kinds, reason="", first_s=first_s, beats_s=beats_s)]) == why


def test_every_page_has_the_same_table_of_every_way(tmp_path: Path) -> None:
    tables = {page.read_text(encoding="utf-8").split(MARKS[0])[1].split(MARKS[1])[0] for page in PAGES}
    (table,) = tables
    assert all(f"| {way.name} |" in table for way in WAYS)
    page = tmp_path / "page.md"
    page.write_text(f"before {MARKS[0]}{table}{MARKS[1]} after", encoding="utf-8")
    put(page, "new")
    assert page.read_text(encoding="utf-8") == f"before {MARKS[0]}\n\nnew\n\n{MARKS[1]} after"


_BEFORE = {"noise": first_word._noise(0.3), "waves": first_word._fibrillation, "saturated": first_word._constant(5.0)}
_AFTER = {"dead": first_word._constant(0.1), "20 µV": first_word._uniform(0.02), "40 µV": first_word._uniform(0.04)}


@pytest.mark.parametrize("before", list(_BEFORE))
@pytest.mark.parametrize("after", list(_AFTER))
def test_whatever_comes_before_an_asystole_it_is_told(cnn: BeatModel, before: str, after: str) -> None:
    way = Way(name="x", change=first_word._then(_BEFORE[before], 6, _AFTER[after]))
    assert "asystole" in happens(way, cnn, electrodes_known=True, seed=1).kinds
