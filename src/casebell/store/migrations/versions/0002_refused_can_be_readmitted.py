"""What was refused can be checked again.

Revision: 0002
Before it: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_keys")),
    )
    for name, kind in (
        ("idempotency_key", sa.Text()),
        ("signature", sa.Text()),
        ("secret_digest", sa.Text()),
        ("told_at", sa.BigInteger()),
        ("readmitted_at", sa.BigInteger()),
        ("event_id", sa.BigInteger()),
        ("held_id", sa.BigInteger()),
        # Last: SQLite reads what stands before it without reading it.
        ("body", sa.LargeBinary()),
    ):
        op.add_column("refused", sa.Column(name, kind, nullable=True))
    op.create_index(op.f("ix_refused_at"), "refused", ["at"], unique=False)
    for name, columns, where in (
        ("ix_refused_kept", ["id", "body_size"], "body IS NOT NULL"),
        ("ix_refused_untold", ["source", "id"], "told_at IS NULL AND body IS NOT NULL"),
        ("ix_refused_told", ["told_at", "source"], "told_at IS NOT NULL"),
    ):
        op.create_index(
            name,
            "refused",
            columns,
            unique=False,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
