"""People make, edit and delete chats, each by their rights, after a warning, and never over one another's edits."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import uuid4

import pytest

from application.chats import SHOWN_UNLINKED, StaleChat, UnlinkedMembers
from domain.access import MetaRole, Permission, Viewer
from domain.audit import ROSTER, SCHEDULE, AuditCause, Because
from domain.chat import (
    Chat,
    ChatCreated,
    ChatDeleted,
    ChatKind,
    ChatMembersChanged,
    ChatRenamed,
    ChatType,
    GroundKind,
    MembershipRole,
    OtherChat,
    TeachersChat,
)
from domain.chat_form import ChatEdit, NewChat
from domain.errors import Problem, ProblemCode
from domain.ids import ChatId, ParticipantId, PersonId, VideoconferenceId
from domain.participant import Capacity, Name, PositionKind
from domain.roster import Roster
from domain.roster_events import (
    ClassClosed,
    ClassSaved,
    EmployeeHired,
    GroupClosed,
    GroupSaved,
    PersonBlocked,
    PersonSaved,
    PupilEnrolled,
    PupilExpelled,
)
from domain.videoconference import (
    Active,
    CallReleased,
    Failed,
    FailureReason,
    Finished,
    FinishedBy,
    Phase,
    Scheduled,
    Starting,
    VideoconferenceType,
)
from domain.videoconference_form import VideoconferenceForm
from tests.application.school import SCHOOL_SYSTEM, SUPERADMINISTRATOR, known, only, problems_of, tell
from tests.builders import (
    LINK,
    MONDAY_0829,
    MONDAY_0830,
    MONDAY_0900,
    MONDAY_0915,
    OTHER_SCHOOL,
    SCHOOL,
    a_call,
    a_chat,
    a_participant,
    a_roster,
    a_videoconference,
    a_viewer,
    an_account_link,
    an_organization,
    class_chat,
    group_of,
    parents_chat,
    participant,
    participants,
    put,
    subject_chat,
)
from tests.fakes.world import World

EMPLOYEE, PUPIL, PARENT = Capacity.EMPLOYEE, Capacity.PUPIL, Capacity.PARENT
CREATE, EDIT, DELETE = Permission.CHAT_CREATE, Permission.CHAT_EDIT, Permission.CHAT_DELETE
VIEW = Permission.REGISTRY_VIEW
A_DAY, INSTANT = timedelta(hours=24), timedelta(microseconds=1)

ALGEBRA, CLASS_8K, PARENTS_8K = subject_chat("8 К алгебра"), class_chat("8 К"), parents_chat("8 К")
NAMES: Mapping[ChatKind, str] = {CLASS_8K: "8 К", PARENTS_8K: "8 К Родители"}
LINKED = ("director", "klimova", "petrov", "belov", "secretary")

SECRETARY = a_viewer("secretary", granted=frozenset(Permission))
SUPERADMINISTRATOR_OF_SCHOOL = a_viewer("superadministrator", meta_role=MetaRole.SUPERADMINISTRATOR)
FOREIGN_ADMINISTRATOR = a_viewer("head", organization=OTHER_SCHOOL, meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR)
CLUB = NewChat("Кружок", ChatType.OTHER)
LESSONS = NewChat("Алгебра 8 К", ChatType.SUBJECT, group_of("8 К алгебра"))


def the_roster() -> Roster:
    """A director, a secretary, a class teacher with two pupils and a mother, and people of no chat: two unlinked."""
    return a_roster(
        employees={
            "director": [PositionKind.ADMINISTRATION],
            "secretary": [PositionKind.OTHER],
            "klimova": [PositionKind.PEDAGOGICAL],
            "orlova": [PositionKind.OTHER],
        },
        class_teachers={"8 К": "klimova"},
        pupils={"petrov": "8 К", "belov": "8 К", "gusev": "9 А"},
        parents={"petrova": ["petrov"]},
        groups={"8 К алгебра": ["petrov", "belov"]},
        group_teachers={"8 К алгебра": ["klimova"]},
    )


async def open_school(
    world: World, *kinds: ChatKind, linked: Collection[str] = LINKED, roster: Roster | None = None
) -> list[Chat]:
    """The school has chats of those kinds, and only `linked` have linked their accounts."""
    roster = roster or the_roster()
    chats = [a_chat(kind, roster=roster, chat_administrator="director", name=NAMES.get(kind, "Чат")) for kind in kinds]
    await put(
        world.storage.begin,
        organization=an_organization(chat_administrator="director"),
        roster=roster,
        chats=chats,
        links=[an_account_link(person) for person in linked],
    )
    world.storage.outbox.clear()
    world.storage.audit.clear()
    return chats


async def open_other_school(world: World) -> Chat:
    """Another school has a chat, a group and people."""
    roster = a_roster(
        organization=OTHER_SCHOOL,
        employees={"head": [PositionKind.ADMINISTRATION], "guest": []},
        groups={"8 К алгебра": []},
    )
    chat = a_chat(OtherChat(), organization=OTHER_SCHOOL, roster=roster, chat_administrator="head")
    organization = an_organization(school_id="other school", chat_administrator="head")
    await put(world.storage.begin, organization=organization, roster=roster, chats=[chat])
    return chat


async def create(
    world: World, form: NewChat, viewer: Viewer = SECRETARY, *, confirmation: str | None = None, key: str | None = None
) -> ChatId:
    """The viewer makes a chat in their organization, without a warning."""
    made = await world.use_cases.create_chat(viewer, None, form, confirmation=confirmation, idempotency_key=key)
    assert not isinstance(made, UnlinkedMembers), "somebody is not linked"
    return made


async def update(
    world: World, chat: Chat, edit: ChatEdit, viewer: Viewer = SECRETARY, *, version: int = 0
) -> ChatId | StaleChat:
    """The viewer edits a chat, without a warning."""
    saved = await world.use_cases.update_chat(viewer, chat.id, edit, expected_version=version)
    assert not isinstance(saved, UnlinkedMembers), "somebody is not linked"
    return saved


async def warned(world: World, form: NewChat, confirmation: str | None = None) -> UnlinkedMembers:
    """What making the chat answers with."""
    answer = await world.use_cases.create_chat(SECRETARY, None, form, confirmation=confirmation)
    assert isinstance(answer, UnlinkedMembers)
    return answer


async def present(world: World, id: ChatId) -> Chat:
    """The chat as it is kept."""
    async with world.storage.begin(SCHEDULE) as uow:
        found = await uow.chats.find(id)
    assert found is not None
    return found


async def is_there(world: World, id: ChatId) -> bool:
    """Whether the chat is found."""
    async with world.storage.begin(SCHEDULE) as uow:
        return await uow.chats.find(id) is not None


async def count(world: World) -> int:
    """The number of the school's chats."""
    return len(await world.chats())


def adding(person: str, capacity: Capacity) -> ChatEdit:
    """An edit that adds one person."""
    return ChatEdit(add=((participant(person), capacity),))


def removing(*people: str) -> ChatEdit:
    """An edit that removes people."""
    return ChatEdit(remove=tuple(participant(person) for person in people))


def names(warning: UnlinkedMembers) -> list[ParticipantId]:
    """Whom a warning shows, in order."""
    return [person.id for person in warning.shown]


# Making one


@pytest.mark.rule("CHAT-09")
async def test_a_subject_chat_has_its_group_s_pupils_its_teachers_as_administrators_and_the_chat_administrator(
    world: World,
) -> None:
    await open_school(world)

    id = await create(world, LESSONS)

    chat = await present(world, id)
    assert (chat.kind, chat.name, chat.organization_id, chat.version) == (ALGEBRA, "Алгебра 8 К", SCHOOL, 0)
    assert chat.memberships.keys() == participants("director", "klimova", "petrov", "belov")
    assert chat.administrators == participants("director", "klimova")


@pytest.mark.rule("CHAT-09")
async def test_a_list_left_out_means_the_groups_and_a_list_given_is_the_whole_list(world: World) -> None:
    await open_school(world)
    lists = {PUPIL: (participant("petrov"),)}
    form = NewChat("Алгебра", ChatType.SUBJECT, group_of("8 К алгебра"), lists)

    chat = await present(world, await create(world, form))
    left_out = frozenset(chat.memberships)
    await tell(world, PupilExpelled(PersonId("belov")), PupilEnrolled(PersonId("belov"), "8 К"))

    assert left_out == participants("director", "klimova", "petrov")
    assert (await present(world, chat.id)).memberships.keys() == left_out


@pytest.mark.rule("CHAT-07")
@pytest.mark.parametrize("type", [ChatType.TEACHERS, ChatType.CLASS, ChatType.PARENTS])
async def test_nobody_adds_a_default_chat(world: World, type: ChatType) -> None:
    await open_school(world)

    problems = await problems_of(create(world, NewChat("Чат", type), SUPERADMINISTRATOR_OF_SCHOOL))

    assert problems == only(ProblemCode.NOT_ALLOWED, "type")
    assert await count(world) == 0


@pytest.mark.rule("CHAT-07")
async def test_every_problem_of_the_window_is_told_at_once_and_nothing_is_saved(world: World) -> None:
    await open_school(world)
    form = NewChat(" ", ChatType.OTHER, group_of("8 К алгебра"), {PUPIL: (participant("orlova"),)})

    problems = await problems_of(create(world, form))

    assert problems == (
        Problem(ProblemCode.REQUIRED, ("name",)),
        Problem(ProblemCode.NOT_ALLOWED, ("studyGroupId",)),
        Problem(ProblemCode.CAPACITY_NOT_ALLOWED, ("pupilIds", "0")),
    )
    assert (await count(world), world.storage.outbox, world.storage.audit) == (0, [], [])


@pytest.mark.rule("CHAT-08")
async def test_a_subject_chat_needs_a_group_of_the_organization_that_is_open(world: World) -> None:
    await open_school(world)
    await open_other_school(world)
    await tell(world, GroupClosed("8 К алгебра"))
    foreign = NewChat("Алгебра", ChatType.SUBJECT, group_of("8 К алгебра", OTHER_SCHOOL))

    assert await problems_of(create(world, NewChat("Алгебра", ChatType.SUBJECT))) == only(
        ProblemCode.REQUIRED, "studyGroupId"
    )
    assert await problems_of(create(world, foreign)) == only(ProblemCode.NOT_FOUND, "studyGroupId")
    assert await problems_of(create(world, LESSONS)) == only(ProblemCode.NOT_FOUND, "studyGroupId")


@pytest.mark.rule("CHAT-11")
async def test_the_chat_administrator_is_added_to_every_chat_that_people_make(world: World) -> None:
    await open_school(world)

    chat = await present(world, await create(world, CLUB))

    [membership] = chat.memberships.values()
    assert chat.administrators == participants("director")
    assert {ground.kind for ground in membership.grounds} == {GroundKind.CHAT_ADMINISTRATOR}


async def test_a_chat_is_made_although_the_organization_has_no_chat_administrator(world: World) -> None:
    await put(world.storage.begin, organization=an_organization(), roster=the_roster())

    chat = await present(world, await create(world, CLUB))

    assert chat.memberships == {}


@pytest.mark.rule("AUDIT-01")
async def test_making_a_chat_is_told_and_leaves_one_line(world: World) -> None:
    await open_school(world)

    id = await create(world, CLUB)

    director = participant("director")
    assert world.storage.outbox == [ChatCreated(id), ChatMembersChanged(id, (director,), (), ())]
    [line] = world.storage.audit
    assert line.because == Because(AuditCause.USER, participant("secretary"), PersonId("secretary"))
    assert (line.line.action, line.line.subject.id, line.line.difference.before) == ("CHAT_CREATED", id, None)
    assert line.line.difference.after is not None
    assert line.line.difference.after["members"] == {str(director): "ADMINISTRATOR"}


# Who may make one


@pytest.mark.rule("RIGHT-01")
@pytest.mark.parametrize("meta_role", MetaRole)
async def test_the_three_meta_roles_make_edit_and_delete_chats(world: World, meta_role: MetaRole) -> None:
    await open_school(world)
    viewer = a_viewer("somebody", meta_role=meta_role)

    chat = await present(world, await create(world, CLUB, viewer))
    await update(world, chat, ChatEdit(name="Хор"), viewer)
    renamed = await present(world, chat.id)
    await world.use_cases.delete_chat(viewer, chat.id)

    assert renamed.name == "Хор"
    assert not await is_there(world, chat.id)


@pytest.mark.rule("RIGHT-05")
async def test_chats_are_made_with_the_permission_for_it_and_with_no_other(world: World) -> None:
    await open_school(world)

    await create(world, CLUB, a_viewer("secretary", granted=[CREATE]))
    without = a_viewer("secretary", granted=set(Permission) - {CREATE}, teaches=True)

    assert await problems_of(create(world, CLUB, without)) == only(ProblemCode.FORBIDDEN)
    assert await count(world) == 1


@pytest.mark.parametrize(
    "viewer",
    [
        a_viewer("klimova", teaches=True),
        a_viewer("petrov"),
        a_viewer("secretary", granted=frozenset(Permission), blocked=True),
        a_viewer("head", meta_role=MetaRole.ORGANIZATION_ADMINISTRATOR, blocked=True),
        a_viewer("nobody", organization=None),
        SCHOOL_SYSTEM,
    ],
    ids=["a teacher", "a pupil", "a blocked secretary", "a blocked administrator", "of no school", "the school system"],
)
async def test_nobody_else_makes_chats(world: World, viewer: Viewer) -> None:
    await open_school(world)

    problems = await problems_of(create(world, CLUB, viewer))

    assert problems == only(ProblemCode.FORBIDDEN)
    assert await count(world) == 0


async def test_a_superadministrator_says_in_which_organization(world: World) -> None:
    await open_school(world)
    make = world.use_cases.create_chat

    unsaid = await problems_of(make(SUPERADMINISTRATOR, None, CLUB))
    unknown = await problems_of(make(SUPERADMINISTRATOR, OTHER_SCHOOL, CLUB))
    made = await make(SUPERADMINISTRATOR, SCHOOL, CLUB)

    assert unsaid == only(ProblemCode.ORGANIZATION_REQUIRED)
    assert unknown == only(ProblemCode.NOT_FOUND, "organizationId")
    assert [chat.id for chat in await world.chats()] == [made]


@pytest.mark.rule("RIGHT-08")
async def test_another_organization_is_not_found_for_making_chats(world: World) -> None:
    await open_school(world)
    make = world.use_cases.create_chat

    foreign = await problems_of(make(FOREIGN_ADMINISTRATOR, SCHOOL, CLUB))
    own = await make(SECRETARY, SCHOOL, CLUB)

    assert foreign == only(ProblemCode.NOT_FOUND, "organizationId")
    assert [chat.id for chat in await world.chats()] == [own]


@pytest.mark.rule("RIGHT-08")
async def test_people_of_another_organization_are_not_found_for_a_chat(world: World) -> None:
    [club] = await open_school(world, OtherChat())
    await open_other_school(world)
    guest = participant("guest", OTHER_SCHOOL)

    made = await problems_of(create(world, NewChat("Кружок", ChatType.OTHER, lists={EMPLOYEE: (guest,)})))
    added = await problems_of(update(world, club, ChatEdit(add=((guest, EMPLOYEE),))))
    removed = await problems_of(update(world, club, ChatEdit(remove=(guest,))))

    assert made == only(ProblemCode.NOT_FOUND, "employeeIds", "0")
    assert added == only(ProblemCode.NOT_FOUND, "addMembers", "0")
    assert removed == only(ProblemCode.NOT_FOUND, "removeMembers", "0")


# One request, one chat


async def test_the_same_key_and_form_answer_with_the_first_chat_for_a_day(world: World) -> None:
    await open_school(world)
    first = await create(world, CLUB, key="key")
    world.now += A_DAY

    again = await create(world, CLUB, key="key")
    world.now += INSTANT
    a_day_later = await create(world, CLUB, key="key")

    assert again == first
    assert a_day_later != first
    assert await count(world) == 2


async def test_the_same_key_with_another_form_or_organization_is_refused(world: World) -> None:
    await open_school(world)
    await open_other_school(world)
    make = world.use_cases.create_chat
    await make(SUPERADMINISTRATOR, SCHOOL, CLUB, idempotency_key="key")

    another_form = make(SUPERADMINISTRATOR, SCHOOL, NewChat("Хор", ChatType.OTHER), idempotency_key="key")
    another_school = make(SUPERADMINISTRATOR, OTHER_SCHOOL, CLUB, idempotency_key="key")

    reused = only(ProblemCode.IDEMPOTENCY_KEY_REUSED, "idempotencyKey")
    assert [await problems_of(another_form), await problems_of(another_school)] == [reused, reused]
    assert await count(world) == 1


async def test_a_key_is_its_user_s_own_and_none_is_no_key(world: World) -> None:
    await open_school(world)
    others = a_viewer("director", meta_role=MetaRole.CHAT_ADMINISTRATOR)

    made = [await create(world, CLUB, key="key"), await create(world, CLUB, others, key="key")]
    made += [await create(world, CLUB), await create(world, CLUB)]

    assert len(set(made)) == await count(world) == 4


async def test_a_key_has_at_most_64_characters(world: World) -> None:
    await open_school(world)

    await create(world, CLUB, key="к" * 64)
    problems = await problems_of(create(world, CLUB, key="к" * 65))

    assert problems == only(ProblemCode.TOO_LONG, "idempotencyKey", most="64")


@pytest.mark.rule("RIGHT-09")
async def test_a_key_shows_nothing_to_whom_the_right_was_taken_from(world: World) -> None:
    await open_school(world)
    await create(world, CLUB, key="key")

    without, elsewhere = a_viewer("secretary"), a_viewer("secretary", organization=OTHER_SCHOOL, granted=[CREATE])
    forbidden = await problems_of(create(world, CLUB, without, key="key"))
    moved = await problems_of(world.use_cases.create_chat(elsewhere, SCHOOL, CLUB, idempotency_key="key"))

    assert forbidden == only(ProblemCode.FORBIDDEN)
    assert moved == only(ProblemCode.NOT_FOUND, "organizationId")


async def test_requests_at_once_under_one_key_make_one_chat(world: World) -> None:
    await open_school(world)

    ids = await asyncio.gather(*(create(world, CLUB, key="key") for _ in range(5)))

    assert len(set(ids)) == await count(world) == 1


async def test_neither_a_refusal_nor_a_warning_uses_a_key_up(world: World) -> None:
    await open_school(world)
    form = NewChat("Хор", ChatType.OTHER, lists={EMPLOYEE: (participant("orlova"),)})
    make = world.use_cases.create_chat
    await problems_of(make(SECRETARY, None, NewChat("", ChatType.OTHER), idempotency_key="key"))
    warning = await make(SECRETARY, None, form, idempotency_key="key")
    assert isinstance(warning, UnlinkedMembers)

    made = await make(SECRETARY, None, form, confirmation=warning.confirmation, idempotency_key="key")
    again = await make(SECRETARY, None, form, idempotency_key="key")

    assert made == again
    assert [chat.id for chat in await world.chats()] == [made]


# The warning


@pytest.mark.rule("CHAT-13")
async def test_whoever_is_added_by_hand_without_a_linked_account_is_named_before_anything_is_saved(
    world: World,
) -> None:
    [club] = await open_school(world, OtherChat())
    lists = {EMPLOYEE: (participant("orlova"), participant("klimova")), PUPIL: (participant("gusev"),)}

    new = await warned(world, NewChat("Хор", ChatType.OTHER, lists=lists))
    edited = await world.use_cases.update_chat(SECRETARY, club.id, adding("petrova", PARENT), expected_version=0)

    assert names(new) == [participant("gusev"), participant("orlova")]
    assert new.total == 2
    assert isinstance(edited, UnlinkedMembers)
    assert names(edited) == [participant("petrova")]
    assert await count(world) == 1
    assert (await present(world, club.id)).memberships.keys() == participants("director")
    assert (world.storage.outbox, world.storage.audit) == ([], [])


@pytest.mark.rule("CHAT-13")
async def test_whoever_comes_by_the_group_s_filling_and_the_chat_administrator_of_a_new_chat_are_named_too(
    world: World,
) -> None:
    await open_school(world, linked=["petrov"])

    of_group = await warned(world, LESSONS)
    of_other = await warned(world, CLUB)

    assert names(of_group) == [participant("belov"), participant("director"), participant("klimova")]
    assert names(of_other) == [participant("director")]
    assert (await count(world), world.storage.outbox, world.storage.audit) == (0, [], [])


@pytest.mark.rule("CHAT-13")
async def test_the_chat_administrator_who_is_not_linked_is_not_named_again_when_the_chat_is_edited(
    world: World,
) -> None:
    [club] = await open_school(world, OtherChat(), linked=["orlova"])

    await update(world, club, adding("orlova", EMPLOYEE))

    assert (await present(world, club.id)).memberships.keys() == participants("director", "orlova")


@pytest.mark.rule("CHAT-13")
async def test_people_already_in_the_chat_are_not_named_again(world: World) -> None:
    [of_parents] = await open_school(world, PARENTS_8K)

    saved = await update(world, of_parents, adding("petrova", PARENT))

    chat = await present(world, of_parents.id)
    assert saved == of_parents.id
    assert {ground.kind for ground in chat.memberships[participant("petrova")].grounds} == {
        GroundKind.PARENT_OF,
        GroundKind.ADDED_BY_HAND,
    }


@pytest.mark.rule("CHAT-13")
async def test_a_save_that_adds_nobody_unlinked_saves_at_once(world: World) -> None:
    [of_parents] = await open_school(world, PARENTS_8K)

    await update(world, of_parents, ChatEdit(name="Родители", remove=(participant("petrova"),)))
    await update(world, of_parents, adding("secretary", EMPLOYEE), version=1)

    chat = await present(world, of_parents.id)
    assert (chat.name, chat.version) == ("Родители", 2)
    assert chat.memberships.keys() == participants("director", "klimova", "secretary")


@pytest.mark.rule("CHAT-13")
async def test_somebody_removed_and_added_again_is_named_again(world: World) -> None:
    [of_parents] = await open_school(world, PARENTS_8K)
    await update(world, of_parents, removing("petrova"))

    again = await world.use_cases.update_chat(SECRETARY, of_parents.id, adding("petrova", PARENT), expected_version=1)

    assert isinstance(again, UnlinkedMembers)
    assert names(again) == [participant("petrova")]


@pytest.mark.rule("LINK-11")
async def test_a_broken_link_counts_as_linked_for_the_warning(world: World) -> None:
    [club] = await open_school(world, OtherChat())
    await put(world.storage.begin, links=[an_account_link("orlova", broken=True)])

    await update(world, club, adding("orlova", EMPLOYEE))

    assert (await present(world, club.id)).memberships.keys() == participants("director", "orlova")


@pytest.mark.rule("CHAT-12")
async def test_a_member_without_a_linked_account_is_a_member_at_once_when_the_user_confirms(world: World) -> None:
    [club] = await open_school(world, OtherChat())
    lists = {EMPLOYEE: (participant("orlova"),), PUPIL: (participant("gusev"),)}
    form = NewChat("Хор", ChatType.OTHER, lists=lists)
    new = await warned(world, form)
    edit = adding("petrova", PARENT)
    edited = await world.use_cases.update_chat(SECRETARY, club.id, edit, expected_version=0)
    assert isinstance(edited, UnlinkedMembers)

    made = await create(world, form, confirmation=new.confirmation)
    await world.use_cases.update_chat(SECRETARY, club.id, edit, expected_version=0, confirmation=edited.confirmation)

    assert (await present(world, made)).memberships.keys() == participants("director", "orlova", "gusev")
    assert (await present(world, club.id)).memberships.keys() == participants("director", "petrova")


@pytest.mark.rule("CHAT-13")
async def test_a_confirmation_holds_for_exactly_the_people_whom_the_warning_named(world: World) -> None:
    await open_school(world)
    one = NewChat("Хор", ChatType.OTHER, lists={EMPLOYEE: (participant("orlova"),)})
    two = NewChat("Хор", ChatType.OTHER, lists={EMPLOYEE: (participant("orlova"),), PUPIL: (participant("gusev"),)})
    of_one, of_two = await warned(world, one), await warned(world, two)

    more = await warned(world, two, of_one.confirmation)
    fewer = await warned(world, one, of_two.confirmation)
    invented = await warned(world, one, "yes")

    assert (more, fewer, invented) == (of_two, of_one, of_one)
    assert (await count(world), world.storage.outbox, world.storage.audit) == (0, [], [])


@pytest.mark.rule("CHAT-13")
async def test_when_the_people_are_others_meanwhile_the_warning_comes_again(world: World) -> None:
    await open_school(world)
    await put(world.storage.begin, links=[an_account_link("gusev")])
    teaches = ("8 К алгебра", "8 К алгебра", "Алгебра")
    await tell(world, GroupSaved(*teaches, frozenset({PersonId("petrov")}), (PersonId("orlova"),)))
    first = await warned(world, LESSONS)
    people = frozenset({PersonId("petrov"), PersonId("petrova"), PersonId("gusev")})
    await tell(world, PupilEnrolled(PersonId("petrova"), "8 К"), GroupSaved(*teaches, people, (PersonId("orlova"),)))

    second = await warned(world, LESSONS, first.confirmation)
    made = await create(world, LESSONS, confirmation=second.confirmation)

    assert names(first) == [participant("orlova")]
    assert names(second) == [participant("orlova"), participant("petrova")]
    assert participant("petrova") in (await present(world, made)).memberships


@pytest.mark.rule("CHAT-13")
async def test_a_confirmed_set_that_has_linked_meanwhile_is_saved(world: World) -> None:
    await open_school(world)
    form = NewChat("Хор", ChatType.OTHER, lists={EMPLOYEE: (participant("orlova"),)})
    warning = await warned(world, form)
    await put(world.storage.begin, links=[an_account_link("orlova")])

    made = await create(world, form, confirmation=warning.confirmation)

    assert participant("orlova") in (await present(world, made)).memberships


@pytest.mark.rule("CHAT-13")
@pytest.mark.rule("CHAT-33")
async def test_the_warning_shows_the_first_hundred_in_the_order_of_names_and_the_total(world: World) -> None:
    roster = the_roster()
    crowd = [f"pupil{number}" for number in range(SHOWN_UNLINKED + 3)]
    for number, person in enumerate(crowd):
        # Neither in the order of their ids nor in that of code points, in which Ё comes before everything.
        last = "Ёлкин" if number == 0 else f"{'ДЕЖ'[number % 3]}уков"
        pupil = a_participant(person, name=Name(last, f"Пётр {number:03}"))
        roster.people[pupil.id] = pupil
        roster.enrolments[pupil.id] = None
    await open_school(world, roster=roster)

    warning = await warned(
        world, NewChat("Хор", ChatType.OTHER, lists={PUPIL: tuple(participant(person) for person in crowd)})
    )

    expected = [participant(f"pupil{number}") for first in range(2) for number in range(first, 103, 3) if number]
    expected += [participant("pupil0")]
    expected += [participant(f"pupil{number}") for number in range(2, 103, 3)]
    assert SHOWN_UNLINKED == 100
    assert names(warning) == expected[:100]
    assert warning.total == 103


# Editing one


@pytest.mark.rule("CHAT-14")
async def test_a_chat_gets_its_new_name_and_its_people_in_one_edit(world: World) -> None:
    [of_class] = await open_school(world, CLASS_8K)
    edit = ChatEdit("  Наш класс", ((participant("secretary"), EMPLOYEE),), (participant("belov"),))

    saved = await update(world, of_class, edit)

    chat = await present(world, of_class.id)
    came, left = (participant("secretary"),), (participant("belov"),)
    assert saved == of_class.id
    assert (chat.name, chat.version, chat.kind) == ("Наш класс", 1, CLASS_8K)
    assert chat.memberships.keys() == participants("director", "klimova", "petrov", "secretary")
    assert chat.memberships[participant("secretary")].role is MembershipRole.MEMBER
    assert world.storage.outbox == [ChatRenamed(chat.id, "Наш класс"), ChatMembersChanged(chat.id, came, left, ())]


@pytest.mark.rule("AUDIT-01")
async def test_an_edit_leaves_one_line_of_what_differs(world: World) -> None:
    [of_class] = await open_school(world, CLASS_8K)
    secretary, belov = participant("secretary"), participant("belov")

    await update(world, of_class, ChatEdit("Наш класс", ((secretary, EMPLOYEE),), (belov,)))

    [line] = world.storage.audit
    assert (line.line.action, line.line.version, line.because.actor) == ("CHAT_CHANGED", 1, secretary)
    assert line.line.difference.before == {
        "name": "8 К",
        "members": {str(belov): "MEMBER"},
        "addedByHand": [],
        "removedByHand": [],
    }
    assert line.line.difference.after == {
        "name": "Наш класс",
        "members": {str(secretary): "MEMBER"},
        "addedByHand": [f"{secretary} EMPLOYEE"],
        "removedByHand": [str(belov)],
    }


@pytest.mark.rule("CHAT-06")
@pytest.mark.parametrize("kind", [TeachersChat(), CLASS_8K, PARENTS_8K], ids=["TEACHERS", "CLASS", "PARENTS"])
async def test_a_default_chat_is_edited_but_never_deleted(world: World, kind: ChatKind) -> None:
    [chat] = await open_school(world, kind)

    await update(world, chat, ChatEdit(name="Наши"))
    problems = await problems_of(world.use_cases.delete_chat(SUPERADMINISTRATOR, chat.id))

    assert problems == only(ProblemCode.DEFAULT_CHAT, "id")
    assert (await present(world, chat.id)).name == "Наши"


@pytest.mark.rule("CHAT-10")
async def test_by_hand_is_added_only_who_may_be_in_that_type_of_chat_whoever_asks(world: World) -> None:
    chats = await open_school(world, TeachersChat(), CLASS_8K, PARENTS_8K, ALGEBRA)
    refused = [adding("gusev", PUPIL), adding("petrova", PARENT), adding("gusev", PUPIL), adding("petrova", PARENT)]

    for chat, edit in zip(chats, refused, strict=True):
        problems = await problems_of(world.use_cases.update_chat(SUPERADMINISTRATOR, chat.id, edit, expected_version=0))
        assert problems == only(ProblemCode.CAPACITY_NOT_ALLOWED, "addMembers", "0")
    assert world.storage.audit == []


@pytest.mark.rule("CHAT-31")
async def test_a_member_removed_by_hand_stays_out_whatever_the_roster_tells_until_somebody_adds_them(
    world: World,
) -> None:
    [of_class] = await open_school(world, CLASS_8K)
    await update(world, of_class, removing("petrov"))

    await tell(world, PupilExpelled(PersonId("petrov")), PupilEnrolled(PersonId("petrov"), "8 К"))
    told = await present(world, of_class.id)
    await update(world, of_class, adding("petrov", PUPIL), version=1)

    assert participant("petrov") not in told.memberships
    assert participant("petrov") in (await present(world, of_class.id)).memberships


@pytest.mark.rule("CHAT-31")
async def test_neither_the_chat_administrator_nor_the_teacher_is_removed_by_hand(world: World) -> None:
    [of_class] = await open_school(world, CLASS_8K)

    problems = await problems_of(update(world, of_class, removing("petrov", "klimova", "director")))

    assert problems == (
        Problem(ProblemCode.CHAT_ADMINISTRATOR_STAYS, ("removeMembers", "1")),
        Problem(ProblemCode.CHAT_ADMINISTRATOR_STAYS, ("removeMembers", "2")),
    )
    assert participant("petrov") in (await present(world, of_class.id)).memberships


@pytest.mark.rule("CHAT-32")
async def test_an_addition_by_hand_ends_with_its_capacity_and_counts_again_when_it_returns(world: World) -> None:
    [club] = await open_school(world, OtherChat())
    await put(world.storage.begin, links=[an_account_link("petrova")])
    await update(world, club, adding("petrova", PARENT))

    await tell(world, PupilExpelled(PersonId("petrov")))
    without_a_child_here = frozenset((await present(world, club.id)).memberships)
    await tell(world, PupilEnrolled(PersonId("petrov"), "9 А"))

    assert without_a_child_here == participants("director")
    assert (await present(world, club.id)).memberships.keys() == participants("director", "petrova")


@pytest.mark.rule("CHAT-32")
async def test_additions_end_and_return_with_a_class_that_is_closed_and_opened_again(world: World) -> None:
    [club] = await open_school(world, OtherChat())
    await put(world.storage.begin, links=[an_account_link("gusev")])
    await update(world, club, adding("gusev", PUPIL))

    await tell(world, ClassClosed("9 А"))
    closed = frozenset((await present(world, club.id)).memberships)
    await tell(world, ClassSaved("9 А", "10 А"))

    assert closed == participants("director")
    assert (await present(world, club.id)).memberships.keys() == participants("director", "gusev")


@pytest.mark.rule("CHAT-25")
async def test_somebody_blocked_stays_a_member_here(world: World) -> None:
    [of_class] = await open_school(world, CLASS_8K)

    await tell(world, PersonBlocked(PersonId("petrov")))

    assert participant("petrov") in (await present(world, of_class.id)).memberships


@pytest.mark.rule("CHAT-24")
async def test_an_archived_chat_is_not_edited_and_may_be_deleted(world: World) -> None:
    [of_group] = await open_school(world, ALGEBRA)
    await tell(world, GroupClosed("8 К алгебра"))

    problems = await problems_of(update(world, of_group, ChatEdit(name="Алгебра")))
    await world.use_cases.delete_chat(SECRETARY, of_group.id)

    assert problems == only(ProblemCode.CHAT_ARCHIVED, "id")
    assert not await is_there(world, of_group.id)


@pytest.mark.rule("CHAT-24")
async def test_a_class_with_a_new_id_gets_new_chats_under_the_same_name(world: World) -> None:
    await open_school(world)
    await tell(world, ClassSaved("8 К", "8 К"))
    await tell(world, ClassSaved("next year's", "8 К"))

    made = [chat for chat in await world.chats() if chat.type is ChatType.CLASS]

    assert [chat.name for chat in made] == ["8 К", "8 К"]
    assert {chat.kind for chat in made} == {CLASS_8K, class_chat("next year's")}


@pytest.mark.rule("CHAT-24")
async def test_a_promoted_class_renames_the_chat_that_nobody_named_and_no_other(world: World) -> None:
    await open_school(world)
    await tell(world, ClassSaved("8 К", "8 К"))
    of_class = await world.chat(CLASS_8K)
    await update(world, of_class, ChatEdit(name="Наш класс"))

    await tell(world, ClassSaved("8 К", "9 К"))

    assert (await present(world, of_class.id)).name == "Наш класс"
    assert (await world.chat(PARENTS_8K)).name == "9 К Родители"


# Who may edit one


@pytest.mark.rule("RIGHT-05")
async def test_chats_are_edited_with_the_permission_for_it_and_with_no_other(world: World) -> None:
    [club] = await open_school(world, OtherChat())
    everything_else = a_viewer("secretary", granted=set(Permission) - {EDIT})

    problems = await problems_of(update(world, club, ChatEdit(name="Хор"), everything_else))
    await update(world, club, ChatEdit(name="Танцы"), a_viewer("secretary", granted=[VIEW, EDIT]))

    assert problems == only(ProblemCode.FORBIDDEN)
    assert (await present(world, club.id)).name == "Танцы"


@pytest.mark.rule("RIGHT-07")
@pytest.mark.parametrize("kind", [CLASS_8K, PARENTS_8K, ALGEBRA], ids=["CLASS", "PARENTS", "SUBJECT"])
async def test_a_teacher_edits_the_chats_that_they_administer_without_further_rights(
    world: World, kind: ChatKind
) -> None:
    [own, club] = await open_school(world, kind, OtherChat())
    teacher = a_viewer("klimova", teaches=True)
    await update(world, club, adding("klimova", EMPLOYEE))

    await update(world, own, ChatEdit(name="Наши"), teacher)
    another = await problems_of(update(world, club, ChatEdit(name="Наши"), teacher, version=1))
    deleting = await problems_of(world.use_cases.delete_chat(teacher, own.id))
    blocked = a_viewer("klimova", teaches=True, blocked=True)
    while_blocked = await problems_of(update(world, own, ChatEdit(name="Мои"), blocked, version=1))

    assert (await present(world, own.id)).name == "Наши"
    assert another == deleting == while_blocked == only(ProblemCode.FORBIDDEN)


@pytest.mark.rule("RIGHT-06")
async def test_a_member_without_rights_is_forbidden_to_edit_and_delete_and_an_outsider_does_not_find_the_chat(
    world: World,
) -> None:
    [of_group] = await open_school(world, ALGEBRA)
    outsider = a_viewer("gusev")
    may_edit_what_they_do_not_see = a_viewer("secretary", granted=[EDIT, DELETE])

    for viewer, expected in [
        (a_viewer("petrov"), only(ProblemCode.FORBIDDEN)),
        (outsider, only(ProblemCode.NOT_FOUND, "id")),
        (SCHOOL_SYSTEM, only(ProblemCode.NOT_FOUND, "id")),
        (may_edit_what_they_do_not_see, only(ProblemCode.NOT_FOUND, "id")),
    ]:
        assert await problems_of(update(world, of_group, ChatEdit(name="Хор"), viewer)) == expected
        assert await problems_of(world.use_cases.delete_chat(viewer, of_group.id)) == expected
    assert (await present(world, of_group.id)).name == "Чат"


@pytest.mark.rule("RIGHT-08")
async def test_a_chat_of_another_organization_is_not_found_but_by_a_superadministrator(world: World) -> None:
    [club] = await open_school(world, OtherChat())
    foreign = await open_other_school(world)
    edit = ChatEdit(name="Хор")
    found = Problem(ProblemCode.NOT_FOUND, ("id",))

    assert await problems_of(update(world, club, edit, FOREIGN_ADMINISTRATOR)) == (found,)
    assert await problems_of(world.use_cases.delete_chat(FOREIGN_ADMINISTRATOR, club.id)) == (found,)
    assert await problems_of(update(world, foreign, edit)) == (found,)
    await update(world, foreign, edit, SUPERADMINISTRATOR)
    assert (await present(world, foreign.id)).name == "Хор"


async def test_a_chat_that_is_not_there_is_not_found(world: World) -> None:
    await open_school(world)
    unknown = a_chat()

    assert await problems_of(update(world, unknown, ChatEdit())) == only(ProblemCode.NOT_FOUND, "id")
    assert await problems_of(world.use_cases.delete_chat(SUPERADMINISTRATOR, ChatId(uuid4()))) == only(
        ProblemCode.NOT_FOUND, "id"
    )


# Two editors


@pytest.mark.rule("CHAT-14")
async def test_an_edit_of_a_version_that_is_not_the_present_one_changes_nothing_and_names_what_others_changed(
    world: World,
) -> None:
    [of_class] = await open_school(world, CLASS_8K)
    await update(world, of_class, removing("belov"))
    await update(world, of_class, ChatEdit(name="Наш класс"), version=1)
    before = len(world.storage.audit)

    of_both = await update(world, of_class, ChatEdit(name="Мой класс"))
    of_last = await update(world, of_class, ChatEdit(name="Мой класс"), version=1)
    of_future = await update(world, of_class, ChatEdit(name="Мой класс"), version=3)

    assert of_both == StaleChat(of_class.id, ("members", "name"))
    assert of_last == StaleChat(of_class.id, ("name",))
    assert of_future == StaleChat(of_class.id, ())
    assert (await present(world, of_class.id)).name == "Наш класс"
    assert len(world.storage.audit) == before


@pytest.mark.rule("CHAT-14")
async def test_what_the_roster_changes_makes_no_edit_stale_and_is_no_changed_field(world: World) -> None:
    [of_class] = await open_school(world, CLASS_8K)
    await tell(world, PupilExpelled(PersonId("belov")))
    await tell(world, ClassSaved("8 К", "9 К"))
    saved = await update(world, of_class, ChatEdit(name="Наш класс"))
    await tell(world, *known("new"), PupilEnrolled(PersonId("new"), "8 К"))

    stale = await update(world, of_class, ChatEdit(name="Мой класс"))

    assert saved == of_class.id
    assert stale == StaleChat(of_class.id, ("name",))


@pytest.mark.rule("CHAT-14")
async def test_the_choice_of_a_chat_administrator_is_no_edit_of_the_chat(world: World) -> None:
    [of_class] = await open_school(world, CLASS_8K)
    await tell(world, *known("head"), EmployeeHired(PersonId("head"), (PositionKind.ADMINISTRATION,)))
    await update(world, of_class, ChatEdit(name="Наш класс"))
    await world.use_cases.set_chat_administrator(SUPERADMINISTRATOR, SCHOOL, participant("head"))

    stale = await update(world, of_class, ChatEdit(name="Мой класс"))
    saved = await update(world, of_class, ChatEdit(name="Мой класс"), version=1)

    assert stale == StaleChat(of_class.id, ("name",))
    assert saved == of_class.id


async def test_of_two_editors_at_once_one_saves_and_the_other_is_told_what_changed(world: World) -> None:
    [of_class] = await open_school(world, CLASS_8K)

    answers = await asyncio.gather(
        update(world, of_class, ChatEdit(name="Наш класс")), update(world, of_class, removing("belov"))
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["StaleChat", "UUID"]
    assert (await present(world, of_class.id)).version == 1
    assert len(world.storage.audit) == 1


@pytest.mark.rule("CHAT-14")
async def test_an_edit_that_changes_nothing_leaves_the_version_and_no_line(world: World) -> None:
    [of_class] = await open_school(world, CLASS_8K)

    saved = await update(world, of_class, ChatEdit(name="8 К ", remove=(participant("gusev"),)))

    assert saved == of_class.id
    assert (await present(world, of_class.id)).version == 0
    assert (world.storage.outbox, world.storage.audit) == ([], [])


@pytest.mark.rule("AUDIT-01")
@pytest.mark.parametrize("edit_first", [True, False])
async def test_what_the_roster_changes_while_a_user_waits_is_not_told_as_the_user_s(
    world: World, edit_first: bool
) -> None:
    [of_class, *_] = await open_school(world, CLASS_8K, PARENTS_8K)
    edit = update(world, of_class, ChatEdit(name="Наш класс"))
    told = tell(world, PupilExpelled(PersonId("belov")))

    await asyncio.gather(*([edit, told] if edit_first else [told, edit]))

    lines = [line for line in world.storage.audit if line.line.subject.id == of_class.id]
    by_cause = {line.because.cause: line.line.difference.after for line in lines}
    assert by_cause == {AuditCause.USER: {"name": "Наш класс"}, AuditCause.ROSTER: {"members": {}}}


# Deleting one


@pytest.mark.rule("CHAT-15")
@pytest.mark.parametrize("kind", [ALGEBRA, OtherChat()], ids=["SUBJECT", "OTHER"])
async def test_a_subject_or_other_chat_is_deleted_with_its_members(world: World, kind: ChatKind) -> None:
    [chat] = await open_school(world, kind)

    await world.use_cases.delete_chat(a_viewer("secretary", granted=[VIEW, DELETE]), chat.id)

    everybody = tuple(sorted(chat.memberships))
    assert await world.chats() == []
    assert world.storage.outbox == [ChatMembersChanged(chat.id, (), everybody, ()), ChatDeleted(chat.id)]
    [line] = world.storage.audit
    assert (line.line.action, line.line.difference.after) == ("CHAT_DELETED", None)


@pytest.mark.rule("CHAT-15")
async def test_a_chat_is_deleted_once(world: World) -> None:
    [club] = await open_school(world, OtherChat())
    delete = world.use_cases.delete_chat
    await delete(SECRETARY, club.id)

    again = await problems_of(delete(SECRETARY, club.id))
    editing = await problems_of(update(world, club, ChatEdit(name="Хор")))

    assert again == editing == only(ProblemCode.NOT_FOUND, "id")
    assert len(world.storage.audit) == 1


@pytest.mark.rule("RIGHT-05")
async def test_chats_are_deleted_with_the_permission_for_it_and_with_no_other(world: World) -> None:
    [club] = await open_school(world, OtherChat())

    problems = await problems_of(
        world.use_cases.delete_chat(a_viewer("secretary", granted=set(Permission) - {DELETE}), club.id)
    )

    assert problems == only(ProblemCode.FORBIDDEN)
    assert await is_there(world, club.id)


CALL = a_call().id
UNFINISHED: dict[str, Phase] = {
    "scheduled": Scheduled(MONDAY_0829),
    "put off": Scheduled(MONDAY_0900, FailureReason.NO_LINKED_STARTER),
    "starting": Starting(CALL, MONDAY_0830),
    "active": Active(MONDAY_0830, CALL, LINK),
}
OVER: dict[str, Phase] = {
    "finished": Finished(MONDAY_0830, MONDAY_0900, FinishedBy.USER),
    "failed": Failed(MONDAY_0915, FailureReason.SFERUM_UNAVAILABLE),
}


@pytest.mark.rule("CHAT-15")
@pytest.mark.parametrize("phase", UNFINISHED.values(), ids=UNFINISHED.keys())
async def test_a_chat_with_a_scheduled_or_active_conference_is_not_deleted(world: World, phase: Phase) -> None:
    [club] = await open_school(world, OtherChat())
    await put(world.storage.begin, conferences=[a_videoconference(chat=club, phase=phase)])

    problems = await problems_of(world.use_cases.delete_chat(SECRETARY, club.id))

    assert problems == only(ProblemCode.CHAT_HAS_VIDEOCONFERENCES, "id")
    assert (await present(world, club.id)).memberships.keys() == participants("director")


@pytest.mark.rule("CHAT-15")
@pytest.mark.parametrize("phase", OVER.values(), ids=OVER.keys())
async def test_a_chat_whose_conferences_are_over_or_deleted_is_deleted(world: World, phase: Phase) -> None:
    [club, choir] = await open_school(world, OtherChat(), OtherChat())
    over = a_videoconference(chat=club, phase=phase)
    deleted = a_videoconference(chat=club)
    deleted.delete(at=MONDAY_0829)
    elsewhere = a_videoconference(chat=choir)
    await put(world.storage.begin, conferences=[over, deleted, elsewhere])

    await world.use_cases.delete_chat(SECRETARY, club.id)

    assert not await is_there(world, club.id)
    assert (await world.conference(over.id)).phase == phase


@pytest.mark.rule("CHAT-15")
@pytest.mark.parametrize("deletion_first", [True, False])
async def test_a_conference_that_is_made_while_its_chat_is_deleted_is_never_left_in_a_deleted_chat(
    world: World, deletion_first: bool
) -> None:
    [club] = await open_school(world, OtherChat())
    form = VideoconferenceForm(VideoconferenceType.VIDEO_CALL, "Совещание", starts_at=MONDAY_0830, ends_at=MONDAY_0915)
    making = world.use_cases.create_videoconference(SECRETARY, club.id, form)
    deleting = world.use_cases.delete_chat(SECRETARY, club.id)

    both = [deleting, making] if deletion_first else [making, deleting]
    await asyncio.gather(*both, return_exceptions=True)

    assert await is_there(world, club.id) == bool(await unfinished(world, club))


# Closing a class or group


async def unfinished(world: World, *chats: Chat) -> set[VideoconferenceId]:
    """The conferences of the chats that have not ended."""
    async with world.storage.begin(SCHEDULE) as uow:
        return {conference.id for conference in await uow.videoconferences.unfinished_of([chat.id for chat in chats])}


@pytest.mark.rule("CHAT-24")
async def test_closing_a_class_deletes_what_is_scheduled_in_its_chats_while_an_active_conference_goes_on(
    world: World,
) -> None:
    [of_class, of_parents, club] = await open_school(world, CLASS_8K, PARENTS_8K, OtherChat())
    scheduled, elsewhere = a_videoconference(chat=of_class), a_videoconference(chat=club)
    starting, active = a_videoconference(chat=of_parents), a_videoconference(chat=of_class)
    call, running = a_call(starting), a_call(active)
    starting.phase, active.phase = Starting(call.id, MONDAY_0830), Active(MONDAY_0830, running.id, LINK)
    await put(world.storage.begin, conferences=[scheduled, elsewhere, starting, active], calls=[call, running])
    world.storage.outbox.clear()

    await tell(world, ClassClosed("8 К"))

    assert await unfinished(world, of_class, of_parents, club) == {active.id, elsewhere.id}
    assert (await world.conference(active.id)).is_active
    assert CallReleased(call.id) in world.storage.outbox
    assert {line.line.subject.id for line in world.storage.audit if line.line.action == "VIDEOCONFERENCE_DELETED"} == {
        scheduled.id,
        starting.id,
    }
    assert all(line.because == ROSTER for line in world.storage.audit if line.line.difference.after is None)


@pytest.mark.rule("CHAT-24")
async def test_closing_a_group_deletes_what_is_scheduled_in_its_chats_and_no_new_conference_is_made(
    world: World,
) -> None:
    [of_group] = await open_school(world, ALGEBRA)
    scheduled = a_videoconference(chat=of_group)
    await put(world.storage.begin, conferences=[scheduled])

    await tell(world, GroupClosed("8 К алгебра"))
    form = VideoconferenceForm(VideoconferenceType.VIDEO_CALL, "Совещание", starts_at=MONDAY_0830, ends_at=MONDAY_0915)
    problems = await problems_of(world.use_cases.create_videoconference(SUPERADMINISTRATOR, of_group.id, form))

    assert await unfinished(world, of_group) == set()
    assert problems == only(ProblemCode.CHAT_ARCHIVED, "chatId")
    assert (await present(world, of_group.id)).memberships.keys() == participants("director")


@pytest.mark.rule("CHAT-24")
async def test_a_group_opened_again_takes_its_archived_chat_up_again_with_what_was_done_by_hand(world: World) -> None:
    [of_group] = await open_school(world, ALGEBRA)
    await update(world, of_group, ChatEdit(add=((participant("secretary"), EMPLOYEE),), remove=(participant("belov"),)))
    before = frozenset((await present(world, of_group.id)).memberships)
    await tell(world, GroupClosed("8 К алгебра"))

    people = frozenset({PersonId("petrov"), PersonId("belov")})
    await tell(world, GroupSaved("8 К алгебра", "8 К алгебра", "Алгебра", people, (PersonId("klimova"),)))

    chat = await present(world, of_group.id)
    assert not chat.archived
    assert before == chat.memberships.keys() == participants("director", "klimova", "petrov", "secretary")


@pytest.mark.rule("CHAT-20")
async def test_a_change_of_the_group_s_list_moves_pupils_in_every_chat_of_the_group(world: World) -> None:
    await open_school(world)
    ids = [await create(world, LESSONS), await create(world, LESSONS)]

    people = frozenset({PersonId("petrov"), PersonId("gusev")})
    await tell(world, GroupSaved("8 К алгебра", "8 К алгебра", "Алгебра", people, (PersonId("orlova"),)))

    for id in ids:
        chat = await present(world, id)
        assert chat.memberships.keys() == participants("director", "orlova", "petrov", "gusev")
        assert chat.administrators == participants("director", "orlova")


async def test_a_new_name_of_a_person_leaves_no_line_of_a_chat(world: World) -> None:
    await open_school(world, CLASS_8K)

    await tell(world, PersonSaved(PersonId("petrov"), Name("Петрушин", "Пётр")))

    assert world.storage.audit == []
