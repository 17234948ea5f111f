"""What a conference shows to each of the people to whom it is open, worked out once for all who stand alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from application.views import (
    Claims,
    GoneReason,
    MyConferenceChanged,
    MyConferenceGone,
    VideoconferenceView,
)
from domain.access import MetaRole, Permission, PlaceInChat, PlaceInConference, Viewer, may_see_conference
from domain.chat import ChatType, MembershipRole
from domain.ids import PersonId, VideoconferenceId
from infrastructure.db.views import conference_view


@dataclass(frozen=True, slots=True)
class Standing:
    """How some people stand to a conference now."""

    people: Sequence[PersonId]
    place: PlaceInConference
    permissions: frozenset[Permission]
    blocked: bool

    @property
    def is_theirs(self) -> bool:
        """Whether the conference is one of these people's own (CONF-19)."""
        mine = self.place.takes_part or self.place.chat.role is MembershipRole.ADMINISTRATOR
        return mine and not self.blocked


@dataclass(frozen=True, slots=True)
class Audience:
    """Everybody to whom a conference may be open, and where somebody stands who is not among them."""

    standings: Sequence[Standing]
    nobodys_place: PlaceInChat


def audiences(rows: Iterable[Any]) -> Mapping[UUID, Audience]:
    """The audience of each conference, from the rows of `audience_statements.AUDIENCE`."""
    found: dict[UUID, tuple[PlaceInChat, list[Standing]]] = {}
    for row in rows:
        nobodys = PlaceInChat(row.organization_id, ChatType(row.chat_type), row.chat_archived, None, False)
        place, standings = found.setdefault(row.videoconference_id, (nobodys, []))
        if row.blocked is not None:
            role = MembershipRole(row.role) if row.role else None
            chat = PlaceInChat(place.organization_id, place.type, place.archived, role, row.teaches)
            permissions = frozenset(Permission(name) for name in row.permissions or ())
            standings.append(
                Standing(
                    row.people, PlaceInConference(row.takes_part, chat, row.leads_lesson), permissions, row.blocked
                )
            )
    return {id: Audience(standings, place) for id, (place, standings) in found.items()}


@dataclass(slots=True)
class Sight:
    """A conference, as it is or as it was at one change, in the eyes of each of its audience."""

    row: Mapping[str, Any]
    by_person: dict[PersonId, VideoconferenceView] = field(default_factory=dict)
    theirs: set[PersonId] = field(default_factory=set)
    superadministrators: VideoconferenceView | None = None
    _changed: dict[int, MyConferenceChanged] = field(default_factory=dict)
    _gone: dict[GoneReason, MyConferenceGone] = field(default_factory=dict)

    @property
    def id(self) -> VideoconferenceId:
        return VideoconferenceId(self.row["id"])

    @property
    def version(self) -> int:
        version: int = self.row["version"]
        return version

    @property
    def deleted(self) -> bool:
        return bool(self.row["deleted"])

    @property
    def school(self) -> str:
        school: str = self.row["school_id"]
        return school

    def of(self, claims: Claims) -> VideoconferenceView | None:
        """What the person of a token sees by the rights that they have now; None: it is not open to them (RIGHT-09)."""
        if claims.superadministrator:
            return self.superadministrators
        if claims.roster_service or claims.organization_school_id != self.school:
            return None
        return self.by_person.get(claims.person_id)

    def changed(self, view: VideoconferenceView) -> MyConferenceChanged:
        """The news with that view, the same object for all."""
        return self._changed.setdefault(id(view), MyConferenceChanged(view))

    def gone(self) -> MyConferenceGone:
        """The news for those whose it is no more, the same object for all."""
        reason = GoneReason.DELETED if self.deleted else GoneReason.NO_LONGER_OPEN_TO_YOU
        return self._gone.setdefault(reason, MyConferenceGone(self.id, reason))


def sight(row: Mapping[str, Any], audience: Audience) -> Sight:
    """What each sees of it; nobody sees a deleted one."""
    seen = Sight(row)
    if seen.deleted:
        return seen
    organization = audience.nobodys_place.organization_id
    for standing in audience.standings:
        viewer = Viewer(standing.people[0], organization, blocked=standing.blocked, granted=standing.permissions)
        # A blocked person's subscription ends, whatever else they could see (RIGHT-09).
        if not standing.blocked and may_see_conference(viewer, standing.place):
            seen.by_person.update(dict.fromkeys(standing.people, conference_view(row, viewer, standing.place)))
        if standing.is_theirs:
            seen.theirs.update(standing.people)
    everybodys = Viewer(PersonId(""), meta_role=MetaRole.SUPERADMINISTRATOR)
    place = PlaceInConference(False, audience.nobodys_place, False)
    seen.superadministrators = conference_view(row, everybodys, place)
    return seen
