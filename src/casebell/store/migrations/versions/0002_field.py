"""What the field taught: refusals without a proof have bounds of their own.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    _refused()


def _refused() -> None:
    op.drop_index("ix_refused_kept", "refused")
    op.drop_index("ix_refused_unnotified", "refused")
    proven = "(signature IS NOT NULL OR secret_digest IS NOT NULL)"
    unproven = "signature IS NULL AND secret_digest IS NULL"
    _partial("ix_refused_proven", "refused", "id", "body_size", where=proven)
    _partial("ix_refused_unproven", "refused", "id", where=unproven)
    unnotified = f"notified_at IS NULL AND {proven}"
    _partial("ix_refused_unnotified", "refused", "source", "id", where=unnotified)


def _partial(name: str, table: str, *columns: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, list(columns), sqlite_where=condition, postgresql_where=condition)
