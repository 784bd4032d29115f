"""Runs, episodes and heart rates against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from training import ec57, episodes

FS_HZ = 360


def stretches(*pairs: tuple[int, int]):
    return np.array(pairs, np.int64).reshape(-1, 2)


def compared(reference: str, found: str):
    """Compare beats a second apart; a dot is no beat."""

    def beats(symbols):
        at = [FS_HZ * (i + 1) for i, symbol in enumerate(symbols) if symbol != "."]
        return at, [symbol for symbol in symbols if symbol != "."]

    return ec57.compare(beats(reference), beats(found), FS_HZ)


def test_what_is_falsely_called_counts_within_the_stretches_alone() -> None:
    found = compared("NNNSNN.N", "NSSSSN.N")
    assert episodes.falsely_called(found, "S", stretches((3 * FS_HZ, 6 * FS_HZ))) == (2, 3)
    assert episodes.falsely_called(found, "S", stretches()) == (0, 0)


@pytest.mark.parametrize(
    ("reference", "found", "kind", "met", "right"),
    [
        ("NVVN", "NVVN", "couplet", (1, 1), (1, 1)),
        ("NVVN", "NVNN", "couplet", (0, 1), (0, 0)),
        ("NVVN", "NVVV", "couplet", (1, 1), (0, 0)),  # a longer run is found: the couplet is met, and is no false one
        ("NVVN", "NVVV", "short", (0, 0), (0, 1)),
        ("NVVVVN", "NVVNVN", "short", (0, 1), (0, 0)),
        ("NVVVVN", "NVVVNN", "short", (1, 1), (1, 1)),
        ("NVVVVVVN", "NVVVVVNN", "long", (0, 1), (0, 0)),
        ("NVVVVVVVVN", "NVVVVVVNNN", "long", (1, 1), (1, 1)),
        ("NVV.VVVN", "NVV.VVVN", "short", (1, 1), (1, 1)),  # nobody has a beat at the dot: it breaks no run
        ("NVV.VVVN", "NVVNVVVN", "short", (1, 1), (1, 1)),  # an extra N breaks the found run only
    ],
)
def test_runs_are_met_by_runs_as_long(reference, found, kind, met, right):
    assert episodes.compare_runs(compared(reference, found)).counts(kind) == (met, right)


def test_a_run_of_s_beats_is_no_run_of_v_beats():
    assert episodes.compare_runs(compared("NSSN", "NVVN"), "S").counts("couplet") == ((0, 1), (0, 0))


def test_rhythms_last_from_their_note_to_the_next_one_of_another():
    samples = [0, 100, 150, 200, 300, 400, 500]
    symbols = ["+", "+", "N", "+", "+", "[", "]"]
    aux = ["(N", "(AFIB", "", "(AFL", "(N", "", ""]
    assert episodes.rhythm_stretches(samples, symbols, aux, ("(AF",), 600).tolist() == [[100, 300]]
    assert episodes.rhythm_stretches(samples, symbols, aux, ("(VF", "["), 600).tolist() == [[400, 500]]
    assert episodes.rhythm_stretches(samples, symbols, aux, ("(VT",), 600).tolist() == []


def test_a_rhythm_that_nothing_ends_lasts_to_the_end():
    assert episodes.rhythm_stretches([10], ["+"], ["(AFIB"], ("(AF",), 50).tolist() == [[10, 50]]


def test_episodes_by_count_and_by_duration():
    score = episodes.compare_stretches(
        stretches((0, 360), (720, 1080)), stretches((180, 540), (1440, 1800)), FS_HZ, 3600
    )
    assert (score.reference, score.met, score.found, score.right) == (2, 1, 2, 1)
    assert (score.reference_s, score.found_s, score.both_s, score.total_s) == (2.0, 2.0, 0.5, 10.0)


def test_parts_of_stretches():
    assert episodes.clipped(stretches((0, 10), (20, 30)), 25, 28).tolist() == [[25, 28]]
    assert episodes.clipped(stretches((0, 10)), 10, 20).tolist() == []


def test_a_missed_beat_in_ten_seconds_costs_its_share_of_the_rate():
    beats = np.arange(0, 60 * FS_HZ, FS_HZ)
    exact, seconds = episodes.heart_rate_error(beats, beats, FS_HZ, 60 * FS_HZ)
    assert exact == 0
    assert 55 < seconds <= 60
    missed, _ = episodes.heart_rate_error(beats, np.delete(beats, 30), FS_HZ, 60 * FS_HZ)
    # Ten intervals of a second become nine in ten seconds, for as long as the long one ended in the window.
    assert missed == pytest.approx(10 * (60 - 54) ** 2, rel=0.1)
    assert episodes.heart_rate_error(beats, beats[:0], FS_HZ, 60 * FS_HZ) == (0.0, 0)
