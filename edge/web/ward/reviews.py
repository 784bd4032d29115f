"""What people said of alerts after looking at them; kept in the database."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import msgspec
import sqlalchemy as sql

Verdict = Literal["confirmed", "false", "seen"]

_metadata = sql.MetaData()
_table = sql.Table(
    "reviews",
    _metadata,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("device", sql.String(64), nullable=False),
    sql.Column("alert", sql.String(128), nullable=False, index=True),
    sql.Column("verdict", sql.String(10), nullable=False),
    sql.Column("by", sql.String(64), nullable=False),
    sql.Column("time_ms", sql.BigInteger, nullable=False),
)


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said of an alert, and when."""

    verdict: Verdict
    by: str
    time_ms: int


class Reviews:
    """All of them; nothing that was said is ever changed, the last word holds.

    Parameters
    ----------
    engine : Engine
        Their database.
    """

    def __init__(self, engine: sql.Engine) -> None:
        self._engine = engine
        _metadata.create_all(engine)

    def note(self, device: str, alert: str, verdict: Verdict, by: str) -> None:
        """Keep what somebody says of an alert."""
        now_ms = time.time_ns() // 1_000_000
        values = {"device": device, "alert": alert, "verdict": verdict, "by": by, "time_ms": now_ms}
        with self._engine.begin() as connection:
            connection.execute(_table.insert().values(values))

    def of(self, device: str, alerts: Sequence[str]) -> dict[str, Review]:
        """Return the last word on each of these alerts, where there is one."""
        columns = (_table.c.alert, _table.c.verdict, _table.c.by, _table.c.time_ms)
        query = sql.select(*columns).where(_table.c.device == device, _table.c.alert.in_(alerts))
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(_table.c.number)).all()
        return {row.alert: Review(verdict=row.verdict, by=row.by, time_ms=row.time_ms) for row in rows}
