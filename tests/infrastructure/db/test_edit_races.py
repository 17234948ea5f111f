"""An edit that is acknowledged before the start counts at the start, also in the last moment (CONF-14, P24)."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from application.clock import KeepTime
from application.videoconferences import StaleVideoconference, UpdateVideoconference
from domain.audit import SCHEDULE
from domain.call import Ending, Open
from domain.errors import Refused
from domain.participant import PositionKind
from domain.videoconference import Active, Scheduled, Starting, TimeSlot, Videoconference
from domain.videoconference_form import VideoconferenceEdit
from infrastructure.db.cipher import Cipher
from infrastructure.db.engine import create_engine
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.settings import load_settings
from tests.application.school import SUPERADMINISTRATOR
from tests.builders import LINK, a_call, a_chat, a_roster, a_videoconference, an_organization, put

RACES = 200
APART = timedelta(milliseconds=20)
HOUR = timedelta(hours=1)


@pytest.mark.rule("CONF-14")
async def test_of_200_edits_at_the_start_none_that_was_acknowledged_is_followed_by_a_start_at_the_old_time(
    database_url: str,
) -> None:
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    begin = units_of_work(engine, Cipher(Fernet.generate_key().decode()))
    random = Random(24)
    roster = a_roster(employees={"director": [PositionKind.ADMINISTRATION]})
    chat = a_chat(roster=roster, chat_administrator="director")
    first = datetime.now(UTC) + timedelta(seconds=2)
    conferences = [a_videoconference(chat=chat) for _ in range(RACES)]
    calls = []
    for number, conference in enumerate(conferences):
        conference.slot = TimeSlot(first + number * APART, first + HOUR)
        call = a_call(conference, state=Open(f"sferum {number}"))
        conference.phase = Starting(call.id, first, LINK)
        calls.append(call)
    await put(
        begin,
        organization=an_organization(chat_administrator="director"),
        roster=roster,
        chats=[chat],
        conferences=conferences,
        calls=calls,
    )
    keep_time = [KeepTime(begin), KeepTime(begin)]
    edit = UpdateVideoconference(begin, timedelta(minutes=1))

    async def work(sweep: KeepTime) -> None:
        while True:
            await sweep()
            await asyncio.sleep(0.002)

    async def move(conference: Videoconference) -> str:
        """An hour away, within 50 ms of its start; what the editor was told."""
        at = conference.slot.start + timedelta(milliseconds=random.uniform(-50, 50))
        await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))
        later = VideoconferenceEdit(starts_at=conference.slot.start + HOUR, ends_at=conference.slot.end + HOUR)
        try:
            answer = await edit(SUPERADMINISTRATOR, conference.id, later, expected_version=conference.version)
        except Refused:
            return "refused"
        return "stale" if isinstance(answer, StaleVideoconference) else "acknowledged"

    workers = [asyncio.create_task(work(sweep)) for sweep in keep_time]
    told = await asyncio.gather(*(move(conference) for conference in conferences))
    await asyncio.sleep(0.2)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    async with begin(SCHEDULE) as uow:
        kept = {each.id: each for each in await uow.videoconferences.find_all([each.id for each in conferences])}
        states = {call.videoconference_id: call.state for call in await uow.calls.find_all([call.id for call in calls])}
    async with engine.connect() as connection:
        query = text("select subject_id from outbox where payload ->> 'status' = 'ACTIVE'")
        ever_active = set((await connection.execute(query)).scalars())
    await engine.dispose()

    for conference, answer in zip(conferences, told, strict=True):
        now = kept[conference.id]
        if answer == "acknowledged":
            assert isinstance(now.phase, Scheduled)
            assert now.slot.start == conference.slot.start + HOUR
            assert conference.id not in ever_active
            assert isinstance(states[conference.id], Ending)
        else:
            assert isinstance(now.phase, Active)
            assert conference.slot.start == now.slot.start <= now.phase.since
            assert isinstance(states[conference.id], Open)
    # Else there was no race.
    assert min(Counter(told)["acknowledged"], RACES - Counter(told)["acknowledged"]) > RACES // 10
