"""What a replay counts, and how it is shown."""

from __future__ import annotations

import pickle

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sinks_samples import MODEL, STREAM, a_second, an_alert, beat, episode

from edge.service.summary import Summary, Tally
from edge.service.table import table


def tally_of(*events: object) -> Tally:
    tally = Tally(STREAM)
    for event in events:
        tally.add(event)  # type: ignore[arg-type]
    return tally


def test_each_episode_and_alert_counts_once() -> None:
    tally = tally_of(
        episode(1, "vt", 500),
        replace(episode(1, "vt", 500), phase="update"),
        episode(1, "vt", 500, 900),
        episode(2, "pause", 950),
        an_alert(),
        an_alert(phase="update"),
        an_alert(phase="end", end=1200),
    )
    summary = tally.summary(3600, 0.5)
    assert summary.episodes == {"vt": 1, "pause": 1}
    assert summary.alerts == {"vt": 1}
    assert summary.alert_latency_ms is not None
    assert summary.alert_latency_ms.p50 == round(500 / 0.36, 1)
    assert (summary.ecg_s, summary.speed) == (10, 20)


def test_rates_and_intervals_that_are_not_known_do_not_count() -> None:
    beats = [replace(beat(360 * n), rr_ms=rr) for n, rr in enumerate([None, 800.0, 1000.0], 1)]
    summary = tally_of(*beats, a_second(None, "lead off"), a_second(60.0), a_second(80.0)).summary(3600, 1)
    assert summary.rr_ms is not None
    assert (summary.rr_ms.mean, summary.rr_ms.min, summary.rr_ms.max) == (900, 800, 1000)
    assert summary.hr_bpm is not None
    assert summary.hr_bpm.mean == 70
    assert summary.beats == {"N": 3, "S": 0, "V": 0, "F": 0, "Q": 0}


@given(st.lists(st.tuples(st.integers(-50, 2000), st.floats(1, 1e4)), min_size=1, max_size=200))
def test_what_is_not_kept_is_summed_up_as_numpy_would(found: list[tuple[int, float]]) -> None:
    tally = tally_of(*(replace(beat(1000), decided=1000 + delay, rr_ms=rr) for delay, rr in found))
    summary = tally.summary(3600, 1)
    delays, rr_ms = zip(*found, strict=True)
    assert summary.beat_latency_ms is not None
    told = msgspec.structs.astuple(summary.beat_latency_ms)
    assert told == pytest.approx(np.percentile(delays, (50, 95, 99)) / 0.36, abs=0.0501)
    assert summary.rr_ms is not None
    wanted = (np.mean(rr_ms), np.std(rr_ms), min(rr_ms), max(rr_ms))
    assert msgspec.structs.astuple(summary.rr_ms) == pytest.approx(wanted, abs=0.0501)


def test_a_tally_does_not_grow_with_the_length_of_the_stream() -> None:
    tally = Tally(STREAM)

    def take(n: int) -> int:
        for at in range(n):
            tally.add(replace(beat(360 * at), decided=360 * at + at % 300, rr_ms=800 + at % 333))
            tally.add(a_second(60 + at % 77 / 7))
        return len(pickle.dumps(tally))

    assert take(1000) >= take(20_000) - 2000


def test_nothing_counts_as_nothing() -> None:
    summary = tally_of().summary(0, 0)
    assert (summary.speed, summary.rr_ms, summary.hr_bpm, summary.beat_latency_ms) == (None, None, None, None)
    assert not tally_of().nothing_readable
    assert "208" in table([replace(summary, model=MODEL)])


def test_signal_in_which_no_lead_can_be_read_is_noticed() -> None:
    unreadable = a_second(None, "lead off", lead="off")
    assert tally_of(unreadable, unreadable).nothing_readable
    assert not tally_of(unreadable, a_second(None, "too few beats", lead="noisy")).nothing_readable
    assert tally_of(unreadable, a_second()).summary(720, 1).unreadable_s == 1


def test_the_table_is_80_columns_wide_whatever_happened() -> None:
    kinds = {f"a_kind_with_a_long_name_{n}": n for n in range(20)}
    summary = replace(
        tally_of(beat(100), a_second()).summary(650_000, 0.5),
        alerts=kinds,
        model=MODEL,
        runtime="test",
        errors=("something went wrong " * 9,),
    )
    text = table([summary, replace(summary, record="another")])
    assert max(map(len, text.splitlines())) <= 80
    assert "a kind with a long name 19" in " ".join(text.split())


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_table_fits_the_terminal(columns: int) -> None:
    summary = replace(
        tally_of(beat(100), a_second()).summary(650_000, 0.5), model=MODEL, runtime="test", errors=("bad " * 40,)
    )
    rows = table([summary], columns).splitlines()
    assert max(map(len, rows)) <= min(columns, 80)
    assert len(rows[0]) == len(rows[1])


def test_what_was_told_is_not_said_again() -> None:
    summary = replace(tally_of(beat(100)).summary(3600, 1), notes=("half a lead",), errors=("disk full",), model=MODEL)
    assert "half a lead" in table([summary])
    text = table([summary], told=["208: half a lead", "disk full"])
    assert "half a lead" not in text
    assert "disk full" not in text


def test_of_many_records_only_the_troubles_are_told_in_full() -> None:
    summary = replace(tally_of(beat(100), an_alert()).summary(36_000, 0.5), model=MODEL, runtime="test")
    few, many = (table([replace(summary, record=f"r{n}") for n in range(count)]) for count in (3, 5))
    assert few.count("decided after") == 3
    assert "decided after" not in many
    total = next(line for line in many.splitlines() if line.startswith("all ")).split()
    assert total == ["all", "0:08:20.0", "200", "5", "0", "0", "0", "0", "–", "5"]
    failed = [replace(summary, record="bad", errors=("broken",)), Summary(record="worse", errors=("gone",))]
    text = table([summary] * 4 + failed)
    assert "error             broken" in text
    assert "error             gone" in text
