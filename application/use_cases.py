"""Everything that the system does, by name."""

from dataclasses import dataclass

from application.account_links import BeginAccountLink, CompleteAccountLink, DepartForVkId
from application.calls import EndCall, FindCall, HoldStarts, StartCall
from application.clock import KeepTime
from application.organizations import FoundOrganization, SetChatAdministrator
from application.roster import ApplyRosterEvents
from application.videoconferences import CreateVideoconference, FinishVideoconference


@dataclass(frozen=True, slots=True)
class UseCases:
    """Each is called with its command and answers with its result, or raises `domain.errors.Refused`."""

    found_organization: FoundOrganization
    set_chat_administrator: SetChatAdministrator
    apply_roster_events: ApplyRosterEvents

    begin_account_link: BeginAccountLink
    depart_for_vk_id: DepartForVkId
    complete_account_link: CompleteAccountLink

    create_videoconference: CreateVideoconference
    finish_videoconference: FinishVideoconference

    keep_time: KeepTime
    start_call: StartCall
    hold_starts: HoldStarts
    find_call: FindCall
    end_call: EndCall
