from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import ec57

FS_HZ = 360.0
WINDOW = 54  # 150 ms

beats = st.lists(st.integers(0, 20_000), max_size=40, unique=True).map(sorted)
labels = st.sampled_from("NLRejBAaJSVEF/fQ")


def compared(reference, test, fs_hz=FS_HZ, **options):
    """Compare two lists of (sample, symbol)."""
    split = [tuple(zip(*annotations, strict=True)) or ((), ()) for annotations in (reference, test)]
    return ec57.compare(*split, fs_hz, **options)


def pairs(reference, test, **options):
    found = compared([(t, "N") for t in reference], [(t, "N") for t in test], **options)
    return [tuple(pair) for pair in found.pairs.tolist()]


def test_the_window_includes_150_ms_and_no_sample_more():
    assert pairs([1000], [1000 + WINDOW]) == [(1000, 1000 + WINDOW)]
    assert pairs([1000], [1000 - WINDOW]) == [(1000, 1000 - WINDOW)]
    assert pairs([1000], [1001 + WINDOW]) == [(1000, -1), (-1, 1001 + WINDOW)]
    assert pairs([1000], [999 - WINDOW]) == [(-1, 999 - WINDOW), (1000, -1)]


def test_of_two_found_beats_the_nearer_is_the_reference_beat_and_the_other_is_extra():
    assert pairs([1000], [980, 1010]) == [(-1, 980), (1000, 1010)]
    assert pairs([1000], [990, 1020]) == [(1000, 990), (-1, 1020)]


def test_of_two_reference_beats_the_nearer_is_found_and_the_other_missed():
    assert pairs([980, 1010], [1000]) == [(980, -1), (1010, 1000)]
    assert pairs([990, 1020], [1000]) == [(990, 1000), (1020, -1)]


def test_a_beat_whose_nearer_partner_has_a_still_nearer_one_gets_the_other():
    # The example bxb's own comments give for its rule, at a window of 37 samples.
    assert pairs([96, 160], [128, 185], window_ms=37_000 / 360) == [(96, 128), (160, 185)]
    assert pairs([128, 185], [96, 160], window_ms=37_000 / 360) == [(128, 96), (185, 160)]


def test_of_two_that_are_equally_near_the_later_is_the_partner():
    # bxb asks for a partner nearer than the next beat's, and for a next beat that has one nearer still.
    assert pairs([1000], [990, 1010]) == [(-1, 990), (1000, 1010)]
    assert pairs([990, 1010], [1000]) == [(990, -1), (1010, 1000)]
    assert pairs([1000, 1020], [1010, 1030]) == [(1000, -1), (-1, 1010), (1020, 1030)]
    assert pairs([1010, 1030], [1000, 1020]) == [(-1, 1000), (1010, -1), (1030, 1020)]


def test_of_two_beats_at_one_sample_the_later_is_the_partner():
    found = compared([(1000, "N"), (1000, "V")], [(1000, "V")])
    assert found.labels.tolist() == [["N", "O"], ["V", "V"]]
    found = compared([(1000, "V")], [(1000, "N"), (1000, "V")])
    assert found.table.sum() == 2
    assert found.table[2, 2] + found.table[2, 0] == 1


def test_a_window_that_is_no_whole_number_of_samples_ends_with_the_last_within_it():
    # 150 ms at 250 Hz are 37.5 samples.
    for distance, is_same in ((37, True), (38, False)):
        table = compared([(1000, "N")], [(1000 + distance, "N")], fs_hz=250.0).table
        assert bool(table[0, 0]) == is_same


def test_of_a_part_the_first_sample_counts_and_the_end_does_not():
    beats = [(3600, "N"), (7200, "N")]
    found = compared(beats, beats, start_s=10, end_s=20)
    assert found.pairs.tolist() == [[3600, 3600]]


def test_flutter_and_shutdown_include_their_first_and_last_sample():
    reference = [(900, "N"), (1000, "["), (1000, "N"), (2000, "]"), (2000, "N"), (2100, "N")]
    assert compared(reference, [(900, "N"), (2100, "N")]).table.sum() == 2
    assert compared(
        [(900, "N")], [(900, "N"), (1000, "N"), (2000, "N")], shutdown=([[1000, 2000]], ())
    ).in_shutdown == (
        0,
        2,
    )


def test_every_cell_of_the_table_is_counted_where_it_belongs():
    order = "NSVFQ"
    reference = [(1000 * k, a) for k, a in enumerate((a for a in order for _ in order), 1)]
    test = [(1000 * k + 3, b) for k, b in enumerate((b for _ in order for b in order), 1)]
    extra = [(50_000 + 1000 * k, b) for k, b in enumerate(order)]
    missed = [(60_000 + 1000 * k, a) for k, a in enumerate(order)]
    table = compared(reference + missed, test + extra).table
    expected = np.ones((6, 6), int)
    expected[5, 5] = 0
    assert table.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("label", "symbols"), [("N", "NLRejnB"), ("S", "AaJS"), ("V", "VEr"), ("F", "F"), ("Q", "/fQ?")]
)
def test_mit_symbols_become_aami_classes(label, symbols):
    for symbol in symbols:
        assert compared([(500, symbol)], [(500, label)]).table[(ec57.CLASSES.index(label),) * 2] == 1


def test_what_is_no_beat_is_not_counted():
    marks = [(k, symbol) for k, symbol in enumerate('+~|sTxp!"', 1)]
    assert compared(marks, [(5, "+")]).table.sum() == 0


def test_no_beat_is_counted_in_flutter_of_the_reference():
    reference = [(1000, "V"), (1400, "["), (1500, "!"), (1600, "V"), (2400, "]"), (3000, "N")]
    test = [(1000, "V"), (1600, "V"), (2000, "N"), (3000, "N"), (3500, "N")]
    found = compared(reference, test)
    assert found.pairs.tolist() == [[1000, 1000], [3000, 3000], [-1, 3500]]


def test_flutter_that_never_ends_reaches_to_the_end():
    found = compared([(1000, "N"), (1100, "[")], [(1000, "N"), (5000, "N"), (9000, "N")])
    assert found.pairs.tolist() == [[1000, 1000]]


def test_flutter_said_by_the_test_forgives_nothing():
    found = compared([(1000, "N"), (2000, "N")], [(900, "["), (1000, "N"), (2500, "]")])
    assert ec57.qrs(found.table) == ec57.Score(tp=1, fn=1, fp=0)


def test_only_the_part_asked_for_is_counted():
    at = [100, 400, 800, 1200]
    found = compared([(t, "N") for t in at], [(t + 5, "N") for t in at], start_s=1.0, end_s=3.0)
    assert found.pairs[:, 0].tolist() == [400, 800]


def test_shutdown_is_counted_and_told_apart():
    reference = [(1000, "N"), (2000, "N"), (3000, "N")]
    test = [(1000, "N"), (1500, "N"), (2500, "N")]
    found = compared(reference, test, shutdown=([(1400, 1600)], [(2900, 3100)]))
    assert ec57.qrs(found.table) == ec57.Score(tp=1, fn=2, fp=2)
    assert found.in_shutdown == (1, 1)


def test_unreadable_stretches_are_those_noisy_in_both_leads():
    samples, symbols = [100, 200, 300, 400, 500], ["~", "N", "~", "~", "~"]
    spans = ec57.unreadable(samples, symbols, [0x30, 0, 0x10, -1, 0])
    assert spans.tolist() == [[100, 300], [400, 500]]


def test_conventions_differ_in_fusion_and_unclassifiable_beats_only():
    table = np.arange(36).reshape(6, 6)
    table[5, 5] = 0
    n, s, v, f, q, o = range(6)
    strict, lenient = (ec57.beat_class(table, "V", convention) for convention in ("strict", "ec57"))
    assert strict.tp == lenient.tp == table[v, v]
    assert strict.fn == lenient.fn == table[v, [n, s, f, q, o]].sum()
    assert strict.fp == table[[n, s, f, q, o], v].sum()
    assert lenient.fp == table[[n, s, o], v].sum()
    assert strict.tn == lenient.tn == table[np.ix_([n, s, f, q, o], [n, s, f, q])].sum()
    assert ec57.beat_class(table, "S", "ec57").fp == table[[n, v, f, o], s].sum()
    assert ec57.beat_class(table, "F", "ec57") == ec57.beat_class(table, "F")


def test_figures_follow_from_counts_and_are_undefined_without_beats():
    score = ec57.Score(tp=80, fn=20, fp=10, tn=90)
    assert (score.se, score.ppv, score.fpr) == (0.8, 80 / 90, 0.1)
    assert score.f1 == pytest.approx(2 * score.se * score.ppv / (score.se + score.ppv))
    nothing = ec57.Score(0, 0, 0)
    assert all(math.isnan(figure) for figure in (nothing.se, nothing.ppv, nothing.f1, nothing.fpr))


def test_average_leaves_out_records_where_a_figure_is_undefined():
    half, none = np.zeros((6, 6), int), np.zeros((6, 6), int)
    half[2, 2] = half[2, 0] = 10
    assert ec57.average([half, none, half], lambda table: ec57.beat_class(table, "V").se) == 0.5


def test_interval_is_a_point_for_equal_records_and_wide_where_one_decides():
    good, bad = np.zeros((6, 6), int), np.zeros((6, 6), int)
    good[1, 1], bad[1, 0] = 90, 900
    assert ec57.interval([good] * 5, "S")["se"] == (1.0, 1.0)
    low, high = ec57.interval([good] * 9 + [bad], "S")["se"]
    assert low < 0.4
    assert high == 1.0
    assert ec57.interval([good] * 9 + [bad], "S") == ec57.interval([good] * 9 + [bad], "S")


def test_offsets_and_rr_errors_are_those_of_beats_both_have():
    found = compared([(0, "N"), (360, "N"), (720, "N"), (1440, "N")], [(9, "N"), (360, "N"), (1440, "N")])
    assert found.offsets_ms.tolist() == [25.0, 0.0, 0.0]
    assert found.rr_error_ms == 25.0


@given(beats, beats)
def test_every_beat_is_counted_once(reference, test):
    found = np.array(pairs(reference, test), int).reshape(-1, 2)
    assert [t for t in found[:, 0] if t >= 0] == reference
    assert [t for t in found[:, 1] if t >= 0] == test
    both = found[(found >= 0).all(axis=1)]
    assert (np.abs(both[:, 0] - both[:, 1]) <= WINDOW).all()


@given(beats, st.data())
def test_swapping_the_annotators_transposes_the_table(reference, data):
    # Spaced wider than two windows nobody has two candidates, so that order cannot matter.
    reference = [t for i, t in enumerate(reference) if i == 0 or t - reference[i - 1] > 4 * WINDOW]
    shifts = data.draw(st.lists(st.integers(-WINDOW, WINDOW), min_size=len(reference), max_size=len(reference)))
    symbols = data.draw(st.lists(st.tuples(labels, labels), min_size=len(reference), max_size=len(reference)))
    first = [(t, a) for t, (a, _) in zip(reference, symbols, strict=True)]
    second = [(t + shift, b) for t, shift, (_, b) in zip(reference, shifts, symbols, strict=True)]
    assert compared(first, second).table.tolist() == compared(second, first).table.T.tolist()


def test_counts_agree_with_wfdb_on_perturbed_reference_beats(mitdb: Path):
    import wfdb
    from wfdb.processing import compare_annotations

    rng = np.random.default_rng(5)
    for record in ("100", "203", "233"):
        annotation = wfdb.rdann(str(mitdb / record), "atr")
        beats = annotation.sample[[symbol in ec57.AAMI for symbol in annotation.symbol]]
        kept = beats[rng.random(len(beats)) > 0.02]
        test = np.unique(np.abs(np.append(kept + np.rint(rng.normal(0, 18, len(kept))), rng.integers(0, 650_000, 40))))
        ours = ec57.compare((annotation.sample, annotation.symbol), (test, ["N"] * len(test)), FS_HZ)
        theirs = compare_annotations(beats, test.astype(int), WINDOW + 1)  # wfdb's window excludes its edge
        assert ec57.qrs(ours.table) == ec57.Score(tp=theirs.tp, fn=theirs.fn, fp=theirs.fp)


def test_the_database_agrees_with_itself_on_the_published_number_of_beats(mitdb: Path):
    import wfdb

    total = np.zeros((6, 6), int)
    for header in sorted(mitdb.glob("*.hea")):
        annotation = wfdb.rdann(str(header.with_suffix("")), "atr")
        both = (annotation.sample, annotation.symbol)
        total += ec57.compare(both, both, FS_HZ).table
    assert ec57.qrs(total).tp == total.sum() == 109_494
