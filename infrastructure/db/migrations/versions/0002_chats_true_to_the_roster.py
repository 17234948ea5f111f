"""chats true to the roster: edits by hand, roles, the register of bundles, the audit."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from domain.access import MetaRole, Permission
from domain.ids import role_id
from domain.ordering import natural_key, search_key

revision: str = '0002'
down_revision: str | None = '0001'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_KEY = sa.Text(collation='C')
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        'audit_entries',
        sa.Column('number', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('id', sa.Uuid(), server_default=sa.text('gen_random_uuid()'), nullable=False),
        sa.Column('organization_id', sa.Uuid(), nullable=True),
        sa.Column('at', _INSTANT, nullable=False),
        sa.Column('cause', sa.Text(), nullable=False),
        sa.Column('actor_id', sa.Uuid(), nullable=True),
        sa.Column('actor_person', sa.Text(), nullable=True),
        sa.Column('action', sa.Text(), nullable=False),
        sa.Column('subject', sa.Text(), nullable=False),
        sa.Column('subject_id', sa.Uuid(), nullable=False),
        sa.Column('before', postgresql.JSONB(), nullable=True),
        sa.Column('after', postgresql.JSONB(), nullable=True),
        sa.Column('version', sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint('number', name=op.f('pk_audit_entries')),
        sa.UniqueConstraint('id', name=op.f('uq_audit_entries_id')),
    )
    op.create_index(op.f('ix_audit_entries_organization_id_number'), 'audit_entries', ['organization_id', 'number'])
    op.create_index(op.f('ix_audit_entries_subject_id_number'), 'audit_entries', ['subject_id', 'number'])
    # Whatever the code does, a line of the audit is never edited (AUDIT-01).
    op.execute("""
        create function refuse_to_edit_the_audit() returns trigger language plpgsql as $$
        begin raise exception 'a line of the audit is never edited'; end $$
    """)
    op.execute("""
        create trigger audit_entries_are_never_edited before update or delete or truncate on audit_entries
        for each statement execute function refuse_to_edit_the_audit()
    """)
    # As what people are at the school now (CHAT-32): `domain.roster.Roster.is_` as rows.
    op.execute("""
        create view capacities as
        select e.participant_id, e.organization_id, 'EMPLOYEE' as capacity from employees e
        union all
        select n.participant_id, n.organization_id, 'PUPIL' from enrolments n
        left join classes k on k.id = n.class_id where k.id is null or not k.closed
        union all
        select distinct t.parent_id, t.organization_id, 'PARENT' from ties t
        join enrolments n on n.participant_id = t.pupil_id
        left join classes k on k.id = n.class_id where k.id is null or not k.closed
    """)
    roles = op.create_table(
        'roles',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('meta_role', sa.Text(), nullable=True),
        sa.Column('permissions', sa.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_roles')),
        sa.UniqueConstraint('name', name=op.f('uq_roles_name')),
    )
    everything = [str(permission) for permission in Permission]
    op.bulk_insert(
        roles,
        [
            {'id': role_id(meta_role), 'name': str(meta_role), 'meta_role': str(meta_role), 'permissions': everything}
            for meta_role in MetaRole
        ],
    )
    op.create_table(
        'register_rows',
        sa.Column('organization_id', sa.Uuid(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('source_id', sa.Text(), nullable=False),
        sa.Column('row', postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], name=op.f('fk_register_rows_organization_id')),
        sa.PrimaryKeyConstraint('organization_id', 'kind', 'source_id', name=op.f('pk_register_rows')),
    )
    op.create_table(
        'chat_additions',
        sa.Column('chat_id', sa.Uuid(), nullable=False),
        sa.Column('participant_id', sa.Uuid(), nullable=False),
        sa.Column('capacity', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(['chat_id'], ['chats.id'], name=op.f('fk_chat_additions_chat_id')),
        sa.ForeignKeyConstraint(['participant_id'], ['participants.id'], name=op.f('fk_chat_additions_participant_id')),
        sa.PrimaryKeyConstraint('chat_id', 'participant_id', 'capacity', name=op.f('pk_chat_additions')),
    )
    op.create_index(op.f('ix_chat_additions_participant_id'), 'chat_additions', ['participant_id'])
    op.create_table(
        'chat_exclusions',
        sa.Column('chat_id', sa.Uuid(), nullable=False),
        sa.Column('participant_id', sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(['chat_id'], ['chats.id'], name=op.f('fk_chat_exclusions_chat_id')),
        sa.ForeignKeyConstraint(['participant_id'], ['participants.id'], name=op.f('fk_chat_exclusions_participant_id')),
        sa.PrimaryKeyConstraint('chat_id', 'participant_id', name=op.f('pk_chat_exclusions')),
    )
    op.create_index(op.f('ix_chat_exclusions_participant_id'), 'chat_exclusions', ['participant_id'])

    op.add_column('chats', sa.Column('named_by_user', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column('chats', 'named_by_user', server_default=None)
    op.add_column('chats', sa.Column('deleted_at', _INSTANT))
    op.drop_index('ix_chats_organization_id_number', table_name='chats')
    op.create_index(
        op.f('ix_chats_organization_id_number'),
        'chats',
        ['organization_id', 'number'],
        postgresql_where=sa.text('deleted_at is null'),
    )
    _add_keys('chats', sort_key=natural_key, search_key=search_key)
    op.alter_column('enrolments', 'class_id', nullable=True)
    op.add_column('organizations', sa.Column('without_chat_administrator_since', _INSTANT))
    op.add_column('organizations', sa.Column('register_day', sa.Date()))
    op.add_column('organizations', sa.Column('register_due_at', _INSTANT))
    op.create_index(
        op.f('ix_organizations_register_due_at'),
        'organizations',
        ['register_due_at'],
        postgresql_where=sa.text('register_due_at is not null'),
    )
    op.execute("update organizations set without_chat_administrator_since = now() where chat_administrator_id is null")
    _add_keys('organizations', sort_key=natural_key, search_key=search_key)
    op.add_column('participants', sa.Column('idle_since', _INSTANT))
    op.create_index(
        op.f('ix_participants_idle_since'),
        'participants',
        ['idle_since'],
        postgresql_where=sa.text('idle_since is not null'),
    )
    _add_keys('study_groups', search_key=search_key)
    _add_keys('videoconferences', sort_key=natural_key, search_key=search_key)
    op.add_column('videoconferences', sa.Column('deleted_at', _INSTANT))
    op.drop_index('uq_videoconferences_lesson_id', table_name='videoconferences')
    op.create_index(
        'uq_videoconferences_lesson_id',
        'videoconferences',
        ['lesson_id'],
        unique=True,
        postgresql_where=sa.text(
            "type = 'ONLINE_LESSON' and status in ('SCHEDULED', 'STARTING', 'ACTIVE') and deleted_at is null"
        ),
    )


def _add_keys(table: str, **keys: Callable[[str], str]) -> None:
    """Adds columns of keys, made from each row's name."""
    rows = op.get_bind().execute(sa.text(f"select id, name from {table}")).all()
    for column, key in keys.items():
        op.add_column(table, sa.Column(column, _KEY))
        if rows:
            op.get_bind().execute(
                sa.text(f"update {table} set {column} = :key where id = :id"),
                [{'id': row.id, 'key': key(row.name)} for row in rows],
            )
        op.alter_column(table, column, nullable=False)


def downgrade() -> None:
    raise NotImplementedError("what the audit holds is never taken away")
