"""Where devices are, and which alerts are in force."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_IN_FORCE = """
CREATE VIEW alerts_in_force AS
SELECT began, id, device, stream, kind, priority, onset, decided, received FROM alerts AS told
WHERE phase = 'onset' AND NOT EXISTS (
    SELECT 1 FROM alerts AS later WHERE later.began = told.began AND later.id = told.id AND later.phase = 'end'
)
"""


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "wards",
        sa.Column("device", sa.Text(), primary_key=True),
        sa.Column("ward", sa.Text(), nullable=False),
        sa.Column("bed", sa.Text()),
    )
    op.execute(_IN_FORCE)
