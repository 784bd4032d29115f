"""ECG drawn in text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.demo.strip_chart import chart, letters


def dots(lines: list[str]) -> set[tuple[int, int]]:
    """Row and column of every dot set, read from the characters' Unicode names' numbering."""
    places = {1: (0, 0), 2: (1, 0), 3: (2, 0), 4: (0, 1), 5: (1, 1), 6: (2, 1), 7: (3, 0), 8: (3, 1)}
    return {
        (row * 4 + places[dot][0], column * 2 + places[dot][1])
        for row, line in enumerate(lines)
        for column, character in enumerate(line)
        for dot in range(1, 9)
        if (ord(character) - 0x2800) >> (dot - 1) & 1
    }


@given(
    values=st.lists(st.one_of(st.floats(-5, 5), st.just(float("nan"))), max_size=400),
    width=st.integers(1, 60),
    rows=st.integers(1, 6),
)
def test_any_signal_fits(values: list[float], width: int, rows: int) -> None:
    lines = chart(np.array(values, np.float64), width, rows)
    assert [len(line) for line in lines] == [width] * rows
    assert all(0x2800 <= ord(character) <= 0x28FF for line in lines for character in line)
    assert bool(dots(lines)) == bool(np.isfinite(values).any())


def test_a_terminal_without_braille_sees_the_spike_too() -> None:
    mv = np.zeros(80)
    mv[40:42] = 1.0
    lines = chart(mv, 20, 3, braille=False)
    assert [len(line) for line in lines] == [20] * 3
    assert all(line.isascii() for line in lines)
    assert {column for line in lines[:2] for column, mark in enumerate(line) if mark != " "} == {9, 10}
    assert set(lines[2].replace("|", ".")) == {"."}


def test_a_spike_stands_up_from_the_baseline() -> None:
    mv = np.zeros(80)
    mv[40:42] = 1.0
    drawn = dots(chart(mv, 20, 3))
    assert {row for row, column in drawn if column == 20} == set(range(12))
    assert {row for row, column in drawn if column not in (19, 20, 21)} == {11}


def test_a_rise_has_no_holes() -> None:
    drawn = dots(chart(np.linspace(0, 1, 40), 5, 3))
    assert {row for row, _ in drawn} == set(range(12))


def test_noise_is_not_magnified() -> None:
    rows = {row for row, _ in dots(chart(np.random.default_rng(1).normal(0, 0.005, 400), 40, 4))}
    assert len(rows) <= 3


@pytest.mark.parametrize(("place", "column"), [(0.0, 0), (0.5, 5), (0.999, 9), (1.0, None), (-0.1, None)])
def test_letters_stand_above_their_places(place: float, column: int | None) -> None:
    expected = "".join("V" if i == column else " " for i in range(10))
    assert letters([(place, "V")], 10) == expected
