"""Who may see and do what: every right is decided here, and nowhere else."""

from dataclasses import dataclass
from enum import StrEnum

from domain.chat import Chat
from domain.ids import OrganizationId, ParticipantId, PersonId
from domain.participation import participants
from domain.videoconference import Videoconference


class MetaRole(StrEnum):
    """What holds all rights on the Sferum registry by default (RIGHT-01)."""

    SUPERADMINISTRATOR = "SUPERADMINISTRATOR"
    ORGANIZATION_ADMINISTRATOR = "ORGANIZATION_ADMINISTRATOR"
    CHAT_ADMINISTRATOR = "CHAT_ADMINISTRATOR"


class Permission(StrEnum):
    """The permissions of the module «Сферум» (RIGHT-05)."""

    REGISTRY_VIEW = "REGISTRY_VIEW"
    CHAT_CREATE = "CHAT_CREATE"
    CHAT_EDIT = "CHAT_EDIT"
    CHAT_DELETE = "CHAT_DELETE"
    CONFERENCE_CREATE = "CONFERENCE_CREATE"
    CONFERENCE_EDIT = "CONFERENCE_EDIT"
    CONFERENCE_FINISH = "CONFERENCE_FINISH"
    CONFERENCE_DELETE = "CONFERENCE_DELETE"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks, as the token names them and the roster knows them now.

    Without an organization only a Superadministrator. A service account of the school system, and a person whom the
    roster does not know, are no participant.
    """

    person_id: PersonId
    organization_id: OrganizationId | None = None
    participant_id: ParticipantId | None = None
    blocked: bool = False
    meta_role: MetaRole | None = None
    roster_service: bool = False

    @property
    def permissions(self) -> frozenset[Permission]:
        """All, for the three meta-roles; none for somebody blocked (RIGHT-01, RIGHT-09)."""
        return frozenset(Permission) if self.meta_role is not None and not self.blocked else frozenset()

    def works_in(self, organization: OrganizationId) -> bool:
        """Whether the organization exists for them at all (RIGHT-08)."""
        return self.meta_role is MetaRole.SUPERADMINISTRATOR or self.organization_id == organization

    def may(self, permission: Permission, organization: OrganizationId) -> bool:
        """Whether they hold the permission over the organization."""
        return self.works_in(organization) and permission in self.permissions

    @property
    def present_participant(self) -> ParticipantId | None:
        """As whom they take part in chats; nobody while blocked."""
        return None if self.blocked else self.participant_id


def may_see_chat(viewer: Viewer, chat: Chat) -> bool:
    """Members, and who may view the registry (RIGHT-06)."""
    return viewer.works_in(chat.organization_id) and (
        Permission.REGISTRY_VIEW in viewer.permissions or viewer.participant_id in chat.memberships
    )


def administers(viewer: Viewer, chat: Chat) -> bool:
    """Whether the viewer is an administrator of that chat."""
    return viewer.works_in(chat.organization_id) and viewer.present_participant in chat.administrators


def may_create_conference(viewer: Viewer, chat: Chat) -> bool:
    """With the permission, or as an administrator of the chat (RIGHT-07)."""
    return viewer.may(Permission.CONFERENCE_CREATE, chat.organization_id) or administers(viewer, chat)


def may_edit_conference(viewer: Viewer, chat: Chat) -> bool:
    """With the permission, or as an administrator of the chat (RIGHT-07)."""
    return viewer.may(Permission.CONFERENCE_EDIT, chat.organization_id) or administers(viewer, chat)


def may_finish_conference(viewer: Viewer, chat: Chat) -> bool:
    """With the permission, or as an administrator of the chat (RIGHT-07)."""
    return viewer.may(Permission.CONFERENCE_FINISH, chat.organization_id) or administers(viewer, chat)


def may_see_conference(viewer: Viewer, conference: Videoconference, chat: Chat) -> bool:
    """Who may view the registry, takes part, or administers the chat (RIGHT-06, CONF-12)."""
    return viewer.works_in(conference.organization_id) and (
        Permission.REGISTRY_VIEW in viewer.permissions
        or viewer.participant_id in participants(conference, chat)
        or administers(viewer, chat)
    )


def may_see_link(viewer: Viewer, conference: Videoconference, chat: Chat) -> bool:
    """Participants who are not blocked, who may edit conferences, and who administers the chat (CONF-12)."""
    return not viewer.blocked and (
        viewer.may(Permission.CONFERENCE_EDIT, conference.organization_id)
        or (viewer.works_in(conference.organization_id) and viewer.participant_id in participants(conference, chat))
        or administers(viewer, chat)
    )
