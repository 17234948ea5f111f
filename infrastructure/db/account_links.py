"""Account links and attempts as rows; what opens somebody's account is sealed."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime

import structlog
from sqlalchemy import delete, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from application.audit import Trail, link_facts, link_subject
from application.ports import ChatsOfAccount, ConcurrentChange
from domain.account_link import (
    AccountLink,
    AccountLinkBroke,
    AccountLinked,
    AccountLinkStatus,
    AccountUnlinked,
    EducationProfile,
    LinkAttempt,
    Tokens,
)
from domain.ids import OrganizationId, ParticipantId, PersonId, account_id
from infrastructure.db import outbox
from infrastructure.db.cipher import Cipher
from infrastructure.db.mirrors import Touched
from infrastructure.db.tables import account_links, link_attempts, participants

UNIQUE_VIOLATION = "23505"
"""SQLSTATE."""

log = structlog.get_logger()

_CHATS_OF = text("""
select count(m.chat_id) as "all",
       count(m.chat_id) filter (where o.chat_administrator_id = p.id and not c.archived) as owned,
       coalesce(bool_or(o.chat_administrator_id = p.id), false) as owns
from participants p
join organizations o on o.id = p.organization_id
left join memberships m on m.participant_id = p.id
left join chats c on c.id = m.chat_id
where p.person_id = :person
""")


def seal_tokens(tokens: Tokens, cipher: Cipher) -> bytes:
    """The pair with its expiry, sealed as one."""
    return cipher.seal(json.dumps(asdict(tokens) | {"access_expires_at": tokens.access_expires_at.isoformat()}))


def open_tokens(sealed: bytes, cipher: Cipher) -> Tokens | None:
    """The pair again; None, as for a link that broke, if its key is gone."""
    text = cipher.open(sealed)
    if text is None:
        log.error("token_key_missing")
        return None
    plain = json.loads(text)
    return Tokens(**plain | {"access_expires_at": datetime.fromisoformat(plain["access_expires_at"])})


class PostgresAccountLinks:
    """Implements `application.ports.AccountLinks`."""

    def __init__(self, connection: AsyncConnection, cipher: Cipher, trail: Trail, touched: Touched) -> None:
        self._connection = connection
        self._trail = trail
        self._cipher = cipher
        self._touched = touched

    async def find(self, person: PersonId, *, lock: bool = False) -> AccountLink | None:
        query = select(account_links).where(account_links.c.person_id == person)
        row = (await self._connection.execute(query.with_for_update() if lock else query)).one_or_none()
        if row is None:
            return None
        return AccountLink(
            person_id=PersonId(row.person_id),
            profile=EducationProfile(row.profile_id, row.display_name),
            linked_at=row.linked_at,
            renewed_at=row.renewed_at,
            tokens=None if row.tokens is None else open_tokens(row.tokens, self._cipher),
            refresh_claimed_until=row.refresh_claimed_until,
        )

    async def working(self, wanted: Sequence[ParticipantId]) -> PersonId | None:
        query = (
            select(participants.c.id, participants.c.person_id)
            .join(account_links, account_links.c.person_id == participants.c.person_id)
            .where(
                participants.c.id.in_(wanted), participants.c.blocked.is_(False), account_links.c.tokens.is_not(None)
            )
        )
        linked = {row.id: row.person_id for row in await self._connection.execute(query)}
        return next((PersonId(linked[participant]) for participant in wanted if participant in linked), None)

    async def linked(self, wanted: Collection[ParticipantId]) -> frozenset[ParticipantId]:
        query = (
            select(participants.c.id)
            .join(account_links, account_links.c.person_id == participants.c.person_id)
            .where(participants.c.id.in_(wanted))
        )
        return frozenset((await self._connection.execute(query)).scalars())

    async def holder(self, profile_id: str) -> PersonId | None:
        query = select(account_links.c.person_id).where(account_links.c.profile_id == profile_id)
        person = (await self._connection.execute(query)).scalar_one_or_none()
        return None if person is None else PersonId(person)

    async def save(self, link: AccountLink) -> None:
        await self._note(link)
        row = {
            "person_id": link.person_id,
            "profile_id": link.profile.id,
            "display_name": link.profile.display_name,
            "linked_at": link.linked_at,
            "renewed_at": link.renewed_at,
            "tokens": None if link.tokens is None else seal_tokens(link.tokens, self._cipher),
            "refresh_claimed_until": link.refresh_claimed_until,
        }
        statement = insert(account_links).values(row)
        changing = {name: statement.excluded[name] for name in row if name != "person_id"}
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(
                    statement.on_conflict_do_update(index_elements=["person_id"], set_=changing)
                )
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) != UNIQUE_VIOLATION:
                raise
            raise ConcurrentChange from error
        await self._tell(link)

    async def _tell(self, link: AccountLink) -> None:
        await outbox.write(
            self._connection,
            [
                outbox.Entry("account", account_id(event.person_id), type(event).__name__, {"person": event.person_id})
                for event in link.take_events()
                if isinstance(event, AccountLinked | AccountLinkBroke | AccountUnlinked)
            ],
        )

    async def _note(self, link: AccountLink) -> None:
        works, profile = account_links.c.tokens.is_not(None).label("works"), account_links.c.profile_id
        query = select(works, profile).where(account_links.c.person_id == link.person_id)
        before = (await self._connection.execute(query)).one_or_none()
        worked = None if before is None else before.works
        if before is None or (before.works, before.profile_id) != (link.tokens is not None, link.profile.id):
            self._touched.persons.add(link.person_id)
            self._touched.profiles |= {link.profile.id} if before is None else {link.profile.id, before.profile_id}
        if worked is (link.tokens is not None):
            return
        for participant, organization in await self._known_as(link.person_id):
            subject = link_subject(participant, organization)
            if worked is not None:
                status = AccountLinkStatus.LINKED if worked else AccountLinkStatus.BROKEN
                self._trail.loaded(subject, link_facts(status) or {})
            self._trail.saved(subject, link_facts(link.status))

    async def delete(self, link: AccountLink) -> None:
        person = link.person_id
        if known := await self.find(person):
            for participant, organization in await self._known_as(person):
                subject = link_subject(participant, organization)
                self._trail.loaded(subject, link_facts(known.status) or {})
                self._trail.saved(subject, None)
        self._touched.persons.add(person)
        self._touched.profiles.add(link.profile.id)
        await self._connection.execute(delete(account_links).where(account_links.c.person_id == person))
        await self._tell(link)

    async def renewed_before(self, at: datetime, *, limit: int) -> list[PersonId]:
        claimed = account_links.c.refresh_claimed_until
        query = (
            select(account_links.c.person_id)
            .where(account_links.c.renewed_at < at, account_links.c.tokens.is_not(None))
            .where(or_(claimed.is_(None), claimed <= func.clock_timestamp()))
            # Those that VK ID has no answer for do not stand in the way of the others.
            .order_by(func.random())
            .limit(limit)
        )
        return [PersonId(person) for person in (await self._connection.execute(query)).scalars()]

    async def chats_of(self, person: PersonId) -> ChatsOfAccount:
        row = (await self._connection.execute(_CHATS_OF, {"person": person})).one()
        return ChatsOfAccount(row.all, row.owned if row.owns else None)

    async def _known_as(self, person: PersonId) -> Sequence[tuple[ParticipantId, OrganizationId]]:
        known = select(participants.c.id, participants.c.organization_id).where(participants.c.person_id == person)
        return [(row.id, row.organization_id) for row in await self._connection.execute(known)]

    async def find_attempt(self, *, id: str | None = None, state: str | None = None) -> LinkAttempt | None:
        where = link_attempts.c.id == id if id is not None else link_attempts.c.state == state
        row = (await self._connection.execute(select(link_attempts).where(where).with_for_update())).one_or_none()
        if row is None:
            return None
        return LinkAttempt(
            id=row.id,
            state=row.state,
            # Without its key VK ID will refuse the exchange, and the person begins anew.
            verifier=self._cipher.open(row.verifier) or "",
            person_id=PersonId(row.person_id),
            return_to=row.return_to,
            expires_at=row.expires_at,
            browser=row.browser,
            used=row.used,
        )

    async def save_attempt(self, attempt: LinkAttempt) -> None:
        row = {
            "id": attempt.id,
            "state": attempt.state,
            "verifier": self._cipher.seal(attempt.verifier),
            "person_id": attempt.person_id,
            "return_to": attempt.return_to,
            "expires_at": attempt.expires_at,
            "browser": attempt.browser,
            "used": attempt.used,
        }
        statement = insert(link_attempts).values(row)
        changing = {name: statement.excluded[name] for name in ("browser", "used")}
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changing))

    async def forget_attempts(self, person: PersonId) -> None:
        await self._connection.execute(delete(link_attempts).where(link_attempts.c.person_id == person))
