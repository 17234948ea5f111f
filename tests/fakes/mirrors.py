"""Mirrors in memory, and which of them a unit of work concerns."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from domain.account_link import AccountLink
from domain.chat import Chat, MembershipRole
from domain.chat_request import ChatRequest, ChatRequestId
from domain.ids import ChatId, OrganizationId, PersonId
from domain.mirror import ChatNow, LinkedMember, Mirror, MirrorChanged
from domain.organization import Organization
from domain.roster import Roster
from infrastructure.db.mirrors import Touched
from tests.fakes.rows import Rows

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


class InMemoryMirrors:
    """Implements `application.ports.Mirrors`."""

    def __init__(
        self,
        rows: Rows[ChatId, Mirror],
        chats: Rows[ChatId, Chat],
        organizations: Rows[OrganizationId, Organization],
        rosters: Rows[OrganizationId, Roster],
        links: Rows[PersonId, AccountLink],
        touched: Touched,
        told: list[object],
    ) -> None:
        self._rows = rows
        self._chats = chats
        self._organizations = organizations
        self._rosters = rosters
        self._links = links
        self._touched = touched
        self._told = told

    async def find(self, chat: ChatId) -> Mirror | None:
        return await self._rows.find_locked(chat)

    async def claim_due(
        self, at: datetime, *, until: datetime, limit: int, of_each: int, under_way: Mapping[OrganizationId, int]
    ) -> list[Mirror]:
        def is_due(mirror: Mirror) -> bool:
            free = mirror.claimed_until is None or mirror.claimed_until <= at
            return mirror.due_at is not None and mirror.due_at <= at and free

        present = self._rows.present()
        # Rows that were touched or added first come first.
        due = sorted(self._rows.matching(is_due), key=lambda id: (not present[id].is_made, present[id].due_at))
        places = defaultdict[OrganizationId, int](int, under_way)
        chosen = list[tuple[int, int, ChatId]]()
        for order, id in enumerate(due):
            places[present[id].organization_id] += 1
            chosen.append((places[present[id].organization_id], order, id))
        free = [id for place, _, id in sorted(chosen) if place <= of_each and self._rows.is_free(id)]
        found = [await self._rows.find_locked(id) for id in free[:limit]]
        claimed = []
        for id, mirror in zip(free, found, strict=False):
            assert mirror is not None
            mirror.claim(until=until)
            await self._rows.save(id, mirror)
            claimed.append(mirror)
        return claimed

    async def now_is(self, chat: ChatId) -> ChatNow:
        shown, mirror = self._chats.present()[chat], self._rows.present()[chat]
        organization = self._organizations.present().get(shown.organization_id)
        roster = self._rosters.present().get(shown.organization_id) or Roster(shown.organization_id)
        unblocked = {id: person.person_id for id, person in roster.people.items() if not person.blocked}
        links = self._links.present()
        linked = [
            (unblocked[id], links[unblocked[id]].profile.id, membership.role is MembershipRole.ADMINISTRATOR)
            for id, membership in shown.memberships.items()
            if id in unblocked and unblocked[id] in links
        ]
        administrator = None if organization is None else roster.people.get(organization.chat_administrator)  # type: ignore[arg-type]
        inside = set[str]() if mirror.held is None else set(mirror.held.members)
        candidates = {person for person, _, _ in linked} | {
            link.person_id for link in links.values() if link.profile.id in inside
        }
        if administrator is not None:
            candidates.add(administrator.person_id)
        return ChatNow(
            name=shown.name,
            ended=shown.archived,
            deleted=shown.deleted,
            members=[LinkedMember(*each) for each in sorted(linked, key=lambda each: each[1])],
            chat_administrator=None if administrator is None else administrator.person_id,
            working={
                links[person].profile.id: person
                for person in candidates
                if person in links and links[person].tokens is not None and person in unblocked.values()
            },
            touched=mirror.touched,
        )

    async def to_empty(self, person: PersonId) -> list[ChatId]:
        link = self._links.present().get(person)
        found = []
        for id, mirror in self._rows.present().items():
            if link is None or mirror.held is None or mirror.owner != link.profile.id:
                continue
            members = mirror.held.members.keys()
            if link.profile.id in members and members - (await self.now_is(id)).roles.keys() - {link.profile.id}:
                found.append(id)
        return sorted(found)

    async def save(self, mirror: Mirror) -> None:
        before = self._rows.present().get(mirror.chat_id)
        await self._rows.save(mirror.chat_id, mirror)
        if before is None or before.shown != mirror.shown:
            self._told.append(MirrorChanged(mirror.chat_id))

    async def touch(self, chat: ChatId) -> None:
        self._touched.chats.add(chat)

    async def touch_all(self) -> None:
        """Touches what the unit of work concerns, in order."""
        touched, chats = self._touched, self._chats.present()
        if touched == Touched():
            return
        people = {
            id: person.person_id
            for roster in self._rosters.present().values()
            for id, person in roster.people.items()
            if id in touched.participants or person.person_id in touched.persons
        }
        profiles = touched.profiles | {
            link.profile.id for person, link in self._links.present().items() if person in people.values()
        }
        theirs = touched.organizations | {
            id for id, each in self._organizations.present().items() if each.chat_administrator in people
        }
        concerned = {id for id in touched.chats if id in chats}
        concerned |= {id for id, chat in chats.items() if people.keys() & chat.memberships.keys()}
        concerned |= {id for id, chat in chats.items() if chat.organization_id in theirs and not chat.deleted}
        concerned |= set(
            self._rows.matching(lambda row: row.held is not None and bool(profiles & row.held.members.keys()))
        )
        for id in sorted(concerned):
            mirror = await self._rows.find_locked(id)
            mirror = mirror or Mirror(chat_id=id, organization_id=chats[id].organization_id)
            mirror.touched += 1
            mirror.due_at = AT_ONCE
            await self._rows.save(id, mirror)


class InMemoryChatRequests:
    """Implements `application.ports.ChatRequests`."""

    def __init__(self, rows: Rows[ChatRequestId, ChatRequest]) -> None:
        self._rows = rows

    async def find(self, id: ChatRequestId) -> ChatRequest | None:
        return await self._rows.find_locked(id)

    async def find_all(self, ids: Collection[ChatRequestId]) -> list[ChatRequest]:
        return await self._rows.all_locked(lambda request: request.id in ids)

    async def due(self, at: datetime, *, accounts: int) -> list[ChatRequest]:
        present = self._rows.present().values()
        due = {request.account for request in present if request.due_at is not None and request.due_at <= at}
        wanted = sorted(due)[:accounts]
        keys = self._rows.matching(lambda request: request.due_at is not None and request.account in wanted)
        found = [await self._rows.find_locked(key) for key in sorted(keys) if self._rows.is_free(key)]
        return [request for request in found if request is not None]

    async def save(self, request: ChatRequest) -> None:
        await self._rows.save(request.id, request)

    async def save_all(self, requests: Sequence[ChatRequest]) -> None:
        for request in requests:
            await self.save(request)
