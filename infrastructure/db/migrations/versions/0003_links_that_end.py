"""links that end: how old a pair of tokens is, and the tokens of which VK ID has still to be told."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0003'
down_revision: str | None = '0002'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column('account_links', sa.Column('renewed_at', _INSTANT, nullable=True))
    # No pair is older than its link: at worst it is renewed too early.
    op.execute('update account_links set renewed_at = linked_at')
    # Processes of the release before go on linking while this one is rolled out.
    op.alter_column('account_links', 'renewed_at', nullable=False, server_default=sa.text('clock_timestamp()'))
    op.create_table(
        'revocations',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('profile_id', sa.Text(), nullable=True),
        sa.Column('tokens', sa.LargeBinary(), nullable=False),
        sa.Column('due_at', _INSTANT, nullable=False),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('claimed_until', _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_revocations')),
    )
    op.create_index(op.f('ix_revocations_due_at'), 'revocations', ['due_at'])


def downgrade() -> None:
    op.drop_table('revocations')
    op.drop_column('account_links', 'renewed_at')
