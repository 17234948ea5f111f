"""The whole application on fakes: its use cases, and a world outside whose time and troubles a test decides."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from application.account_links import (
    AccessTokens,
    BeginAccountLink,
    CompleteAccountLink,
    DepartForVkId,
    KeepLinksAlive,
)
from application.calls import (
    CarryOut,
    EndCalls,
    FindCalls,
    HoldCalls,
    LookAtCalls,
    StartCalls,
    Work,
    batches,
)
from application.chats import CreateChat, DeleteChat, UpdateChat
from application.clock import KeepTime, Swept
from application.erasure import EraseForgotten
from application.mirror import BringMirrorInStep, EmptyBeforeUnlinking, EmptyStrays, KeepMirrors, ResyncChat
from application.online_lessons import CreateOnlineLesson
from application.organizations import FoundOrganization, SetChatAdministrator, SetRolePermissions
from application.ports import MessengerFailed
from application.roster import ApplyRosterEvents
from application.roster_import import ApplyRosterImport, LookUpKnown, PlanRosterImport, TurnDays
from application.timetable_import import ApplyTimetableImport, LookUpTime, PlanTimetableImport
from application.unlinking import DeliverRevocations, UnlinkAccount
from application.use_cases import UseCases
from application.videoconferences import (
    CreateVideoconference,
    DeleteVideoconference,
    FinishVideoconference,
    JoinVideoconference,
    UpdateVideoconference,
)
from domain.audit import SCHEDULE
from domain.chat import Chat, ChatKind
from domain.ids import OrganizationId, PersonId, VideoconferenceId
from domain.videoconference import Videoconference
from tests.builders import MONDAY_0800, SCHOOL
from tests.fakes.identity_provider import FakeIdentityProvider
from tests.fakes.messenger import FakeMessenger
from tests.fakes.storage import InMemoryStorage

PREPARE_AHEAD = timedelta(minutes=1)
ATTEMPT_LIFE = timedelta(minutes=15)
MAX_REMOVAL = 20
RETURN_TO = "https://school.example/sferum"
MOST_SWEEPS_AT_ONE_INSTANT = 20


class World:
    """Everything a use case can reach."""

    def __init__(self, now: datetime = MONDAY_0800, messenger: FakeMessenger | None = None) -> None:
        self.storage = InMemoryStorage(now)
        self.messenger = messenger or FakeMessenger()
        self.identity_provider = FakeIdentityProvider(self.storage.clock)
        begin = self.storage.begin
        self.access_tokens = AccessTokens(begin, self.identity_provider)
        bring_mirror_in_step = BringMirrorInStep(begin, self.messenger)
        self.use_cases = UseCases(
            found_organization=FoundOrganization(begin),
            set_chat_administrator=SetChatAdministrator(begin),
            set_role_permissions=SetRolePermissions(begin),
            erase_forgotten=EraseForgotten(begin, timedelta(days=365)),
            create_chat=CreateChat(begin),
            update_chat=UpdateChat(begin),
            delete_chat=DeleteChat(begin),
            resync_chat=ResyncChat(begin),
            apply_roster_events=ApplyRosterEvents(begin, PREPARE_AHEAD),
            look_up_known=LookUpKnown(begin),
            plan_roster_import=PlanRosterImport(begin, MAX_REMOVAL),
            apply_roster_import=ApplyRosterImport(begin, MAX_REMOVAL),
            turn_days=TurnDays(begin),
            look_up_time=LookUpTime(begin),
            plan_timetable_import=PlanTimetableImport(begin),
            apply_timetable_import=ApplyTimetableImport(begin, MAX_REMOVAL, PREPARE_AHEAD),
            begin_account_link=BeginAccountLink(begin, ATTEMPT_LIFE, (RETURN_TO,)),
            depart_for_vk_id=DepartForVkId(begin, self.identity_provider),
            complete_account_link=CompleteAccountLink(begin, self.identity_provider),
            unlink_account=UnlinkAccount(begin, EmptyBeforeUnlinking(begin, bring_mirror_in_step)),
            deliver_revocations=DeliverRevocations(begin, self.identity_provider),
            keep_links_alive=KeepLinksAlive(begin, self.access_tokens),
            create_videoconference=CreateVideoconference(begin, PREPARE_AHEAD),
            update_videoconference=UpdateVideoconference(begin, PREPARE_AHEAD),
            finish_videoconference=FinishVideoconference(begin),
            delete_videoconference=DeleteVideoconference(begin),
            join_videoconference=JoinVideoconference(begin),
            create_online_lesson=CreateOnlineLesson(begin, PREPARE_AHEAD),
            keep_time=KeepTime(begin),
            carry_out=CarryOut(
                StartCalls(begin, self.messenger),
                FindCalls(begin, self.messenger),
                LookAtCalls(begin, self.messenger),
                EndCalls(begin, self.messenger),
            ),
            hold_calls=HoldCalls(begin),
            keep_mirrors=KeepMirrors(begin),
            bring_mirror_in_step=bring_mirror_in_step,
            empty_strays=EmptyStrays(begin, self.messenger),
        )

    @property
    def now(self) -> datetime:
        """The time of the storage, which decides everything."""
        return self.storage.clock.now

    @now.setter
    def now(self, at: datetime) -> None:
        self.storage.clock.now = at

    async def sweep(self, at: datetime | None = None) -> Swept:
        """One worker's sweep, at `at` if it is given; the work that it leaves is not done."""
        self.now = at or self.now
        return await self.use_cases.keep_time()

    async def do(self, work: Sequence[Work]) -> None:
        """Does each piece of work once; a messenger that fails is a matter for a later sweep."""
        for batch in batches(work):
            with suppress(MessengerFailed):
                await self.use_cases.carry_out(batch)

    async def come_to(self, at: datetime) -> None:
        """A worker lives through the time until `at`: it sweeps whenever something is due, and does what is left."""
        in_vain = 0
        while True:
            await self.do((await self.sweep()).work)
            due = await self._next_due()
            if due is None or due > at:
                self.now = at
                return
            in_vain = in_vain + 1 if due <= self.now else 0
            assert in_vain < MOST_SWEEPS_AT_ONE_INSTANT, "something is due again and again"
            self.now = max(due, self.now)

    async def _next_due(self) -> datetime | None:
        async with self.storage.begin(SCHEDULE) as uow:
            soonest = [await uow.videoconferences.next_due(), await uow.calls.next_due()]
        return min((due for due in soonest if due is not None), default=None)

    async def conference(self, id: VideoconferenceId) -> Videoconference:
        """The conference as it is kept."""
        async with self.storage.begin(SCHEDULE) as uow:
            found = await uow.videoconferences.find(id)
        assert found is not None
        return found

    async def chat(self, kind: ChatKind, organization: OrganizationId = SCHOOL) -> Chat:
        """The organization's one chat of that kind."""
        async with self.storage.begin(SCHEDULE) as uow:
            [found] = await uow.chats.following(organization, [kind])
        return found

    async def chats(self, organization: OrganizationId = SCHOOL) -> list[Chat]:
        """All chats of the organization."""
        async with self.storage.begin(SCHEDULE) as uow:
            return await uow.chats.following(organization, None)

    async def linked(self, person: str) -> bool:
        """Whether the person has a link that works."""
        async with self.storage.begin(SCHEDULE) as uow:
            link = await uow.account_links.find(PersonId(person))
        return link is not None and link.tokens is not None
