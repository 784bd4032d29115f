"""The history of analyses, which is also their queue: one table, in SQLite or PostgreSQL."""

from __future__ import annotations

import threading
import time
from typing import Any, Literal
from uuid import uuid4

import msgspec
import sqlalchemy as sql

from edge.errors import EcgEdgeError
from edge.triage.questionnaire import Questionnaire

Status = Literal["queued", "running", "done", "failed"]

STATUSES: tuple[Status, ...] = ("queued", "running", "done", "failed")
_MOST_ATTEMPTS = 2
_metadata = sql.MetaData()
_table = sql.Table(
    "analyses",
    _metadata,
    sql.Column("id", sql.String(32), primary_key=True),
    sql.Column("number", sql.BigInteger, nullable=False, index=True),
    sql.Column("name", sql.String(200), nullable=False),
    sql.Column("status", sql.String(10), nullable=False, index=True),
    sql.Column("reason", sql.Text),
    sql.Column("progress", sql.Float, nullable=False),
    sql.Column("attempts", sql.Integer, nullable=False),
    sql.Column("created_ms", sql.BigInteger, nullable=False),
    sql.Column("finished_ms", sql.BigInteger),
    sql.Column("asked", sql.Text, nullable=False),
)


class FullError(EcgEdgeError):
    """So many analyses wait that no more are taken."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for with an upload.

    Attributes
    ----------
    file : str
        The file to read, by the name it was given here.
    fs_hz, unit, leads : float, str, tuple of str
        What the uploader says of it, where it does not say so itself.
    full_disclosure : bool
        Whether the report shows every beat.
    questionnaire : Questionnaire
        Answers; they are kept with the analysis, and go with it.
    """

    file: str
    fs_hz: float | None = None
    unit: str | None = None
    leads: tuple[str, ...] | None = None
    full_disclosure: bool = False
    questionnaire: Questionnaire = Questionnaire()


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """One analysis.

    Attributes
    ----------
    id : str
        128 random bits: who knows it was told it.
    number : int
        Its place in the history.
    name : str
        What the uploader calls the file; for people alone.
    status : str
        `queued`, `running`, `done` or `failed`.
    reason : str or None
        Why it failed.
    progress : float
        Share of the samples that were read, 0 to 1.
    attempts : int
        How often it was begun.
    created_ms, finished_ms : int, int or None
        Milliseconds since 1970.
    asked : Asked
        What was asked for.
    """

    id: str
    number: int
    name: str
    status: Status
    reason: str | None
    progress: float
    attempts: int
    created_ms: int
    finished_ms: int | None
    asked: Asked


class Store:
    """The history.

    Parameters
    ----------
    engine : Engine
        Its database.
    most_queued : int
        How many may wait at once.
    """

    def __init__(self, engine: sql.Engine, *, most_queued: int = 256) -> None:
        self._engine = engine
        self._most_queued = most_queued
        self._adding = threading.Lock()
        _metadata.create_all(engine)

    def add(self, analysis_id: str, name: str, asked: Asked) -> Analysis:
        """Put an analysis into the queue.

        Raises
        ------
        FullError
            If too many wait already.
        """
        with self._adding, self._engine.begin() as connection:
            if self._count(connection, "queued") >= self._most_queued:
                raise FullError(f"{self._most_queued} analyses wait already", "try again in some minutes")
            newest = connection.scalar(sql.select(sql.func.max(_table.c.number))) or 0
            values: dict[str, Any] = {
                "id": analysis_id,
                "number": newest + 1,
                "name": name,
                "status": "queued",
                "reason": None,
                "progress": 0.0,
                "attempts": 0,
                "created_ms": _now_ms(),
                "finished_ms": None,
                "asked": msgspec.json.encode(asked).decode(),
            }
            connection.execute(_table.insert().values(values))
        return Analysis(**(values | {"asked": asked}))

    def get(self, analysis_id: str) -> Analysis | None:
        """Return an analysis; None if there is none of that id."""
        with self._engine.connect() as connection:
            row = connection.execute(sql.select(_table).where(_table.c.id == analysis_id)).first()
        return _analysis(row) if row else None

    def newest(self, most: int, before: int | None = None) -> list[Analysis]:
        """Return the newest, or those before a number, the newest first."""
        query = sql.select(_table).order_by(_table.c.number.desc()).limit(most)
        if before is not None:
            query = query.where(_table.c.number < before)
        with self._engine.connect() as connection:
            return [_analysis(row) for row in connection.execute(query)]

    def counts(self) -> dict[Status, int]:
        """Return how many there are in each state."""
        query = sql.select(_table.c.status, sql.func.count()).group_by(_table.c.status)
        with self._engine.connect() as connection:
            found: dict[Status, int] = dict.fromkeys(STATUSES, 0)
            found.update({row[0]: row[1] for row in connection.execute(query)})
        return found

    def begin_next(self) -> Analysis | None:
        """Take the oldest that waits out of the queue; None if none does."""
        oldest = sql.select(_table).where(_table.c.status == "queued").order_by(_table.c.number).limit(1)
        with self._engine.begin() as connection:
            row = connection.execute(oldest).first()
            if row is None:
                return None
            attempts = row.attempts + 1
            self._set(connection, row.id, status="running", attempts=attempts, progress=0.0)
        return msgspec.structs.replace(_analysis(row), status="running", attempts=attempts)

    def note_progress(self, analysis_id: str, share: float) -> None:
        """Note how much has been read."""
        with self._engine.begin() as connection:
            self._set(connection, analysis_id, progress=share)

    def finish(self, analysis_id: str, reason: str | None = None) -> None:
        """Note that an analysis is done, or why it failed."""
        with self._engine.begin() as connection:
            ended = {"status": "done", "progress": 1.0} if reason is None else {"status": "failed"}
            self._set(connection, analysis_id, reason=reason, finished_ms=_now_ms(), **ended)

    def put_back(self, analysis_id: str) -> None:
        """Put one that was interrupted by our own end back into the queue; that is not counted as an attempt."""
        with self._engine.begin() as connection:
            self._set(connection, analysis_id, status="queued", attempts=_table.c.attempts - 1, progress=0.0)

    def recover(self) -> None:
        """Put back what was running when the server died; what it died over twice has failed."""
        interrupted = _table.update().where(_table.c.status == "running")
        with self._engine.begin() as connection:
            connection.execute(
                interrupted.where(_table.c.attempts >= _MOST_ATTEMPTS).values(
                    status="failed", reason="the server ended during it, twice", finished_ms=_now_ms()
                )
            )
            connection.execute(interrupted.values(status="queued", progress=0.0))

    def delete(self, analysis_id: str) -> bool:
        """Forget an analysis that does not run; return whether it is gone."""
        gone = _table.delete().where(_table.c.id == analysis_id, _table.c.status != "running")
        with self._engine.begin() as connection:
            return connection.execute(gone).rowcount > 0

    def oldest_beyond(self, kept: int) -> list[str]:
        """Return the ids of those that ended, all but the newest `kept`."""
        ended = _table.c.status.in_(("done", "failed"))
        query = sql.select(_table.c.id).where(ended).order_by(_table.c.number.desc()).offset(kept)
        with self._engine.connect() as connection:
            return list(connection.scalars(query))

    def _set(self, connection: sql.Connection, analysis_id: str, **values: Any) -> None:
        connection.execute(_table.update().where(_table.c.id == analysis_id).values(values))

    def _count(self, connection: sql.Connection, status: Status) -> int:
        query = sql.select(sql.func.count()).select_from(_table).where(_table.c.status == status)
        return connection.scalar(query) or 0


def new_id() -> str:
    """Return an id that nobody guesses."""
    return uuid4().hex


def _analysis(row: Any) -> Analysis:
    values = dict(row._mapping)
    return Analysis(**(values | {"asked": msgspec.json.decode(values["asked"], type=Asked)}))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
