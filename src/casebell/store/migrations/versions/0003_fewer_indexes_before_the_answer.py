"""Indexes that every delivery paid for before its acknowledgement.

Nothing reads the journal by subject; an event has no change before it is routed; and the events of
a case are found by its changes.

Revision: 0003
Before it: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.drop_index(op.f("ix_journal_subject_seq"), table_name="journal")
    op.drop_index(op.f("ix_events_receipt_id"), table_name="events")
    op.drop_index(op.f("ix_events_change_id"), table_name="events")
    op.create_index(
        "ix_events_change_id",
        "events",
        ["change_id"],
        unique=False,
        sqlite_where=sa.text("change_id IS NOT NULL"),
        postgresql_where=sa.text("change_id IS NOT NULL"),
    )
