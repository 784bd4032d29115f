"""Alerts in force are kept, not looked for: who asks every few seconds does not read a year of alerts each time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_FILL = """
INSERT INTO alerts_in_force
SELECT began, id, device, stream, kind, priority, onset, decided, received FROM alerts AS told
WHERE phase <> 'end' AND NOT EXISTS (
    SELECT 1 FROM alerts AS later WHERE later.began = told.began AND later.id = told.id AND (
        later.phase = 'end' OR later.sample > told.sample OR (later.sample = told.sample AND later.phase > told.phase)
    )
)
"""


def upgrade() -> None:
    """Take the step."""
    time = sa.DateTime(timezone=True)
    op.execute("DROP VIEW alerts_in_force")
    op.create_table(
        "alerts_in_force",
        sa.Column("began", time, primary_key=True),
        sa.Column("id", sa.Uuid(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("device", "stream", "kind")),
        sa.Column("priority", sa.String(8), nullable=False),
        *(sa.Column(name, time, nullable=False) for name in ("onset", "decided", "received")),
    )
    op.execute(_FILL)
