"""What people do with chats: make one, edit one, delete one (CHAT-07 … CHAT-15)."""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID, uuid4

from application.membership import bring_in_step
from application.ports import Begin, UnitOfWork
from application.repeats import remember, remembered
from domain import access
from domain.access import OrganizationAction, Viewer, by
from domain.chat import Chat, ChatMembersChanged
from domain.chat_form import ChatEdit, NewChat, edit_chat, make_chat
from domain.errors import ProblemCode, refuse
from domain.grounds import Belonging
from domain.ids import ChatId, OrganizationId, ParticipantId
from domain.participant import Participant
from domain.roster import Roster

SHOWN_UNLINKED = 100


@dataclass(frozen=True, slots=True)
class UnlinkedMembers:
    """Nothing is saved yet: these people, whom the save adds, have not linked an education profile (CHAT-13).

    `shown` are the first by name; whoever confirms exactly this set saves with `confirmation`.
    """

    shown: tuple[Participant, ...]
    total: int
    confirmation: str


@dataclass(frozen=True, slots=True)
class StaleChat:
    """Somebody else edited the chat meanwhile, in these fields; nothing is saved."""

    chat: ChatId
    changed_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CreateChat:
    """Adds a chat with its members; a key makes a repetition answer with the first one."""

    begin: Begin

    async def __call__(
        self,
        viewer: Viewer,
        organization_id: OrganizationId | None,
        form: NewChat,
        *,
        confirmation: str | None = None,
        idempotency_key: str | None = None,
    ) -> ChatId | UnlinkedMembers:
        wanted = organization_id or viewer.own_organization
        if wanted is None:
            superadministrator = viewer.meta_role is access.MetaRole.SUPERADMINISTRATOR
            raise refuse(ProblemCode.ORGANIZATION_REQUIRED if superadministrator else ProblemCode.FORBIDDEN)
        scope, digest = f"chats of {viewer.person_id}", sha256(repr((wanted, form)).encode()).hexdigest()
        async with self.begin(by(viewer)) as uow:
            at = await uow.now()
            known = await remembered(uow, scope, idempotency_key, digest, at=at)
            if not viewer.works_in(wanted):
                raise refuse(ProblemCode.NOT_FOUND, "organizationId")
            if OrganizationAction.CREATE_CHAT not in access.organization_actions(viewer, wanted):
                raise refuse(ProblemCode.FORBIDDEN)
            # Not before the rights: a key shows nothing to whom they were taken from (RIGHT-09).
            if known:
                return ChatId(UUID(known))
            # The roster stands still meanwhile: a chat that it does not know of yet would not follow it.
            organization = await uow.organizations.find(wanted, lock=True)
            if organization is None:
                raise refuse(ProblemCode.NOT_FOUND, "organizationId")
            roster = await uow.rosters.get(wanted)
            chat = make_chat(form, id=ChatId(uuid4()), organization=wanted, roster=roster)
            bring_in_step(chat, Belonging(roster, organization.chat_administrator), at=at)
            if warning := await _warning(uow, chat, roster, confirmation):
                return warning
            await uow.chats.save_all([chat])
            await remember(uow, scope, idempotency_key, digest, str(chat.id), at=at)
            return chat.id


@dataclass(frozen=True, slots=True)
class UpdateChat:
    """Edits a chat; one that was edited meanwhile answers with what changed, and is left as it is."""

    begin: Begin

    async def __call__(
        self, viewer: Viewer, id: ChatId, edit: ChatEdit, *, expected_version: int, confirmation: str | None = None
    ) -> ChatId | UnlinkedMembers | StaleChat:
        async with self.begin(by(viewer)) as uow:
            chat, roster = await _locked(uow, viewer, id)
            if not access.may_edit_chat(viewer, access.place_in(viewer, chat)):
                raise refuse(ProblemCode.FORBIDDEN)
            if chat.version != expected_version:
                return StaleChat(id, await uow.chats.edited_fields(id, since=expected_version))
            edit_chat(chat, edit, roster)
            organization = await uow.organizations.find(chat.organization_id)
            assert organization is not None, "a chat's organization exists"
            belonging = Belonging(roster, organization.chat_administrator)
            bring_in_step(chat, belonging, at=await uow.now())
            if warning := await _warning(uow, chat, roster, confirmation):
                return warning
            await uow.chats.save_all([chat])
            return id


@dataclass(frozen=True, slots=True)
class DeleteChat:
    """Deletes a chat that people made and in which nothing is planned or held (CHAT-15)."""

    begin: Begin

    async def __call__(self, viewer: Viewer, id: ChatId) -> None:
        async with self.begin(by(viewer)) as uow:
            chat, _ = await _locked(uow, viewer, id)
            if not access.may_delete_chat(viewer, access.place_in(viewer, chat)):
                raise refuse(ProblemCode.FORBIDDEN)
            chat.delete(at=await uow.now())
            if await uow.videoconferences.unfinished_of([id]):
                raise refuse(ProblemCode.CHAT_HAS_VIDEOCONFERENCES, "id")
            await uow.chats.save_all([chat])


async def _locked(uow: UnitOfWork, viewer: Viewer, id: ChatId) -> tuple[Chat, Roster]:
    """The chat and its organization's roster, neither of which changes meanwhile. The roster is locked first."""
    seen = await uow.chats.find(id)
    if seen is None or not access.may_see_chat(viewer, access.place_in(viewer, seen)):
        raise refuse(ProblemCode.NOT_FOUND, "id")
    await uow.organizations.find(seen.organization_id, lock=True)
    chat = await uow.chats.find(id, lock=True)
    if chat is None:
        raise refuse(ProblemCode.NOT_FOUND, "id")
    return chat, await uow.rosters.get(chat.organization_id)


async def _warning(uow: UnitOfWork, chat: Chat, roster: Roster, confirmation: str | None) -> UnlinkedMembers | None:
    came = [member for event in chat.events if isinstance(event, ChatMembersChanged) for member in event.came]
    linked = await uow.account_links.linked(came)
    unlinked = [member for member in came if member not in linked]
    expected = _confirmation(unlinked)
    if not unlinked or confirmation == expected:
        return None
    people = sorted((roster.people[member] for member in unlinked), key=lambda person: (person.name.key, person.id))
    return UnlinkedMembers(tuple(people[:SHOWN_UNLINKED]), len(unlinked), expected)


def _confirmation(unlinked: Collection[ParticipantId]) -> str:
    """Holds for exactly this set of people."""
    return sha256(",".join(sorted(map(str, unlinked))).encode()).hexdigest()
