"""Everything that the system does, by name."""

from dataclasses import dataclass

from application.account_links import BeginAccountLink, CompleteAccountLink, DepartForVkId, KeepLinksAlive
from application.calls import CarryOut, HoldCalls
from application.chats import CreateChat, DeleteChat, UpdateChat
from application.clock import KeepTime
from application.erasure import EraseForgotten
from application.mirror import BringMirrorInStep, EmptyStrays, KeepMirrors, ResyncChat
from application.online_lessons import CreateOnlineLesson
from application.organizations import FoundOrganization, SetChatAdministrator, SetRolePermissions
from application.roster import ApplyRosterEvents
from application.roster_import import ApplyRosterImport, LookUpKnown, PlanRosterImport, TurnDays
from application.timetable_import import ApplyTimetableImport, LookUpTime, PlanTimetableImport
from application.unlinking import DeliverRevocations, UnlinkAccount
from application.videoconferences import (
    CreateVideoconference,
    DeleteVideoconference,
    FinishVideoconference,
    JoinVideoconference,
    UpdateVideoconference,
)


@dataclass(frozen=True, slots=True)
class UseCases:
    """Each is called with its command and answers with its result, or raises `domain.errors.Refused`."""

    found_organization: FoundOrganization
    set_chat_administrator: SetChatAdministrator
    set_role_permissions: SetRolePermissions
    erase_forgotten: EraseForgotten
    apply_roster_events: ApplyRosterEvents
    look_up_known: LookUpKnown
    plan_roster_import: PlanRosterImport
    apply_roster_import: ApplyRosterImport
    turn_days: TurnDays
    look_up_time: LookUpTime
    plan_timetable_import: PlanTimetableImport
    apply_timetable_import: ApplyTimetableImport

    begin_account_link: BeginAccountLink
    depart_for_vk_id: DepartForVkId
    complete_account_link: CompleteAccountLink
    unlink_account: UnlinkAccount
    deliver_revocations: DeliverRevocations
    keep_links_alive: KeepLinksAlive

    create_chat: CreateChat
    update_chat: UpdateChat
    delete_chat: DeleteChat
    resync_chat: ResyncChat

    create_videoconference: CreateVideoconference
    update_videoconference: UpdateVideoconference
    finish_videoconference: FinishVideoconference
    delete_videoconference: DeleteVideoconference
    join_videoconference: JoinVideoconference
    create_online_lesson: CreateOnlineLesson

    keep_time: KeepTime
    carry_out: CarryOut
    hold_calls: HoldCalls

    keep_mirrors: KeepMirrors
    bring_mirror_in_step: BringMirrorInStep
    empty_strays: EmptyStrays
