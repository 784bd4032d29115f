"""`ecg-edge web --fleet` in a real browser: a thousand devices of a collector's database, by ward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from command import Run
from fleet_messages import alert, message, status, vitals
from postgresql import PostgreSQL

from edge.fleet.errors import FleetError
from edge.fleet.store import database, tables
from edge.fleet.store.store import Store
from edge.web.fleet.reader import Reader

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
N = 1000


def collected(url: str, n: int = N) -> None:
    """Have a collector store what `n` devices say now, some of whom need somebody."""
    engine = database.connect(url)
    database.migrate(engine)
    store, now = Store(engine), datetime.now(UTC)
    ids = [f"ecg-{number:04d}" for number in range(n)]
    with engine.begin() as connection:
        wards = [{"device": id_, "ward": f"Ward {k // 40 + 1}", "bed": str(k % 40 + 1)} for k, id_ in enumerate(ids)]
        connection.execute(sa.insert(tables.wards), wards)
    told = [message(status(id_), now) for id_ in ids]
    told += [message(vitals(id_, time=now), now) for id_ in ids[2:]]
    told.append(message(vitals(ids[0]), now - timedelta(minutes=5)))
    told.append(message(status(ids[1], "offline", "connection lost", time=None), now))
    told += [message(alert(ids[5], 1, at=now, kind="af", priority="medium"), now)]
    told += [message(alert(ids[n - 1], 1, at=now, kind="asystole"), now)]
    told += [message(alert(ids[7], 1, phase, at=now), now) for phase in ("onset", "end")]
    told.append(message(vitals(ids[3]), now, topic=f"ecg/v1/{ids[4]}/vitals"))
    store.put(told)
    engine.dispose()


def freshen(url: str) -> None:
    """Have every device said to be heard of now."""
    engine, now = database.connect(url), datetime.now(UTC)
    with engine.begin() as connection:
        connection.execute(sa.update(tables.latest).where(tables.latest.c.device > "ecg-0001").values(received=now))
    engine.dispose()


def test_a_thousand_devices_by_ward_with_what_needs_attention_on_top(serve, open_page, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/fleet.sqlite"
    collected(url)
    server = serve("--fleet", "--data", tmp_path / "web", ECG_EDGE_DATABASE=url)
    freshen(url)
    page = open_page(f"{server.url}/")
    page.locator(".cell").nth(N - 1).wait_for()
    assert page.url == f"{server.url}/fleet"
    assert page.locator("#trouble").is_hidden()
    rows = [row.split("\n")[:2] for row in page.locator("#needs li").all_inner_texts()]
    assert rows == [["!!!", "ecg-0999"], ["!!", "ecg-0005"], ["!!", "ecg-0000"], ["!!", "ecg-0001"]]
    first = page.locator("#needs li").first
    assert "Asystole" in first.inner_text()
    assert "Ward 25, 40" in first.inner_text()
    said = "1,000 devices in 25 wards: 1 in high alarm, 1 in medium, 1 silent, 1 connection lost"
    assert page.locator("#sum").inner_text() == said
    assert "claims to be of ecg-0003" in page.locator("#doubt").inner_text()
    cells = page.locator("section[data-ward='Ward 1'] .cell")
    assert cells.count() == 40
    assert cells.locator("b").all_inner_texts()[:4] == ["--", "--", "73", "73"]
    page.fill("#find", "ward 25")
    assert page.locator(".cell").count() == 40
    assert page.locator("#needs li").count() == 4
    page.evaluate(AXE.read_text())
    for _ in range(2):  # dark and light
        assert page.evaluate("axe.run().then(r => r.violations.map(v => v.id + v.nodes[0].html))") == []
        page.locator("#theme").click()
    page.fill("#find", "")
    # Whatever is behind the page goes: no rate stays.
    server.kill()
    page.get_by_text("The server does not answer since").wait_for()
    assert set(page.locator(".cell b").all_inner_texts()) == {"--"}


def test_the_database_is_only_read_and_may_be_away(
    serve, postgresql_server: PostgreSQL, postgresql: str, tmp_path
) -> None:
    collected(postgresql, 20)
    server = serve("--fleet", "--database", postgresql, "--data", tmp_path / "web")
    got = httpx.get(f"{server.url}/api/v1/fleet", timeout=30)
    assert (got.status_code, len(got.json()["wards"][0]["devices"])) == (200, 20)
    postgresql_server.kill()
    away = httpx.get(f"{server.url}/api/v1/fleet", timeout=30)
    for _ in range(100):
        if away.status_code == 503:
            break
        away = httpx.get(f"{server.url}/api/v1/fleet", timeout=30)
    assert away.status_code == 503
    assert "the collector's database does not answer" in away.json()["detail"]
    postgresql_server.start()
    assert httpx.get(f"{server.url}/api/v1/fleet", timeout=30).status_code == 200
    engine = database.connect(postgresql, read_only=True)
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="read-only"):
        connection.execute(sa.delete(tables.alerts))
    with engine.connect() as connection:
        assert not connection.execute(sa.text("SELECT to_regclass('analyses')")).scalar()
    engine.dispose()


def test_a_database_that_no_collector_made_is_one_line(ecg_edge: Run, tmp_path: Path) -> None:
    words = ("web", "--port", "0", "--data", tmp_path / "web", "--fleet")
    done = ecg_edge(*words)
    assert (done.returncode, "--fleet: needs --database" in done.stderr) == (2, True), done.stderr
    empty, older = tmp_path / "empty.sqlite", tmp_path / "older.sqlite"
    empty.touch()
    engine = database.connect(f"sqlite:///{older}")
    database.migrate(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0002'"))
    engine.dispose()
    done = ecg_edge(*words, "--database", f"sqlite:///{empty}")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "has no tables of a collector" in done.stderr
    for path, said in (
        (tmp_path / "none.sqlite", "there is no such file"),
        (older, "has schema 0002, of an older coll"),
    ):
        with pytest.raises(FleetError, match=said):
            Reader(f"sqlite:///{path}")
    assert not (tmp_path / "none.sqlite").exists()
    assert empty.read_bytes() == b""
