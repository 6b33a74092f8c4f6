"""Reconciliations: what each came to, and its exceptions with their history.

Follows 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "sync_recon",
        sa.Column("recon_run_id", sa.String(length=40), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("recon", sa.String(length=10), nullable=False),
        sa.Column("connector", sa.String(length=40), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("compared", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Integer(), nullable=False),
        sa.Column("missing", sa.JSON(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("recon_run_id", "client_id", "recon"),
    )
    with op.batch_alter_table("sync_recon", schema=None) as batch_op:
        batch_op.create_index("ix_sync_recon_client", ["client_id", "connector", "ended_at"], unique=False)

    op.create_table(
        "sync_recon_exception",
        sa.Column("exception_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("connector", sa.String(length=40), nullable=False),
        sa.Column("recon", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("key", sa.JSON(), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("actual", sa.Text(), nullable=False),
        sa.Column("difference_paise", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("first_seen", sa.Date(), nullable=False),
        sa.Column("last_seen", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("recon_run_id", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("exception_id"),
    )
    with op.batch_alter_table("sync_recon_exception", schema=None) as batch_op:
        batch_op.create_index(
            "ix_sync_recon_exception_status", ["client_id", "connector", "status"], unique=False
        )


def downgrade() -> None:
    """Bring the tables back to the revision before."""
    with op.batch_alter_table("sync_recon_exception", schema=None) as batch_op:
        batch_op.drop_index("ix_sync_recon_exception_status")

    op.drop_table("sync_recon_exception")
    with op.batch_alter_table("sync_recon", schema=None) as batch_op:
        batch_op.drop_index("ix_sync_recon_client")

    op.drop_table("sync_recon")
