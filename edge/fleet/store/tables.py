"""The tables, as the newest migration leaves them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa

metadata = sa.MetaData()

_Time = sa.DateTime(timezone=True)
_Name = sa.Text

alerts = sa.Table(
    "alerts",
    metadata,
    # Of the id, so that it is the same in all phases; the month of it is the partition.
    sa.Column("began", _Time, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("phase", sa.String(8), primary_key=True),
    sa.Column("sample", sa.BigInteger, primary_key=True),  # of the decision: there may be several updates
    sa.Column("device", _Name, nullable=False),
    sa.Column("stream", _Name, nullable=False),
    sa.Column("kind", _Name, nullable=False),
    sa.Column("priority", sa.String(8), nullable=False),
    sa.Column("onset", _Time, nullable=False),
    sa.Column("decided", _Time, nullable=False),
    sa.Column("ended", _Time),
    sa.Column("reason", sa.Text),
    sa.Column("payload", sa.Text, nullable=False),  # all of it, as it was published
    sa.Column("received", _Time, nullable=False),
)
"""A row a phase of an alert, each once."""

alerts_in_force = sa.Table(
    "alerts_in_force",
    metadata,
    sa.Column("began", _Time, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("device", _Name, nullable=False),
    sa.Column("stream", _Name, nullable=False),
    sa.Column("kind", _Name, nullable=False),
    sa.Column("priority", sa.String(8), nullable=False),
    sa.Column("onset", _Time, nullable=False),
    sa.Column("decided", _Time, nullable=False),
    sa.Column("received", _Time, nullable=False),
)
"""The newest phase of each alert whose end has not been told."""

vitals = sa.Table(
    "vitals",
    metadata,
    sa.Column("received", _Time, primary_key=True),
    sa.Column("device", _Name, primary_key=True),
    sa.Column("sample", sa.BigInteger, primary_key=True),
    sa.Column("time", _Time, nullable=False),
    sa.Column("stream", _Name, nullable=False),
    sa.Column("hr_bpm", sa.Float(24)),
    sa.Column("reason", sa.Text),
    sa.Column("leads", sa.Text, nullable=False),  # II:good V1:off
    *(sa.Column(label, sa.BigInteger, nullable=False) for label in ("n", "s", "v", "f", "q")),
)
"""A row a second of a device."""

statuses = sa.Table(
    "statuses",
    metadata,
    sa.Column("device", _Name, primary_key=True),
    sa.Column("received", _Time, primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("time", _Time),
)
"""A row whenever a device's state or its reason changed."""

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("device", _Name, primary_key=True),
    sa.Column("received", _Time, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("time", _Time),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("model_sha256", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)
"""The newest status of each device."""

latest = sa.Table(
    "latest",
    metadata,
    sa.Column("device", _Name, primary_key=True),
    sa.Column("received", _Time, nullable=False),
    sa.Column("time", _Time, nullable=False),
    sa.Column("hr_bpm", sa.Float(24)),
    sa.Column("reason", sa.Text),
    sa.Column("leads", sa.Text, nullable=False),
)
"""What each device said last of its patient, renewed every ten seconds."""

rejected = sa.Table(
    "rejected",
    metadata,
    sa.Column("received", _Time, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
)
"""What cannot be understood, or is not believed, and why."""

wards = sa.Table(
    "wards",
    metadata,
    sa.Column("device", _Name, primary_key=True),
    sa.Column("ward", sa.Text, nullable=False),
    sa.Column("bed", sa.Text),
)
"""Where devices are, for whoever looks at them; written by people."""

PARTITIONED = {"alerts": "began", "vitals": "received"}
"""Tables that are kept a month a partition in PostgreSQL, and the column that says which."""


def began(alert: UUID) -> datetime:
    """Return the time that is in an alert's id, a UUIDv7 (RFC 9562, 5.7).

    Raises
    ------
    ValueError
        If it is no such id.
    """
    if alert.version != 7:
        raise ValueError(f"id {alert} is no UUIDv7")
    return datetime.fromtimestamp((alert.int >> 80) / 1000, UTC)
