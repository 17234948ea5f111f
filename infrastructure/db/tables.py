"""The tables. Whatever is shown in an order has its key made in Python and compared byte by byte (CHAT-33)."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_KEY = Text(collation="C")
_INSTANT = DateTime(timezone=True)


def _text(name: str, *, nullable: bool = False, kind: TypeEngine[str] | None = None) -> Column[str]:
    return Column(name, kind or Text, nullable=nullable)


def _id(name: str, refers_to: str | None = None, *, nullable: bool = False, index: bool = False) -> Column[object]:
    references = [ForeignKey(refers_to)] if refers_to else []
    return Column(name, Uuid, *references, nullable=nullable, index=index)


organizations = Table(
    "organizations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("school_id", Text, nullable=False, unique=True),
    _text("name"),
    _text("sort_key", kind=_KEY),
    _text("search_key", kind=_KEY),
    _text("time_zone"),
    _id("chat_administrator_id", nullable=True),
    # Since when there is no chat administrator (RIGHT-03).
    Column("without_chat_administrator_since", _INSTANT),
    # The day of the organization's calendar whose facts of the register hold, and when the next ones begin (ROSTER-05).
    Column("register_day", Date),
    Column("register_due_at", _INSTANT),
    Index(None, "register_due_at", postgresql_where=text("register_due_at is not null")),
)

participants = Table(
    "participants",
    metadata,
    Column("id", Uuid, primary_key=True),
    _id("organization_id", "organizations.id"),
    Column("person_id", Text, nullable=False, index=True),
    _text("last_name"),
    _text("first_name"),
    _text("patronymic", nullable=True),
    Column("blocked", Boolean, nullable=False),
    _text("full_name"),
    _text("sort_key", kind=_KEY),
    _text("search_key", kind=_KEY),
    # Since when the person has no capacity; after a year they are erased (AUDIT-03).
    Column("idle_since", _INSTANT),
    UniqueConstraint("organization_id", "person_id"),
    Index(None, "idle_since", postgresql_where=text("idle_since is not null")),
    Index(None, "organization_id", "sort_key", "id"),
)

employees = Table(
    "employees",
    metadata,
    Column("participant_id", Uuid, ForeignKey("participants.id"), primary_key=True),
    _id("organization_id", "organizations.id", index=True),
    Column("positions", ARRAY(Text), nullable=False),
)

classes = Table(
    "classes",
    metadata,
    Column("id", Uuid, primary_key=True),
    _id("organization_id", "organizations.id", index=True),
    _text("school_id"),
    _text("name"),
    _text("sort_key", kind=_KEY),
    _id("teacher_id", "participants.id", nullable=True),
    Column("closed", Boolean, nullable=False),
)

enrolments = Table(
    "enrolments",
    metadata,
    Column("participant_id", Uuid, ForeignKey("participants.id"), primary_key=True),
    _id("organization_id", "organizations.id", index=True),
    # A pupil of the school may be in no class.
    _id("class_id", "classes.id", nullable=True, index=True),
)

ties = Table(
    "ties",
    metadata,
    _id("parent_id", "participants.id"),
    _id("pupil_id", "participants.id", index=True),
    _id("organization_id", "organizations.id", index=True),
    PrimaryKeyConstraint("parent_id", "pupil_id"),
)

# The installation's roles, the same for every organization (RIGHT-04).
roles = Table(
    "roles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    _text("meta_role", nullable=True),
    Column("permissions", ARRAY(Text), nullable=False),
)

role_grants = Table(
    "role_grants",
    metadata,
    _id("participant_id", "participants.id"),
    _text("role"),
    _id("organization_id", "organizations.id", index=True),
    PrimaryKeyConstraint("participant_id", "role"),
)

subjects = Table(
    "subjects",
    metadata,
    Column("id", Uuid, primary_key=True),
    _id("organization_id", "organizations.id", index=True),
    _text("name"),
    _text("sort_key", kind=_KEY),
)

study_groups = Table(
    "study_groups",
    metadata,
    Column("id", Uuid, primary_key=True),
    _id("organization_id", "organizations.id", index=True),
    _text("school_id"),
    _text("name"),
    _text("sort_key", kind=_KEY),
    _text("search_key", kind=_KEY),
    _id("subject_id", "subjects.id"),
    Column("closed", Boolean, nullable=False),
)

study_group_pupils = Table(
    "study_group_pupils",
    metadata,
    _id("group_id", "study_groups.id"),
    _id("participant_id", "participants.id", index=True),
    PrimaryKeyConstraint("group_id", "participant_id"),
)

study_group_teachers = Table(
    "study_group_teachers",
    metadata,
    _id("group_id", "study_groups.id"),
    _id("participant_id", "participants.id", index=True),
    Column("place", Integer, nullable=False),
    PrimaryKeyConstraint("group_id", "participant_id"),
)

lessons = Table(
    "lessons",
    metadata,
    Column("id", Uuid, primary_key=True),
    _id("organization_id", "organizations.id"),
    _text("school_id"),
    _id("group_id", "study_groups.id"),
    Column("starts_at", _INSTANT, nullable=False),
    Column("ends_at", _INSTANT, nullable=False),
    _id("substitute_id", "participants.id", nullable=True, index=True),
    Column("cancelled", Boolean, nullable=False),
    Index(None, "group_id", "starts_at"),
    Index(None, "organization_id", "starts_at"),
)

chats = Table(
    "chats",
    metadata,
    Column("id", Uuid, primary_key=True),
    # The order of creation, in which the registry lists chats unless asked otherwise (fig. 27).
    Column("number", BigInteger, Identity(), nullable=False),
    _id("organization_id", "organizations.id"),
    _text("type"),
    _id("class_id", "classes.id", nullable=True, index=True),
    _id("group_id", "study_groups.id", nullable=True, index=True),
    _text("name"),
    Column("archived", Boolean, nullable=False),
    # Kept beside the memberships: counting them for each row of a page costs ten times the page in a large school.
    Column("member_count", Integer, nullable=False),
    _text("sort_key", kind=_KEY),
    _text("search_key", kind=_KEY),
    Column("named_by_user", Boolean, nullable=False),
    # A deleted chat has no members; what was held in it still shows its name.
    Column("deleted_at", _INSTANT),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Index(None, "organization_id", "number", postgresql_where=text("deleted_at is null")),
)

# What people did by hand to a chat's members (CHAT-31, CHAT-32).
chat_additions = Table(
    "chat_additions",
    metadata,
    _id("chat_id", "chats.id"),
    _id("participant_id", "participants.id", index=True),
    _text("capacity"),
    PrimaryKeyConstraint("chat_id", "participant_id", "capacity"),
)

chat_exclusions = Table(
    "chat_exclusions",
    metadata,
    _id("chat_id", "chats.id"),
    _id("participant_id", "participants.id", index=True),
    PrimaryKeyConstraint("chat_id", "participant_id"),
)

memberships = Table(
    "memberships",
    metadata,
    _id("chat_id", "chats.id"),
    _id("participant_id", "participants.id", index=True),
    _text("role"),
    Column("capacities", ARRAY(Text), nullable=False),
    Column("grounds", JSONB, nullable=False),
    PrimaryKeyConstraint("chat_id", "participant_id"),
)

# What each chat's mirror in Sferum holds, as far as is known, and what is to be done about it (SYNC-01).
mirrors = Table(
    "mirrors",
    metadata,
    Column("chat_id", Uuid, ForeignKey("chats.id"), primary_key=True),
    _id("organization_id", "organizations.id", index=True),
    # The attempt to make the chat whose outcome is not known yet.
    _id("request_id", nullable=True),
    # Sferum's numbers of the chat by profile, and whom it lets in no sooner than when.
    Column("numbers", JSONB, nullable=False, server_default=text("'{}'")),
    Column("refused", JSONB, nullable=False, server_default=text("'{}'")),
    _text("owner", nullable=True),
    # `domain.mirror.Held`: both or neither. Members are whether they are administrators, by profile.
    _text("title", nullable=True),
    Column("members", JSONB(none_as_null=True)),
    _text("invite_link", nullable=True),
    Column("unsure", Boolean, nullable=False, server_default=text("false")),
    Column("looked_at", _INSTANT),
    Column("look_at", ARRAY(_INSTANT), nullable=False, server_default=text("'{}'")),
    Column("state", Text, nullable=False, server_default=text("'NOT_NEEDED'")),
    _text("error", nullable=True),
    Column("behind_since", _INSTANT),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("touched", Integer, nullable=False, server_default=text("1")),
    # When it was touched last, by the database's clock.
    Column("touched_at", _INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    Column("settled", Integer, nullable=False, server_default=text("0")),
    Column("due_at", _INSTANT, server_default=text("'1970-01-01Z'")),
    Column("claimed_until", _INSTANT),
    Index(None, "due_at", postgresql_where=text("due_at is not null")),
    # Whoever links or unlinks concerns every mirror that holds the profile.
    Index(None, "members", postgresql_using="gin"),
)

# Attempts to make a chat in Sferum, watched until nothing of them can turn up any more (SYNC-03). They refer to their
# chat by its id alone: a reference would have the worker, who holds the mirror, wait for whoever holds the chat.
chat_requests = Table(
    "chat_requests",
    metadata,
    Column("id", Uuid, primary_key=True),
    _id("chat_id", index=True),
    _text("account"),
    _text("profile"),
    Column("asked_at", _INSTANT, nullable=False),
    _text("number", nullable=True),
    Column("given_up", Boolean, nullable=False),
    Column("due_at", _INSTANT),
    Index(None, "due_at", postgresql_where=text("due_at is not null")),
)

videoconferences = Table(
    "videoconferences",
    metadata,
    Column("id", Uuid, primary_key=True),
    _id("organization_id", "organizations.id"),
    _text("type"),
    _text("name"),
    _text("sort_key", kind=_KEY),
    _text("search_key", kind=_KEY),
    _id("chat_id", "chats.id", index=True),
    _id("lesson_id", "lessons.id", nullable=True, index=True),
    _id("made_by", "participants.id", nullable=True),
    Column("starts_at", _INSTANT, nullable=False),
    Column("ends_at", _INSTANT, nullable=False),
    Column("removals", ARRAY(Uuid), nullable=False),
    # Its people follow from the lesson's group, not the chat (CONF-16); or they are those of its end (CONF-25).
    Column("of_group", Boolean, nullable=False),
    Column("frozen", Boolean, nullable=False),
    Column("set_by_hand", ARRAY(Text), nullable=False),
    Column("minutes_left_notice", Integer),
    _text("status"),
    # What the present phase has, and nothing else: see `phase_to_columns`.
    Column("begin_at", _INSTANT),
    Column("check_at", _INSTANT),
    _id("call_id", nullable=True),
    _text("link", nullable=True),
    Column("active_since", _INSTANT),
    Column("finished_at", _INSTANT),
    _text("finished_by", nullable=True),
    _text("failure", nullable=True),
    _text("start_problem", nullable=True),
    Column("due_at", _INSTANT),
    # Kept for those who still hold a call of it; nobody sees it any more.
    Column("deleted_at", _INSTANT),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Index(None, "due_at", postgresql_where=text("due_at is not null")),
    Index(None, "organization_id", "starts_at", "id"),
    Index(
        "uq_videoconferences_lesson_id",
        "lesson_id",
        unique=True,
        postgresql_where=text(
            "type = 'ONLINE_LESSON' and status in ('SCHEDULED', 'STARTING', 'ACTIVE') and deleted_at is null"
        ),
    ),
)

videoconference_additions = Table(
    "videoconference_additions",
    metadata,
    _id("videoconference_id", "videoconferences.id"),
    _id("participant_id", "participants.id", index=True),
    _text("capacity"),
    PrimaryKeyConstraint("videoconference_id", "participant_id", "capacity"),
)

videoconference_joins = Table(
    "videoconference_joins",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    _id("videoconference_id", "videoconferences.id"),
    _id("participant_id", "participants.id"),
    Column("at", _INSTANT, nullable=False),
    Index(None, "videoconference_id", "number"),
)

calls = Table(
    "calls",
    metadata,
    Column("id", Uuid, primary_key=True),
    _id("videoconference_id", "videoconferences.id"),
    _text("account"),
    Column("asked_at", _INSTANT, nullable=False),
    _text("state"),
    _text("sferum_id", nullable=True),
    Column("due_at", _INSTANT),
    Column("until", _INSTANT),
    Column("tries", Integer, nullable=False),
    Column("ended_at", _INSTANT),
    Index(None, "due_at", postgresql_where=text("due_at is not null")),
    # A conference has at most one call that works (CONF-18), whatever the code above does.
    Index(
        "uq_calls_videoconference_id",
        "videoconference_id",
        unique=True,
        postgresql_where=text("state in ('ASKED', 'OPEN')"),
    ),
)

account_links = Table(
    "account_links",
    metadata,
    Column("person_id", Text, primary_key=True),
    Column("profile_id", Text, nullable=False, unique=True),
    _text("display_name"),
    Column("linked_at", _INSTANT, nullable=False),
    Column("tokens", LargeBinary),
    Column("refresh_claimed_until", _INSTANT),
    # When VK ID gave the present pair.
    Column("renewed_at", _INSTANT, nullable=False, server_default=text("clock_timestamp()")),
)

# Tokens of which VK ID has still to be told that nobody may use them (LINK-08).
revocations = Table(
    "revocations",
    metadata,
    Column("id", Uuid, primary_key=True),
    _text("profile_id", nullable=True),
    Column("tokens", LargeBinary, nullable=False),
    Column("due_at", _INSTANT, nullable=False, index=True),
    Column("tries", Integer, nullable=False),
    Column("claimed_until", _INSTANT),
)

link_attempts = Table(
    "link_attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False, unique=True),
    Column("verifier", LargeBinary, nullable=False),
    _text("person_id"),
    _text("return_to", nullable=True),
    Column("expires_at", _INSTANT, nullable=False),
    _text("browser", nullable=True),
    Column("used", Boolean, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    _text("scope"),
    _text("key"),
    _text("digest"),
    _text("result"),
    Column("at", _INSTANT, nullable=False, index=True),
    PrimaryKeyConstraint("scope", "key"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("subject"),
    _id("subject_id"),
    _text("what"),
    Column("version", Integer),
    Column("payload", JSONB, nullable=False),
    Column("at", _INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    Column("delivered_at", _INSTANT),
    Index(None, "id", postgresql_where=text("delivered_at is null")),
    Index(None, "subject_id", "id"),
)

# What the school system stated in its bundles, row by row, from which the facts of a day follow (ROSTER-02, ROSTER-05).
register_rows = Table(
    "register_rows",
    metadata,
    _id("organization_id", "organizations.id"),
    _text("kind"),
    _text("source_id"),
    Column("row", JSONB, nullable=False),
    PrimaryKeyConstraint("organization_id", "kind", "source_id"),
)

# One line for each change, never edited (AUDIT-01): a trigger refuses it.
audit_entries = Table(
    "audit_entries",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("id", Uuid, nullable=False, unique=True, server_default=text("gen_random_uuid()")),
    # Null: the whole installation's.
    _id("organization_id", nullable=True),
    Column("at", _INSTANT, nullable=False),
    _text("cause"),
    _id("actor_id", nullable=True),
    # A Superadministrator is nobody's participant.
    _text("actor_person", nullable=True),
    _text("action"),
    _text("subject"),
    _id("subject_id"),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB(none_as_null=True)),
    # Of a chat or conference, after the change.
    Column("version", Integer),
    Index(None, "organization_id", "number"),
    Index(None, "subject_id", "number"),
)
