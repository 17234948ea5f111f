"""the mirror of each chat in Sferum, and the attempts to make one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = '0005'
down_revision: str | None = '0004'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)
_IS_DUE = sa.text('due_at is not null')


def upgrade() -> None:
    op.create_table(
        'mirrors',
        sa.Column('chat_id', sa.Uuid(), nullable=False),
        sa.Column('organization_id', sa.Uuid(), nullable=False),
        sa.Column('request_id', sa.Uuid(), nullable=True),
        sa.Column('numbers', postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column('refused', postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column('owner', sa.Text(), nullable=True),
        sa.Column('title', sa.Text(), nullable=True),
        sa.Column('members', postgresql.JSONB(), nullable=True),
        sa.Column('invite_link', sa.Text(), nullable=True),
        sa.Column('unsure', sa.Boolean(), nullable=False, server_default=sa.text('false')),
        sa.Column('looked_at', _INSTANT, nullable=True),
        sa.Column('look_at', sa.ARRAY(_INSTANT), nullable=False, server_default=sa.text("'{}'")),
        sa.Column('state', sa.Text(), nullable=False, server_default=sa.text("'NOT_NEEDED'")),
        sa.Column('error', sa.Text(), nullable=True),
        sa.Column('behind_since', _INSTANT, nullable=True),
        sa.Column('tries', sa.Integer(), nullable=False, server_default=sa.text('0')),
        sa.Column('touched', sa.Integer(), nullable=False, server_default=sa.text('1')),
        sa.Column('touched_at', _INSTANT, nullable=False, server_default=sa.text('clock_timestamp()')),
        sa.Column('settled', sa.Integer(), nullable=False, server_default=sa.text('0')),
        sa.Column('due_at', _INSTANT, nullable=True, server_default=sa.text("'1970-01-01Z'")),
        sa.Column('claimed_until', _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(['chat_id'], ['chats.id'], name=op.f('fk_mirrors_chat_id')),
        sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], name=op.f('fk_mirrors_organization_id')),
        sa.PrimaryKeyConstraint('chat_id', name=op.f('pk_mirrors')),
    )
    op.create_index(op.f('ix_mirrors_due_at'), 'mirrors', ['due_at'], postgresql_where=_IS_DUE)
    op.create_index(op.f('ix_mirrors_organization_id'), 'mirrors', ['organization_id'])
    op.create_index(op.f('ix_mirrors_members'), 'mirrors', ['members'], postgresql_using='gin')
    op.create_table(
        'chat_requests',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('chat_id', sa.Uuid(), nullable=False),
        sa.Column('account', sa.Text(), nullable=False),
        sa.Column('profile', sa.Text(), nullable=False),
        sa.Column('asked_at', _INSTANT, nullable=False),
        sa.Column('number', sa.Text(), nullable=True),
        sa.Column('given_up', sa.Boolean(), nullable=False),
        sa.Column('due_at', _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_chat_requests')),
    )
    op.create_index(op.f('ix_chat_requests_chat_id'), 'chat_requests', ['chat_id'])
    op.create_index(op.f('ix_chat_requests_due_at'), 'chat_requests', ['due_at'], postgresql_where=_IS_DUE)
    # Every chat that is there is looked at once.
    op.execute('insert into mirrors (chat_id, organization_id) select id, organization_id from chats')


def downgrade() -> None:
    op.drop_table('chat_requests')
    op.drop_table('mirrors')
