"""An event is stored before it is judged: it has no status then, and both delivered words.

What an earlier release stored has its status, routed or not, and keeps it.

Revision: 0004
Before it: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    # Null for all that is there: neither backend touches a row for it.
    op.add_column("events", sa.Column("delivered_category", sa.Text(), nullable=True))
    op.drop_index(op.f("ix_events_status_id"), table_name="events")
    op.create_index(
        "ix_events_status_id",
        "events",
        ["status", "id"],
        unique=False,
        sqlite_where=sa.text("status <> ''"),
        postgresql_where=sa.text("status <> ''"),
    )
