"""The one place where the parts are put together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
from arq.connections import ArqRedis
from cryptography.fernet import Fernet
from dependency_injector import containers, providers
from sqlalchemy.ext.asyncio import AsyncEngine

from application.account_links import (
    AccessTokens,
    BeginAccountLink,
    CompleteAccountLink,
    DepartForVkId,
    KeepLinksAlive,
)
from application.calls import CarryOut, EndCalls, FindCalls, HoldCalls, LookAtCalls, StartCalls
from application.chats import CreateChat, DeleteChat, UpdateChat
from application.clock import KeepTime
from application.erasure import EraseForgotten
from application.mirror import BringMirrorInStep, EmptyBeforeUnlinking, EmptyStrays, KeepMirrors, ResyncChat
from application.online_lessons import CreateOnlineLesson
from application.organizations import FoundOrganization, SetChatAdministrator, SetRolePermissions
from application.ports import Begin
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
from infrastructure.announcements import Announcements
from infrastructure.db.audit_views import PostgresAuditViews
from infrastructure.db.cipher import Cipher, token_keys
from infrastructure.db.engine import create_engine
from infrastructure.db.mirror_views import PostgresMirrorViews
from infrastructure.db.people_views import PostgresPeopleViews
from infrastructure.db.unit_of_work import units_of_work
from infrastructure.db.views import PostgresViews
from infrastructure.jobs.relay import Relay
from infrastructure.mirror_news import MirrorNews
from infrastructure.school.tokens import TokenVerifier
from infrastructure.settings import Settings
from infrastructure.sferum.messenger import Sferum
from infrastructure.sferum.pace import SharedPace
from infrastructure.vk_id.client import VkId

CALLBACK_PATH = "/vk-id/callback"


def _now() -> datetime:
    return datetime.now(UTC)


class Container(containers.DeclarativeContainer):
    """What is opened comes in as dependencies; all else follows from it without waiting."""

    settings = providers.Dependency(instance_of=Settings)
    engine = providers.Dependency(instance_of=AsyncEngine)
    http = providers.Dependency(instance_of=httpx.AsyncClient)
    redis = providers.Dependency(instance_of=ArqRedis)

    cipher = providers.Singleton(Cipher, providers.Callable(token_keys, settings))
    relay = providers.Singleton(Relay, engine, redis)
    begin = providers.Singleton(units_of_work, engine, cipher, told=relay.provided.wake)
    views = providers.Singleton(PostgresViews, engine)
    audit_views = providers.Singleton(PostgresAuditViews, engine)
    people_views = providers.Singleton(PostgresPeopleViews, engine)
    mirror_views = providers.Singleton(PostgresMirrorViews, engine)
    announcements = providers.Singleton(Announcements, engine, redis)
    mirror_news = providers.Singleton(MirrorNews, views, mirror_views, redis)
    token_verifier = providers.Singleton(
        TokenVerifier,
        http,
        issuer=settings.provided.token_issuer,
        audience=settings.provided.token_audience,
        jwks_url=settings.provided.token_jwks_url,
    )

    vk_id = providers.Singleton(
        VkId,
        http,
        base_url=settings.provided.vk_id_url,
        client_id=settings.provided.vk_client_id,
        redirect_uri=providers.Callable("{}{}".format, settings.provided.public_url, CALLBACK_PATH),
        now=providers.Object(_now),
    )
    access_tokens = providers.Singleton(AccessTokens, begin, vk_id)
    messenger = providers.Singleton(
        Sferum,
        http,
        base_url=settings.provided.vk_api_url,
        access_token=access_tokens,
        renewed=access_tokens.provided.renewed,
        pace=providers.Singleton(SharedPace, redis, settings.provided.vk_calls_per_second),
        timeout_seconds=settings.provided.vk_timeout_seconds,
    )

    bring_mirror_in_step = providers.Singleton(BringMirrorInStep, begin, messenger)
    prepare_ahead = providers.Callable(lambda settings: timedelta(seconds=settings.prepare_seconds), settings)
    use_cases = providers.Singleton(
        UseCases,
        found_organization=providers.Singleton(FoundOrganization, begin),
        set_chat_administrator=providers.Singleton(SetChatAdministrator, begin),
        set_role_permissions=providers.Singleton(SetRolePermissions, begin),
        erase_forgotten=providers.Singleton(
            EraseForgotten,
            begin,
            providers.Callable(lambda settings: timedelta(days=settings.erase_after_days), settings),
        ),
        create_chat=providers.Singleton(CreateChat, begin),
        update_chat=providers.Singleton(UpdateChat, begin),
        delete_chat=providers.Singleton(DeleteChat, begin),
        resync_chat=providers.Singleton(ResyncChat, begin),
        apply_roster_events=providers.Singleton(ApplyRosterEvents, begin, prepare_ahead),
        look_up_known=providers.Singleton(LookUpKnown, begin),
        plan_roster_import=providers.Singleton(PlanRosterImport, begin, settings.provided.import_max_removal),
        apply_roster_import=providers.Singleton(ApplyRosterImport, begin, settings.provided.import_max_removal),
        turn_days=providers.Singleton(TurnDays, begin),
        look_up_time=providers.Singleton(LookUpTime, begin),
        plan_timetable_import=providers.Singleton(PlanTimetableImport, begin),
        apply_timetable_import=providers.Singleton(
            ApplyTimetableImport, begin, settings.provided.import_max_removal, prepare_ahead
        ),
        begin_account_link=providers.Singleton(
            BeginAccountLink,
            begin,
            providers.Callable(lambda settings: timedelta(seconds=settings.link_attempt_seconds), settings),
            settings.provided.return_addresses,
        ),
        depart_for_vk_id=providers.Singleton(DepartForVkId, begin, vk_id),
        complete_account_link=providers.Singleton(CompleteAccountLink, begin, vk_id),
        unlink_account=providers.Singleton(
            UnlinkAccount, begin, providers.Singleton(EmptyBeforeUnlinking, begin, bring_mirror_in_step)
        ),
        deliver_revocations=providers.Singleton(DeliverRevocations, begin, vk_id),
        keep_links_alive=providers.Singleton(KeepLinksAlive, begin, access_tokens),
        create_videoconference=providers.Singleton(CreateVideoconference, begin, prepare_ahead),
        update_videoconference=providers.Singleton(UpdateVideoconference, begin, prepare_ahead),
        finish_videoconference=providers.Singleton(FinishVideoconference, begin),
        delete_videoconference=providers.Singleton(DeleteVideoconference, begin),
        join_videoconference=providers.Singleton(JoinVideoconference, begin),
        create_online_lesson=providers.Singleton(CreateOnlineLesson, begin, prepare_ahead),
        keep_time=providers.Singleton(KeepTime, begin),
        carry_out=providers.Singleton(
            CarryOut,
            providers.Singleton(StartCalls, begin, messenger),
            providers.Singleton(FindCalls, begin, messenger),
            providers.Singleton(LookAtCalls, begin, messenger),
            providers.Singleton(EndCalls, begin, messenger),
        ),
        hold_calls=providers.Singleton(HoldCalls, begin),
        keep_mirrors=providers.Singleton(KeepMirrors, begin),
        bring_mirror_in_step=bring_mirror_in_step,
        empty_strays=providers.Singleton(EmptyStrays, begin, messenger),
    )


@asynccontextmanager
async def storage(settings: Settings) -> AsyncIterator[Begin]:
    """Units of work alone, for a command that wants no Redis: a worker hands on what it wrote within a second.

    Tokens can be neither read nor sealed here: the key is of no use to anybody.
    """
    engine = create_engine(settings)
    try:
        yield units_of_work(engine, Cipher(Fernet.generate_key().decode()))
    finally:
        await engine.dispose()


@asynccontextmanager
async def assembled(settings: Settings) -> AsyncIterator[Container]:
    """Opens what must be opened, hands out the container, and closes everything in reverse."""
    assert settings.redis_url is not None, "embedded servers hand their address over as a setting"
    async with AsyncExitStack() as opened:
        engine = create_engine(settings)
        opened.push_async_callback(engine.dispose)
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        # No proxy or certificate of the environment sends our requests where the settings do not name.
        http = await opened.enter_async_context(
            httpx.AsyncClient(limits=limits, timeout=settings.vk_timeout_seconds, trust_env=False)
        )
        redis = ArqRedis.from_url(
            settings.redis_url.get_secret_value(),
            socket_connect_timeout=2,
        )
        opened.push_async_callback(redis.aclose)
        container = Container(settings=settings, engine=engine, http=http, redis=redis)
        container.check_dependencies()
        yield container
