"""A lesson of the timetable: a study group's time, maybe with a substitute, maybe cancelled."""

from dataclasses import dataclass
from datetime import datetime

from domain.ids import GroupId, LessonId, OrganizationId, ParticipantId, lesson_id


@dataclass(frozen=True, slots=True)
class Lesson:
    """As the school system last stated it."""

    organization_id: OrganizationId
    school_id: str
    group_id: GroupId
    starts_at: datetime
    ends_at: datetime
    substitute: ParticipantId | None = None
    cancelled: bool = False

    @property
    def id(self) -> LessonId:
        """Follows from the organization and the school system's id."""
        return lesson_id(self.organization_id, self.school_id)
