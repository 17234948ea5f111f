"""Who may see and do what: every right is decided here, and nowhere else."""

from dataclasses import dataclass, field
from enum import StrEnum

from domain.audit import AuditCause, Because
from domain.chat import Chat, ChatType, MembershipRole
from domain.ids import OrganizationId, ParticipantId, PersonId
from domain.participant import Capacity
from domain.participation import Surroundings, participants
from domain.videoconference import OVER, Videoconference, VideoconferenceStatus


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


class OrganizationAction(StrEnum):
    """What may be done in an organization as a whole."""

    CREATE_CHAT = "CREATE_CHAT"
    CREATE_VIDEOCONFERENCE = "CREATE_VIDEOCONFERENCE"
    SET_CHAT_ADMINISTRATOR = "SET_CHAT_ADMINISTRATOR"
    READ_AUDIT = "READ_AUDIT"


class ChatAction(StrEnum):
    """What may be done with a chat."""

    EDIT = "EDIT"
    DELETE = "DELETE"
    RESYNC = "RESYNC"
    CREATE_VIDEOCONFERENCE = "CREATE_VIDEOCONFERENCE"


class VideoconferenceAction(StrEnum):
    """What may be done with a videoconference."""

    EDIT = "EDIT"
    FINISH = "FINISH"
    DELETE = "DELETE"
    JOIN = "JOIN"
    READ_JOINS = "READ_JOINS"


class LessonAction(StrEnum):
    """What may be done from a lesson of the journal."""

    CREATE_ONLINE_LESSON = "CREATE_ONLINE_LESSON"
    CONNECT = "CONNECT"
    FINISH = "FINISH"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks, as the token names them and the roster knows them now.

    Without an organization only a Superadministrator. A service account of the school system, and a person whom the
    roster does not know, are no participant. `granted` is what the roles that they hold permit; `teaches_somewhere`
    whether they are a class teacher or group teacher who administers some chat (RIGHT-07).
    """

    person_id: PersonId
    organization_id: OrganizationId | None = None
    participant_id: ParticipantId | None = None
    blocked: bool = False
    meta_role: MetaRole | None = None
    granted: frozenset[Permission] = field(default_factory=frozenset)
    teaches_somewhere: bool = False
    roster_service: bool = False

    @property
    def permissions(self) -> frozenset[Permission]:
        """All for a Superadministrator, none for somebody blocked, else what the roles permit (RIGHT-01, RIGHT-09)."""
        if self.meta_role is MetaRole.SUPERADMINISTRATOR:
            return frozenset(Permission)
        return frozenset() if self.blocked else self.granted

    def works_in(self, organization: OrganizationId) -> bool:
        """Whether the organization exists for them at all (RIGHT-08)."""
        return self.meta_role is MetaRole.SUPERADMINISTRATOR or self.own_organization == organization

    @property
    def own_organization(self) -> OrganizationId | None:
        """Where they see anything; a service account tells of its organization, and reads nothing of it (api.md)."""
        return None if self.roster_service else self.organization_id

    def may(self, permission: Permission, organization: OrganizationId) -> bool:
        """Whether they hold the permission over the organization."""
        return self.works_in(organization) and permission in self.permissions

    @property
    def present_participant(self) -> ParticipantId | None:
        """As whom they take part in chats; nobody while blocked."""
        return None if self.blocked else self.participant_id


@dataclass(frozen=True, slots=True)
class PlaceInChat:
    """The viewer's place in one chat: all that rights on it depend on. `teaches`: as its class or group teacher."""

    organization_id: OrganizationId
    type: ChatType
    archived: bool
    role: MembershipRole | None
    teaches: bool


def place_in(viewer: Viewer, chat: Chat) -> PlaceInChat:
    """The viewer's place in a chat."""
    membership = None if viewer.participant_id is None else chat.memberships.get(viewer.participant_id)
    return PlaceInChat(
        organization_id=chat.organization_id,
        type=chat.type,
        archived=chat.archived,
        role=membership.role if membership else None,
        teaches=membership is not None and membership.teaches,
    )


def organization_actions(viewer: Viewer, organization: OrganizationId) -> frozenset[OrganizationAction]:
    """What the viewer may do in an organization."""
    if not viewer.works_in(organization):
        return frozenset()
    actions = set[OrganizationAction]()
    if Permission.CHAT_CREATE in viewer.permissions:
        actions.add(OrganizationAction.CREATE_CHAT)
    if Permission.CONFERENCE_CREATE in viewer.permissions or (viewer.teaches_somewhere and not viewer.blocked):
        actions.add(OrganizationAction.CREATE_VIDEOCONFERENCE)
    if not viewer.blocked:
        # Administrators choose the chat administrator; the one chosen reads what is done in the school (AUDIT-01).
        if viewer.meta_role in {MetaRole.SUPERADMINISTRATOR, MetaRole.ORGANIZATION_ADMINISTRATOR}:
            actions.add(OrganizationAction.SET_CHAT_ADMINISTRATOR)
        if viewer.meta_role is not None:
            actions.add(OrganizationAction.READ_AUDIT)
    return frozenset(actions)


def may_pick_people(viewer: Viewer, organization: OrganizationId) -> bool:
    """Whether the pickers answer with all people of the organization (RIGHT-10)."""
    filling_forms = {
        Permission.CHAT_CREATE,
        Permission.CHAT_EDIT,
        Permission.CONFERENCE_CREATE,
        Permission.CONFERENCE_EDIT,
    }
    allowed = bool(filling_forms & viewer.permissions) or (viewer.teaches_somewhere and not viewer.blocked)
    return viewer.works_in(organization) and allowed


def sees_registry(viewer: Viewer, organization: OrganizationId) -> bool:
    """Whether everything of the organization's registry is open to them (RIGHT-06)."""
    return viewer.may(Permission.REGISTRY_VIEW, organization)


def may_see_chat(viewer: Viewer, place: PlaceInChat) -> bool:
    """Members, and who may view the registry (RIGHT-06)."""
    return viewer.works_in(place.organization_id) and (
        Permission.REGISTRY_VIEW in viewer.permissions or place.role is not None
    )


def administers(viewer: Viewer, place: PlaceInChat) -> bool:
    """Whether the viewer is an administrator of that chat."""
    in_school = viewer.works_in(place.organization_id) and not viewer.blocked
    return in_school and place.role is MembershipRole.ADMINISTRATOR


def may_edit_chat(viewer: Viewer, place: PlaceInChat) -> bool:
    """With the permission, or as the chat's class or group teacher (RIGHT-07)."""
    return viewer.may(Permission.CHAT_EDIT, place.organization_id) or _teaches(viewer, place)


def may_delete_chat(viewer: Viewer, place: PlaceInChat) -> bool:
    """With the permission (RIGHT-05)."""
    return viewer.may(Permission.CHAT_DELETE, place.organization_id)


def chat_actions(viewer: Viewer, place: PlaceInChat) -> frozenset[ChatAction]:
    """What the viewer may do with a chat as it is: an archived one is not edited, a default one not deleted."""
    actions = set[ChatAction]()
    if may_edit_chat(viewer, place):
        actions.add(ChatAction.RESYNC)
        if not place.archived:
            actions.add(ChatAction.EDIT)
    if not place.archived and may_create_conference(viewer, place):
        actions.add(ChatAction.CREATE_VIDEOCONFERENCE)
    if place.type in {ChatType.SUBJECT, ChatType.OTHER} and may_delete_chat(viewer, place):
        actions.add(ChatAction.DELETE)
    return frozenset(actions)


def may_create_conference(viewer: Viewer, place: PlaceInChat) -> bool:
    """With the permission, or as the chat's class or group teacher (RIGHT-07)."""
    return viewer.may(Permission.CONFERENCE_CREATE, place.organization_id) or _teaches(viewer, place)


@dataclass(frozen=True, slots=True)
class PlaceInConference:
    """The viewer's place in one conference, and in its chat. `leads_lesson`: teaches or substitutes in its lesson."""

    takes_part: bool
    chat: PlaceInChat
    leads_lesson: bool = False


def place_in_conference(viewer: Viewer, conference: Videoconference, around: Surroundings) -> PlaceInConference:
    """The viewer's place in a conference."""
    leading = {around.substitute, *(around.group.teachers if around.group else ())}
    works = (viewer.participant_id, Capacity.EMPLOYEE) in around.held
    return PlaceInConference(
        takes_part=viewer.participant_id in participants(conference, around),
        chat=place_in(viewer, around.chat),
        leads_lesson=viewer.participant_id in leading and works,
    )


def may_see_conference(viewer: Viewer, place: PlaceInConference) -> bool:
    """Who may view the registry, takes part, administers the chat or leads the lesson (RIGHT-06, CONF-12, CONF-16)."""
    return viewer.works_in(place.chat.organization_id) and (
        Permission.REGISTRY_VIEW in viewer.permissions
        or place.takes_part
        or place.leads_lesson
        or place.chat.role is MembershipRole.ADMINISTRATOR
    )


def may_see_link(viewer: Viewer, place: PlaceInConference) -> bool:
    """Participants who are not blocked, who may edit the conference, and who administers the chat (CONF-12)."""
    return may_edit_conference(viewer, place) or (
        viewer.works_in(place.chat.organization_id)
        and not viewer.blocked
        and (place.takes_part or place.chat.role is MembershipRole.ADMINISTRATOR)
    )


def may_edit_conference(viewer: Viewer, place: PlaceInConference) -> bool:
    """With the permission, as the chat's class or group teacher, or who leads the lesson (RIGHT-07, CONF-23)."""
    return viewer.may(Permission.CONFERENCE_EDIT, place.chat.organization_id) or _leads(viewer, place)


def may_finish_conference(viewer: Viewer, place: PlaceInConference) -> bool:
    """With the permission, as the chat's class or group teacher, or who leads the lesson (RIGHT-07, CONF-23)."""
    return viewer.may(Permission.CONFERENCE_FINISH, place.chat.organization_id) or _leads(viewer, place)


def may_delete_conference(viewer: Viewer, place: PlaceInConference) -> bool:
    """With the permission, as the chat's class or group teacher, or who leads the lesson (RIGHT-07, CONF-23)."""
    return viewer.may(Permission.CONFERENCE_DELETE, place.chat.organization_id) or _leads(viewer, place)


def may_read_joins(viewer: Viewer, place: PlaceInConference) -> bool:
    """Those who administer the chat, and who may edit the conference (CONF-24)."""
    return administers(viewer, place.chat) or may_edit_conference(viewer, place)


def conference_actions(
    viewer: Viewer, place: PlaceInConference, status: VideoconferenceStatus
) -> frozenset[VideoconferenceAction]:
    """What the viewer may do with a conference in that status (CONF-13 … CONF-15, CONF-24)."""
    actions = set[VideoconferenceAction]()
    if may_edit_conference(viewer, place) and status not in OVER:
        actions.add(VideoconferenceAction.EDIT)
    if may_delete_conference(viewer, place):
        actions.add(VideoconferenceAction.DELETE)
    if may_read_joins(viewer, place):
        actions.add(VideoconferenceAction.READ_JOINS)
    if status is VideoconferenceStatus.ACTIVE:
        if may_finish_conference(viewer, place):
            actions.add(VideoconferenceAction.FINISH)
        if may_see_link(viewer, place):
            actions.add(VideoconferenceAction.JOIN)
    return frozenset(actions)


def may_hold_lesson(viewer: Viewer, organization: OrganizationId, *, leads_lesson: bool) -> bool:
    """Who makes an online lesson from the journal: its teachers, its substitute, who has the permission (CONF-16)."""
    leads = leads_lesson and viewer.works_in(organization) and not viewer.blocked
    return viewer.may(Permission.CONFERENCE_CREATE, organization) or leads


def by(viewer: Viewer) -> Because:
    """The viewer as the cause of a change."""
    return Because(AuditCause.USER, viewer.participant_id, viewer.person_id)


def _teaches(viewer: Viewer, place: PlaceInChat) -> bool:
    return viewer.works_in(place.organization_id) and not viewer.blocked and place.teaches


def _leads(viewer: Viewer, place: PlaceInConference) -> bool:
    leads_lesson = place.leads_lesson and viewer.works_in(place.chat.organization_id) and not viewer.blocked
    return leads_lesson or _teaches(viewer, place.chat)
