"""A database by its URL: reached, and brought to today's schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from edge.errors import one_line
from edge.fleet.errors import FleetError

_CONNECT_S = 10
_MIGRATING = 0x0ECC
"""Advisory lock of PostgreSQL: collectors that start at once migrate one after the other."""


def shown(url: str) -> str:
    """Return a database's URL without its password.

    >>> shown("postgresql://ward:secret@db/ecg")
    'postgresql://ward:***@db/ecg'
    """
    return make_url(url).render_as_string(hide_password=True)


def connect(url: str, *, read_only: bool = False) -> Engine:
    """Return an engine; nothing is connected yet.

    Parameters
    ----------
    url : str
        `sqlite:///FILE`, or `postgresql://[USER@]HOST[:PORT]/NAME`; libpq finds the password in `~/.pgpass` or the
        environment.
    read_only : bool
        Whether it is only looked at: nothing can be written over this engine then, and no file is made.

    Raises
    ------
    FleetError
        If it is no such URL.
    """
    fix = "give postgresql://USER@HOST/NAME or sqlite:///FILE"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise FleetError("--database", "is no URL of a database", fix) from None
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        # As libpq does, and whatever driver was meant: COPY is psycopg's.
        words: dict[str, Any] = {"connect_timeout": _CONNECT_S, "options": "-c timezone=UTC"}
        if read_only:
            words["options"] += " -c default_transaction_read_only=on -c statement_timeout=10s"
        return sa.create_engine(parsed.set(drivername="postgresql+psycopg"), connect_args=words, pool_pre_ping=True)
    if kind == "sqlite":
        if read_only and not Path(parsed.database or "").is_file():
            raise FleetError(parsed.render_as_string(), "there is no such file", "give `ecg-edge fleet collect`'s")
        engine = sa.create_engine(parsed)
        sa.event.listen(engine, "connect", _looking if read_only else _durable)
        return engine
    raise FleetError("--database", f"{kind} is not known", fix)


def _durable(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=5000")


def _looking(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA busy_timeout=5000")


def migrate(engine: Engine) -> str:
    """Bring a database to today's schema; return its version.

    Raises
    ------
    FleetError
        If it cannot be reached, or is of a later program.
    """
    where = engine.url.render_as_string(hide_password=True)
    config, script = _steps()
    with _usable(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_MIGRATING})"))
        _not_newer(where, MigrationContext.configure(connection).get_current_revision(), script)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return str(script.get_current_head())


def require(engine: Engine) -> None:
    """Check that a database that is only looked at has today's schema.

    Raises
    ------
    FleetError
        If it cannot be reached, or is of another program, an earlier or a later one.
    """
    where = engine.url.render_as_string(hide_password=True)
    _, script = _steps()
    with _usable(engine) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    _not_newer(where, found, script)
    if found != script.get_current_head():
        what = "has no tables of a collector" if found is None else f"has schema {found}, of an older collector"
        raise FleetError(where, what, "start this version's `ecg-edge fleet collect` on it, which makes them")


def _steps() -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)


def _not_newer(where: str, found: str | None, script: ScriptDirectory) -> None:
    if found is not None and found not in {step.revision for step in script.walk_revisions()}:
        raise FleetError(where, f"has schema {found}, which is newer than this program", "install that version")


@contextmanager
def _usable(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction; what a database does not do is told in one line."""
    where = engine.url.render_as_string(hide_password=True)
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise FleetError(where, f"cannot be used, {reason_of(error)}", "check --database and its server") from error
    except SQLAlchemyError as error:
        raise FleetError(where, f"cannot be used, {one_line(str(error))}", "check --database") from error


def reason_of(error: DBAPIError) -> str:
    """Return what a database says, on one line."""
    return one_line(str(error.orig).partition("\nDETAIL")[0])[:300]


def month_after(month: datetime) -> datetime:
    """Return the month after one that begins at a time.

    >>> month_after(datetime(2026, 12, 1)).isoformat()
    '2027-01-01T00:00:00'
    """
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def month_of(time: datetime) -> datetime:
    """Return the beginning of a time's month, in UTC."""
    return time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
