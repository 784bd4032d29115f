"""Reads the collector's database, and writes nothing there."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from edge.errors import EcgEdgeError
from edge.fleet.store import tables
from edge.fleet.store.database import connect, reason_of, require
from edge.web.clock import in_ms
from edge.web.fleet.picture import InForce, Known, NotBelieved, Picture, picture

_FRESH_S = 2.0
"""However many browsers look, the database is asked no more often."""
_DAY = timedelta(days=1)


class GoneError(EcgEdgeError):
    """The database does not answer now."""


class Reader:
    """The collector's database, looked at.

    Parameters
    ----------
    url : str
        Its address, as `ecg-edge fleet collect` has it.

    Raises
    ------
    FleetError
        If it cannot be used, or no collector of this version made its tables.
    """

    def __init__(self, url: str) -> None:
        self._engine = connect(url, read_only=True)
        require(self._engine)
        self._lock = threading.Lock()
        self._last: Picture | None = None
        self._read_at = 0.0

    def picture(self) -> Picture:
        """Return what is known now, or was two seconds ago.

        Raises
        ------
        GoneError
            If the database does not answer.
        """
        with self._lock:
            if self._last is None or time.monotonic() - self._read_at > _FRESH_S:
                self._last, self._read_at = self._read(), time.monotonic()
            return self._last

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _read(self) -> Picture:
        try:
            with self._engine.connect() as connection:
                now = datetime.now(UTC)
                return picture(_known(connection), _in_force(connection), now, _not_believed(connection, now))
        except DBAPIError as error:
            raise GoneError(f"the collector's database does not answer, {reason_of(error)}") from error


def _known(connection: Connection) -> dict[str, Known]:
    """Return what is known of each device, whichever of the tables knows it."""
    wards, devices, latest = tables.wards.c, tables.devices.c, tables.latest.c
    found: dict[str, dict[str, Any]] = {}
    for device, ward, bed in connection.execute(sa.select(wards.device, wards.ward, wards.bed)):
        found.setdefault(device, {}).update(ward=ward, bed=bed)
    status = sa.select(devices.device, devices.state, devices.reason, devices.received, devices.time)
    for device, state, reason, received, time_ in connection.execute(status):
        found.setdefault(device, {}).update(state=state, reason=reason, told=_utc(received), said_at=_utc(time_))
    newest = sa.select(latest.device, latest.received, latest.hr_bpm, latest.reason)
    for device, received, hr_bpm, why in connection.execute(newest):
        found.setdefault(device, {}).update(heard=_utc(received), hr_bpm=hr_bpm, why=why)
    return {device: Known(**values) for device, values in found.items()}


def _in_force(connection: Connection) -> list[InForce]:
    kept = tables.alerts_in_force.c
    rows = connection.execute(sa.select(kept.device, kept.kind, kept.priority, kept.onset))
    return [InForce(device=row.device, kind=row.kind, priority=row.priority, onset=_utc(row.onset)) for row in rows]


def _not_believed(connection: Connection, now: datetime) -> NotBelieved | None:
    kept = tables.rejected.c
    since = kept.received > now - _DAY
    number = connection.execute(sa.select(sa.func.count()).select_from(tables.rejected).where(since)).scalar_one()
    if not number:
        return None
    newest = sa.select(kept.topic, kept.reason, kept.received).where(since).order_by(kept.received.desc()).limit(1)
    topic, reason, received = connection.execute(newest).one()
    return NotBelieved(number=number, newest=f"{topic[:80]}: {reason[:200]}", at_ms=in_ms(_utc(received)))


def _utc(time_: datetime | None) -> Any:
    # SQLite keeps no zone; all that is put there is UTC.
    return time_ if time_ is None or time_.tzinfo is not None else time_.replace(tzinfo=UTC)
