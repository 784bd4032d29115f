"""A small share of `make durability`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from broker import MOSQUITTO
from numpy.typing import NDArray

from benchmarks import durability, durability_counts, durability_hostile, durability_live, durability_replay
from benchmarks.durability_counts import Counts, judge
from benchmarks.durability_live import Killed, must

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")


def test_no_phase_of_a_replay_is_lost_or_out_of_order(toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    counts = durability_replay.run(tmp_path, toy_ecg, kills=4, restarts=1, seed=7)
    print(durability_counts.table({"replay": counts}))
    assert counts.flawless, counts
    assert (counts.device_kills, counts.broker_kills) == (4, 1)
    assert counts.phases_decided > 30


def test_no_phase_of_a_watch_is_lost_and_its_absence_is_told(toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    counts = durability_live.run(tmp_path, toy_ecg, kills=3, restarts=1, seed=5)
    print(durability_counts.table({"run": counts}))
    assert counts.flawless, counts
    assert (counts.device_kills, counts.broker_kills, counts.black_holes) == (3, 1, 1)
    assert counts.phases_decided > 30
    assert counts.offline_told


ONSET, UPDATE, END = ("a", "onset", 1), ("a", "update", 2), ("a", "end", 3)


@pytest.mark.parametrize(
    ("left", "phases"),
    [
        # Acknowledged, waiting, and written down only.
        (Killed([ONSET, UPDATE], [], [UPDATE], 2), [ONSET, UPDATE]),
        (Killed([ONSET, UPDATE], [UPDATE], [UPDATE], 2), [ONSET, UPDATE]),
        (Killed([ONSET, UPDATE], [], [ONSET], 1), [ONSET]),
        (Killed([ONSET, END], [], [ONSET], 1), [ONSET]),
        (Killed([ONSET, END], [END], [], 2), [ONSET, END]),
        (Killed([ONSET, END], [], [], 2), [ONSET, END]),
        (Killed([ONSET], [], [], 0), []),
    ],
)
def test_what_an_outbox_took_in_is_known_from_what_it_left(left: Killed, phases: list[tuple[str, str, int]]) -> None:
    assert must([left]) == (phases, 0)
    assert left.number == len(phases)


def test_the_next_start_ends_what_was_in_force() -> None:
    first, dies_early = Killed([ONSET, UPDATE], [], [UPDATE], 2), Killed([], [], [UPDATE], 2)
    second = Killed([("b", "onset", 1)], [], [("b", "onset", 1)], 4)
    assert must([first, dies_early, second]) == ([ONSET, UPDATE, ("a", "end", 2), ("b", "onset", 1)], 1)


def test_the_judge_finds_what_is_wrong() -> None:
    counts = Counts()
    judge(counts, [], [ONSET])
    assert counts.lost == 1
    assert not counts.flawless


def test_no_phase_is_lost_at_brokers_that_misbehave(
    toy_ecg: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("takes 200 bytes", "gives the session to another")
    monkeypatch.setattr(durability_hostile, "BROKERS", {name: durability_hostile.BROKERS[name] for name in few})
    rows = durability_hostile.run(tmp_path, toy_ecg, hostile_s=6.0)
    print(durability_hostile.table(rows))
    assert all(row.flawless for row in rows.values()), rows
    assert "is larger than the broker takes" in rows[few[0]].told
    # The broker's reason may be lost with the connection.
    assert any(words in rows[few[1]].told for words in ("another client connects", "connection lost"))


def test_what_was_found_before_is_kept_and_said() -> None:
    found = msgspec.json.decode((durability.RESULTS / "durability.json").read_bytes(), type=durability.Results)
    assert (durability.RESULTS / "durability.md").read_text() == durability._text(found)
    assert found.flawless
