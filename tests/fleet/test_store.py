"""The database: each row once, what is not believed kept apart, months, age, and older schemas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from fleet_messages import START, alert, alert_id, message, published, status, vitals

from edge.contract.encoder import encode
from edge.contract.payloads import Alert
from edge.fleet.errors import FleetError
from edge.fleet.store import database, tables
from edge.fleet.store.batch import Batch, Message
from edge.fleet.store.store import AwayError, Store


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/fleet.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgresql")


@pytest.fixture
def store(url: str) -> Store:
    engine = database.connect(url)
    database.migrate(engine)
    yield Store(engine)
    engine.dispose()


def rows(store: Store, what: str) -> list[tuple[object, ...]]:
    with store._engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(what))]


def test_a_phase_is_stored_once_however_often_it_comes(store: Store) -> None:
    told = [message(alert("bed-1", 1, phase)) for phase in ("onset", "update", "end")]
    told.append(message(alert("bed-1", 1, "update", decision=alert("x", 1, "end").decision)))
    assert store.put([*told, told[0]]) == 0
    store.put(told)
    assert store.stored == {"alerts": 4, "doubled": 5}
    found = rows(store, "SELECT phase, count(*) FROM alerts GROUP BY phase ORDER BY phase")
    assert found == [("end", 1), ("onset", 1), ("update", 2)]
    (payload,) = rows(store, "SELECT payload FROM alerts WHERE phase = 'end'")[0]
    assert payload == told[2].payload.decode()


def in_force(store: Store) -> list[UUID]:
    with store._engine.connect() as connection:
        return list(connection.execute(sa.select(tables.alerts_in_force.c.id).order_by("id")).scalars())


def test_alerts_in_force_are_those_without_an_end(store: Store) -> None:
    store.put([message(alert("bed-1", n)) for n in range(3)])
    store.put([message(alert("bed-1", 1, "end"))])
    # A phase that comes again, or late, changes nothing.
    store.put([message(alert("bed-1", 1)), message(alert("bed-1", 2))])
    store.put([message(alert("bed-1", 2, "update", priority="medium")), message(alert("bed-1", 2))])
    assert in_force(store) == [alert_id("bed-1", START, 0), alert_id("bed-1", START, 2)]
    assert rows(store, "SELECT priority FROM alerts_in_force ORDER BY id") == [("high",), ("medium",)]
    # One batch may hold all of an alert, and an end may come before its onset.
    store.put([message(alert("bed-2", n, phase)) for n in range(2) for phase in ("end", "update", "onset")])
    assert len(in_force(store)) == 2
    # What nobody told the end of goes with the rest.
    store.forget(tables.alerts, START + timedelta(days=1))
    assert in_force(store) == []


def test_a_status_is_kept_when_it_changes(store: Store) -> None:
    later = START + timedelta(seconds=10)
    store.put([message(status("bed-1")), message(status("bed-2", "degraded", "no lead"))])
    store.put([message(status("bed-1"), later), message(status("bed-1", time=later), later)])
    store.put([message(status("bed-1", "offline", "connection lost", time=None), later + timedelta(seconds=1))])
    assert rows(store, "SELECT device, state, reason FROM devices ORDER BY device") == [
        ("bed-1", "offline", "connection lost"),
        ("bed-2", "degraded", "no lead"),
    ]
    assert rows(store, "SELECT state FROM statuses WHERE device = 'bed-1' ORDER BY received") == [
        ("online",),
        ("offline",),
    ]
    again = Store(store._engine)
    again.load()
    again.put([message(status("bed-2", "degraded", "no lead"), later)])
    assert again.stored["statuses"] == 0


def test_vitals_and_the_latest_of_them(store: Store) -> None:
    store.put([message(vitals("bed-1", n), START + timedelta(seconds=n)) for n in range(25)])
    store.put([message(vitals("bed-1", 25, hr_bpm=None, reason="lead off"), START + timedelta(seconds=30))])
    assert rows(store, "SELECT count(*), min(n), max(n), min(leads) FROM vitals") == [(26, 0, 25, "II:good V1:off")]
    assert rows(store, "SELECT device, hr_bpm, reason FROM latest") == [("bed-1", None, "lead off")]


def test_what_is_not_believed_is_kept_apart_with_its_reason(store: Store) -> None:
    nul = status("bed-1", "degraded", "a\0b")
    bad = {
        "claims to be of bed-2": message(vitals("bed-2"), topic="ecg/v1/bed-1/vitals"),
        "is no UUIDv7": message(alert("bed-1", id=UUID("5d0bbcf0-91a5-4c8e-b9d5-0b6a5f2d7d10"))),
        "at `$.id`": Message("ecg/v1/bed-1/alerts", b'{"id": 1}', START),
        "truncated": Message("ecg/v1/bed-1/status", b"{", START),
        "utf-8": Message("ecg/v1/bed-1/vitals", encode(vitals("bed-1"))[:-1] + b', "x": "\xff"}', START),
        "is no number of a sample": message(vitals("bed-1", sample=2**70)),
    }
    good = [message(nul), message(vitals("bed-1")), message(alert("bed-1"))]
    assert store.put([*bad.values(), *good]) == len(bad)
    assert (store.stored["alerts"], store.stored["vitals"], store.stored["statuses"]) == (1, 1, 1)
    assert rows(store, "SELECT reason FROM devices") == [("a\ufffdb",)]
    told = {bytes(payload): why for payload, why in rows(store, "SELECT payload, reason FROM rejected")}
    assert len(told) == len(bad)
    for reason, sent in bad.items():
        assert reason in told[sent.payload]


def test_what_the_database_alone_refuses_costs_nothing_else(store: Store) -> None:
    if store._engine.dialect.name != "postgresql":
        pytest.skip("SQLite takes it")
    with store._engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE alerts ADD CHECK (kind <> 'evil')"))
    many = [message(alert("bed-1", n, kind="evil" if n == 7 else "vt")) for n in range(20)]
    assert store.put(many) == 1
    assert rows(store, "SELECT count(*) FROM alerts") == [(19,)]
    ((why,),) = rows(store, "SELECT reason FROM rejected")
    assert "the database does not take it" in str(why)


def test_a_clock_that_is_years_off_loses_nothing(store: Store) -> None:
    now = datetime.now(UTC)
    past, future = now - timedelta(days=800), now + timedelta(days=400)
    for number, at in enumerate((past, now, future)):
        store.put([message(alert("bed-1", number, at=at), now), message(vitals("bed-1", number, time=at), now)])
    for table in (tables.alerts, tables.vitals):
        assert store.forget(table, now - timedelta(days=90)) == 0
    assert rows(store, "SELECT count(*) FROM alerts") == [(3,)]
    assert rows(store, "SELECT count(*) FROM vitals") == [(3,)]


def test_old_months_go_and_come_again(store: Store) -> None:
    now = datetime.now(UTC)
    old = now - timedelta(days=400)
    store.put([message(vitals("bed-1", n), at) for n, at in enumerate((old, old - timedelta(days=40), now))])
    assert store.forget(tables.vitals, now - timedelta(days=90)) == 2
    assert rows(store, "SELECT count(*) FROM vitals") == [(1,)]
    store.put([message(vitals("bed-1", 9), old)])
    assert rows(store, "SELECT count(*) FROM vitals") == [(2,)]


def test_partitions_are_months(postgresql: str) -> None:
    engine = database.connect(postgresql)
    database.migrate(engine)
    store = Store(engine)
    december = datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    store.put([message(vitals("bed-1", n), december + timedelta(seconds=n)) for n in range(2)])
    names = rows(store, "SELECT tableoid::regclass::text FROM vitals ORDER BY received")
    assert names == [("vitals_2026_12",), ("vitals_2027_01",)]
    engine.dispose()


def put_as_before(engine: sa.Engine, told: list[Alert]) -> None:
    """Store alerts as the first schema had them: in the one table."""
    batch = Batch({}, {})
    for each in told:
        batch.add(message(each))
    store = Store(engine)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            store._make_partitions(connection, tables.alerts, batch.alerts)
        store._insert(connection, tables.alerts, batch.alerts)


def test_an_older_schema_is_brought_up_to_date_and_a_newer_one_refused(url: str) -> None:
    engine = database.connect(url)
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        assert not sa.inspect(connection).has_table("wards")
    put_as_before(engine, [alert("bed-1"), alert("bed-2"), alert("bed-2", phase="update"), alert("bed-2", phase="end")])
    put_as_before(engine, [alert("bed-3"), alert("bed-3", phase="update")])
    assert database.migrate(engine) == database.migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM alerts")).scalar() == 6
        force = connection.execute(sa.text("SELECT device FROM alerts_in_force ORDER BY device")).scalars()
        assert list(force) == ["bed-1", "bed-3"]
        # The tables as the program knows them are those that the steps make.
        inspector = sa.inspect(connection)
        for table in tables.metadata.sorted_tables:
            there = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
            assert there == {column.name: bool(column.nullable) for column in table.columns}
            key = inspector.get_pk_constraint(table.name)["constrained_columns"]
            assert key == [column.name for column in table.primary_key]
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(FleetError, match="schema 9999, which is newer than this program"):
        database.migrate(engine)
    engine.dispose()


def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="Connection refused"):
        database.migrate(database.connect("postgresql://nobody:secret@127.0.0.1:1/x"))
    with pytest.raises(FleetError, match="cannot be used, unable to open database file"):
        database.migrate(database.connect(f"sqlite:///{tmp_path}/no/such/folder/x"))
    for wrong in ("nonsense", "oracle://x", "mysql://a@b/c"):
        with pytest.raises(FleetError, match="give postgresql://"):
            database.connect(wrong)
    with pytest.raises(AwayError, match="Connection refused"):
        Store(database.connect("postgresql://nobody@127.0.0.1:1/x")).put([message(alert("bed-1"))])


def test_a_password_is_never_shown() -> None:
    assert "secret" not in database.shown("postgresql://ward:secret@db/ecg")
    assert published(vitals("a"))[0] == "ecg/v1/a/vitals"
