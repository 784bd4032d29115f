"""Alerts, vitals and status of devices, and what is not understood."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def _key(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True)


def _must(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "alerts",
        *(_key("began", _TIME), _key("id", sa.Uuid()), _key("phase", sa.String(8)), _key("sample", sa.BigInteger())),
        *(_must("device", sa.Text()), _must("stream", sa.Text()), _must("kind", sa.Text())),
        *(_must("priority", sa.String(8)), _must("onset", _TIME), _must("decided", _TIME)),
        *(sa.Column("ended", _TIME), sa.Column("reason", sa.Text())),
        *(_must("payload", sa.Text()), _must("received", _TIME)),
        postgresql_partition_by="RANGE (began)",
    )
    op.create_index("alerts_of_device", "alerts", ["device", "onset"])
    op.create_table(
        "vitals",
        *(_key("received", _TIME), _key("device", sa.Text()), _key("sample", sa.BigInteger())),
        *(_must("time", _TIME), _must("stream", sa.Text())),
        *(sa.Column("hr_bpm", sa.Float(24)), sa.Column("reason", sa.Text()), _must("leads", sa.Text())),
        *(_must(label, sa.BigInteger()) for label in ("n", "s", "v", "f", "q")),
        postgresql_partition_by="RANGE (received)",
    )
    op.create_table(
        "statuses",
        *(_key("device", sa.Text()), _key("received", _TIME)),
        *(_must("state", sa.String(16)), sa.Column("reason", sa.Text()), sa.Column("time", _TIME)),
    )
    op.create_table(
        "devices",
        *(_key("device", sa.Text()), _must("received", _TIME), _must("state", sa.String(16))),
        *(sa.Column("reason", sa.Text()), sa.Column("time", _TIME), _must("version", sa.Text())),
        *(_must("model", sa.Text()), _must("model_sha256", sa.Text()), _must("payload", sa.Text())),
    )
    op.create_table(
        "latest",
        *(_key("device", sa.Text()), _must("received", _TIME), _must("time", _TIME)),
        *(sa.Column("hr_bpm", sa.Float(24)), sa.Column("reason", sa.Text()), _must("leads", sa.Text())),
        # It is written often: new versions of a row find room beside the old ones.
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "rejected",
        *(_key("received", _TIME), _key("topic", sa.Text()), _key("digest", sa.String(64))),
        *(_must("reason", sa.Text()), _must("payload", sa.LargeBinary())),
    )
