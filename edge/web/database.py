"""The database that history and reviews share: SQLite or PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from edge.errors import EcgEdgeError, one_line


class StoreError(EcgEdgeError):
    """The database cannot be used."""


def connect(url: str) -> sql.Engine:
    """Return a database that answers.

    Parameters
    ----------
    url : str
        `sqlite:///FILE` or `postgresql://…`.

    Raises
    ------
    StoreError
        If it cannot be used; its password is not told.
    """
    where = "--database"
    try:
        address = sql.make_url(url)
        where = address.render_as_string(hide_password=True)
        if address.drivername in ("postgresql", "postgres"):
            address = address.set(drivername="postgresql+psycopg")
        engine = sql.create_engine(address, pool_pre_ping=True)
        if address.get_backend_name() == "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
        engine.connect().close()
    except (ArgumentError, ImportError, NoSuchModuleError) as error:
        raise StoreError(
            where, "no such database is known, give sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from error
    except SQLAlchemyError as error:
        raise StoreError(f"database {where}", _reason(error)) from error
    return engine


def sqlite_url(folder: Path) -> str:
    """Return the address of the database that lies in a folder."""
    return f"sqlite:///{folder / 'web.sqlite'}"


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=10000")
    connection.execute("PRAGMA synchronous=NORMAL")


def _reason(error: SQLAlchemyError) -> str:
    return one_line(str(getattr(error, "orig", None) or error))[:200]
