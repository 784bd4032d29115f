"""What a replay counts, and how it is shown."""

from __future__ import annotations

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
