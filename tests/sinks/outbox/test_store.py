"""The outbox's disk: full, gone, damaged, of another program; and a row of it that is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from outbox_samples import an_entry, opened, waiting

from edge.sinks.outbox import store
from edge.sinks.outbox.notices import OutboxNotices
from edge.sinks.outbox.outbox import Limits, Outbox


@pytest.mark.parametrize("damage", ["all of it", "a page", "its head"])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "outbox.sqlite"
    with opened(path) as box:
        for number in range(50):
            box.put(an_entry(number, size=2000))
    raw = bytearray(path.read_bytes())
    where = {"all of it": slice(0, None), "a page": slice(4096 * 5, 4096 * 7), "its head": slice(0, 100)}[damage]
    raw[where] = b"\xa5" * len(raw[where])
    path.write_bytes(raw)
    with opened(path) as box:
        assert box.durable
        assert box.damaged == "the outbox was damaged and is kept as outbox.sqlite.damaged-1"
        assert OutboxNotices(box).info().reason == box.damaged
        box.put(an_entry(99))
        assert waiting(box)[-1] == 99
    assert path.with_name("outbox.sqlite.damaged-1").read_bytes() == bytes(raw)
    with opened(path) as box:
        assert waiting(box)[-1] == 99
        assert box.damaged is None


def test_a_full_disk_is_said_and_left_when_there_is_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "outbox.sqlite"
    with opened(path) as box:
        box.put(an_entry(1))
        box._store._connection.execute("PRAGMA max_page_count = 1")  # refuses to grow, as a full disk does
        monkeypatch.setattr(store, "_TRY_DISK_AGAIN_S", 3600.0)
        for number in range(2, 40):
            box.put(an_entry(number, size=4000))
        assert not box.durable
        assert box.trouble == "alerts are kept in memory only: database or disk is full"
        assert waiting(box) == list(range(1, 40))
        box._store._try_again_at = 0.0
        box.put(an_entry(40))
        assert (box.durable, box.trouble) == (True, None)
    with opened(path) as box:
        assert waiting(box) == list(range(1, 41))


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (Path("/proc/ecg-edge/outbox.sqlite"), tmp_path / "file" / "outbox.sqlite"):
        with opened(path) as box:
            box.put(an_entry(1))
            assert waiting(box) == [1]
            assert not box.durable
            assert (box.trouble or "").startswith("alerts are kept in memory only: ")


def test_two_processes_do_not_share_an_outbox(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    with opened(path) as first, opened(path) as second:
        first.put(an_entry(1))
        second.put(an_entry(2))
        assert second.trouble == "alerts are kept in memory only: another process has the outbox"
        assert not second.exclusive
        assert (waiting(first), waiting(second)) == ([1], [2])
        second._store._try_again_at = 0.0
        assert waiting(second) == [2]


def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.sqlite") as box:
        assert box._store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert box._store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


OURS = (
    "CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL,"
    "rank INTEGER NOT NULL, kind TEXT NOT NULL, aged_s REAL NOT NULL);"
    "INSERT INTO outbox VALUES (3, 't', x'37', 5, 'vt', 0.0);"
)


def made_of(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def test_a_file_of_another_program_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    made_of(path, "CREATE TABLE outbox (a, b); INSERT INTO outbox VALUES (1, 2);")
    with opened(path) as box:
        assert box.durable
        assert box.damaged == "the outbox was damaged and is kept as outbox.sqlite.damaged-1"
        box.put(an_entry(9))
        assert waiting(box) == [9]


@pytest.mark.parametrize(
    "odd",
    ["'t', x'38', 77, 'vt', 0.0", "'ecg/#', x'38', 5, 'vt', 0.0", "'', x'38', 5, 'vt', 0.0", "'t', 8, 5, 'vt', 'old'"],
    ids=["a rank that is none", "a wildcard", "no topic", "other types"],
)
def test_a_row_that_makes_no_sense_is_set_aside_alone_and_told(odd: str, tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    behind = "INSERT INTO outbox VALUES (5, 't', x'39', 5, 'vt', 0.0);"
    made_of(path, OURS + f"INSERT INTO outbox VALUES (4, {odd});" + behind)
    for _ in range(2):  # and it is neither forgotten nor counted again
        with opened(path) as box:
            assert box.durable
            assert box.damaged is None
            assert waiting(box) == [7, 9]
            assert (box.pending, box.aside, box.lost["high"]) == (2, 1, 1)
            assert "set aside" in str(OutboxNotices(box).trouble)


def test_a_file_of_the_version_before_is_taken_over_whole(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    more = "".join(f"INSERT INTO outbox VALUES ({n}, 't', x'3{n % 10}', 5, 'vt', {n}.5);" for n in range(4, 10))
    held = (
        "CREATE TABLE in_force (id TEXT PRIMARY KEY, payload BLOB NOT NULL); INSERT INTO in_force VALUES ('a', x'61');"
    )
    made_of(path, OURS + more + held)
    for _ in range(2):
        with opened(path) as box:
            assert box.durable
            assert waiting(box) == [7, 4, 5, 6, 7, 8, 9]
            assert box.in_force() == [b"a"]
            assert (box.aside, sum(box.lost.values())) == (0, 0)
    with opened(path) as box:
        box.put(an_entry(11))
        assert waiting(box)[-1] == 11


def test_one_bit_that_flips_costs_that_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    with opened(path) as box:
        for number in range(5):
            box.put(an_entry(number))
        box._store._connection.execute("UPDATE outbox SET payload = CAST(? AS BLOB) WHERE seq = 3", (b"6".ljust(100),))
        assert waiting(box) == [0, 1, 3, 4]
        assert (box.pending, box.aside, box.unsaid["high"]) == (4, 1, 1)


def test_a_row_that_was_set_aside_is_counted_once_also_when_it_makes_room(tmp_path: Path) -> None:
    with opened(tmp_path / "outbox.sqlite", Limits(max_bytes=350)) as box:
        for number in range(3):
            box.put(an_entry(number))
        box._store._connection.execute("UPDATE outbox SET payload = CAST(? AS BLOB) WHERE seq = 1", (b"6".ljust(100),))
        assert waiting(box) == [1, 2]
        assert (box.aside, box.lost["high"]) == (1, 1)
        box.put(an_entry(3))
        assert (box.aside, box.lost["high"]) == (0, 1)
        assert waiting(box) == [1, 2, 3]


def test_what_can_be_read_behind_a_page_that_cannot_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    with opened(path) as box:
        for number in range(50):
            box.put(an_entry(number, size=2000))
    raw = bytearray(path.read_bytes())
    at = len(raw) // 2 // 4096 * 4096
    raw[at : at + 4096] = b"\xa5" * 4096
    path.write_bytes(raw)
    with opened(path) as box:
        left = waiting(box)
        assert len(left) >= 44
        assert {0, 49} <= set(left), "those before and those behind"


def test_alerts_after_the_disk_has_failed_are_offered_to_who_has_heard_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_TRY_DISK_AGAIN_S", 3600.0)
    path = tmp_path / "outbox.sqlite"
    with opened(path) as box:
        last = 0
        for number in range(20):
            box.put(an_entry(number))
            row = box.next(last)
            assert row is not None
            last = row[0]
            box.acknowledge(last)
        box._store._connection.execute("PRAGMA max_page_count = 1")
        for number in range(20, 24):
            box.put(an_entry(number, size=9000))
        assert not box.durable
        heard = []
        while (row := box.next(last)) is not None:
            last = row[0]
            heard.append(int(row[2]))
            box.acknowledge(last)
        assert heard == [20, 21, 22, 23]
        box.put(an_entry(24))
        box._store._try_again_at = 0.0
        row = box.next(last)
        assert box.durable
        assert row is not None
        assert int(row[2]) == 24
    with opened(path) as box:
        assert waiting(box) == [24], "what the broker had while the disk failed is not said again"


def test_what_a_disk_that_fails_still_holds_is_there_when_it_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.sqlite"
    with opened(path) as box:
        for number in range(3):
            box.put(an_entry(number))
    # Neither opened nor read.
    with monkeypatch.context() as failing:
        failing.setattr(
            store.file,
            "connect",
            lambda where, of=store.file.connect: of(where) if where == ":memory:" else no_disk(),
        )
        failing.setattr(store.file, "rows_of_file", lambda _path: {table: [] for table in store.file.TABLES})
        box = Outbox(path)
        for number in (3, 4):
            box.put(an_entry(number))
        assert waiting(box) == [3, 4]
    box._store._try_again_at = 0.0
    assert waiting(box) == [0, 1, 2, 3, 4]
    assert box.durable
    box.close()


def no_disk() -> sqlite3.Connection:
    raise OSError(5, "Input/output error")


def test_rows_beside_the_alerts_that_make_no_sense_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox.sqlite"
    with opened(path) as box:
        box.put(an_entry(1))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO in_force VALUES (x'ff', x'61')")
    connection.close()
    with opened(path) as box:
        assert box.durable
        assert box.in_force() == [b"1"]
    assert ["1 rows of in_force" in record.getMessage() for record in caplog.records] == [True]
    assert caplog.records[0].levelname == "WARNING"
