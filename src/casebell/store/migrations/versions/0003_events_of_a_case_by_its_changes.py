"""The events of a case are found by its changes: an index less on the way to an acknowledgement.

Revision: 0003
Before it: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.drop_index(op.f("ix_events_receipt_id"), table_name="events")
