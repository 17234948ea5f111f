"""What a conference's people follow from, read for one conference."""

from application.ports import UnitOfWork
from domain.chat import Chat
from domain.participant import Capacity
from domain.participation import Surroundings, named
from domain.videoconference import Videoconference


async def surroundings(uow: UnitOfWork, conference: Videoconference, chat: Chat) -> Surroundings:
    """The chat as given; the organization, the lesson and whoever is named by them as they are now."""
    organization = await uow.organizations.find(conference.organization_id)
    assert organization is not None, "a conference's organization exists"
    lesson = await uow.lessons.find(conference.lesson_id) if conference.lesson_id else None
    group = await uow.rosters.group(lesson.group_id) if lesson else None
    substitute = lesson.substitute if lesson else None
    people = named(conference, organization.chat_administrator, group, substitute)
    teachers = {(teacher, Capacity.EMPLOYEE) for teacher in group.teachers} if group else set()
    return Surroundings(
        chat=chat,
        chat_administrator=organization.chat_administrator,
        group=group,
        substitute=substitute,
        held=await uow.rosters.held(people | teachers),
    )
