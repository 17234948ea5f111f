"""videoconferences by the clock: notices, people kept at the end, joins, who takes part."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0004'
down_revision: str | None = '0003'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for name in ('of_group', 'frozen'):
        op.add_column('videoconferences', sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
        op.alter_column('videoconferences', name, server_default=None)
    op.add_column(
        'videoconferences',
        sa.Column('set_by_hand', sa.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
    )
    op.alter_column('videoconferences', 'set_by_hand', server_default=None)
    op.add_column('videoconferences', sa.Column('minutes_left_notice', sa.Integer()))
    op.create_index(op.f('ix_videoconferences_lesson_id'), 'videoconferences', ['lesson_id'])
    op.create_index(op.f('ix_lessons_substitute_id'), 'lessons', ['substitute_id'])
    op.create_table(
        'videoconference_joins',
        sa.Column('number', sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column('videoconference_id', sa.Uuid(), nullable=False),
        sa.Column('participant_id', sa.Uuid(), nullable=False),
        sa.Column('at', _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ['participant_id'], ['participants.id'], name=op.f('fk_videoconference_joins_participant_id')
        ),
        sa.ForeignKeyConstraint(
            ['videoconference_id'], ['videoconferences.id'], name=op.f('fk_videoconference_joins_videoconference_id')
        ),
        sa.PrimaryKeyConstraint('number', name=op.f('pk_videoconference_joins')),
    )
    op.create_index(
        op.f('ix_videoconference_joins_videoconference_id_number'),
        'videoconference_joins',
        ['videoconference_id', 'number'],
    )
    # Who takes part in each conference, and as what (CONF-25): `domain.participation.participants` as rows. Asked for
    # by `videoconference_id`.
    op.execute("""
        create view taking_part as
        select v.id as videoconference_id, who.participant_id, who.capacity
        from videoconferences v
        left join lessons l on l.id = v.lesson_id
        cross join lateral (
            select m.participant_id, kind.capacity
            from chats c
            join memberships m on m.chat_id = c.id
            cross join unnest(m.capacities) kind(capacity)
            where c.id = v.chat_id and not v.frozen and not v.of_group
              and (kind.capacity in ('PUPIL', 'EMPLOYEE') or (v.type = 'VIDEO_CALL' and c.type = 'PARENTS'))
            union
            select named.participant_id, named.capacity
            from (
                select p.participant_id, 'PUPIL' as capacity
                from study_group_pupils p where p.group_id = l.group_id and v.of_group
                union
                select t.participant_id, 'EMPLOYEE' from study_group_teachers t where t.group_id = l.group_id and v.of_group
                union
                select o.chat_administrator_id, 'EMPLOYEE' from organizations o where o.id = v.organization_id and v.of_group
                union
                select l.substitute_id, 'EMPLOYEE' where l.substitute_id is not null
                union
                select x.participant_id, x.capacity from videoconference_additions x where x.videoconference_id = v.id
            ) named
            join capacities held on held.participant_id = named.participant_id and held.capacity = named.capacity
            where not v.frozen
            union
            select x.participant_id, x.capacity
            from videoconference_additions x where x.videoconference_id = v.id and v.frozen
        ) who
        where not who.participant_id = any(v.removals)
    """)


def downgrade() -> None:
    raise NotImplementedError("who connected is never taken away")
