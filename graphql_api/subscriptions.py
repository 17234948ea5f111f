"""The subscriptions: what each begins with, what it goes on with, and when it ends (CONF-19)."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import strawberry

from application.mirror_views import ChatMirrorView
from application.views import (
    FellBehind,
    GoneReason,
    Leave,
    Listener,
    MyConferenceChanged,
    MyConferenceGone,
    MyConferencesNow,
    MyNews,
    VideoconferenceView,
)
from domain.ids import ChatId, VideoconferenceId
from graphql_api.chats import ChatMirror
from graphql_api.context import Context, Info
from graphql_api.enums import describe
from graphql_api.errors import PublicError
from graphql_api.global_ids import global_id, id_of
from graphql_api.videoconferences import Videoconference

MOST_UNREAD = 100
"""A reader that has so many news to read is dropped; it comes back and reads the present state."""

describe(
    GoneReason,
    "Why a videoconference is not among somebody's any more.",
    {
        "DELETED": "It was deleted.",
        "NO_LONGER_OPEN_TO_YOU": "They take part in it no more, and do not administer its chat.",
    },
)


@strawberry.type(description="The viewer's videoconferences that are active or due on the present day.")
class VideoconferencesNow:
    """The first message: what a client holds and it does not name is over, or no longer the viewer's."""

    videoconferences: list[Videoconference] = strawberry.field(description="At most 100, the earliest start first.")
    truncated: bool = strawberry.field(description="Whether there are more.")


@strawberry.type(description="One of the viewer's videoconferences has changed, or has become theirs.")
class VideoconferenceChanged:
    """One change."""

    videoconference: Videoconference = strawberry.field(description="As it has become.")


@strawberry.type(description="A videoconference is not the viewer's any more.")
class VideoconferenceGone:
    """Nothing more will be told of it."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    reason: GoneReason = strawberry.field(description="Why.")


VideoconferenceChange = Annotated[
    VideoconferencesNow | VideoconferenceChanged | VideoconferenceGone,
    strawberry.union("VideoconferenceChange", description="News of the viewer's videoconferences."),
]


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a subscription's news come from, how one is shown, and what it means when there are none at all.

    What `show` makes depends on the news alone: all who hear one and the same object may be answered with one answer,
    if the fields that they ask for are plain.
    """

    open: Callable[[Context, Mapping[str, Any], Listener[Any]], Leave]
    show: Callable[[Any], object]
    nothing: PublicError | None = None


NOT_FOUND = PublicError("Not found.", code="NOT_FOUND")


def _watch(context: Context, arguments: Mapping[str, Any], listener: Listener[VideoconferenceView]) -> Leave:
    inside = id_of("Videoconference", arguments["id"])
    if inside is None:
        raise NOT_FOUND
    return context.parts.changes.watch(VideoconferenceId(inside), context.identity.claims, listener)


def _watch_mine(context: Context, arguments: Mapping[str, Any], listener: Listener[MyNews]) -> Leave:
    return context.parts.changes.watch_mine(context.identity.claims, listener)


def _watch_mirror(context: Context, arguments: Mapping[str, Any], listener: Listener[ChatMirrorView]) -> Leave:
    inside = id_of("Chat", arguments["chatId"])
    if inside is None:
        raise NOT_FOUND
    return context.parts.mirror_changes.watch(ChatId(inside), context.identity.claims, listener)


def _show_mine(news: MyNews) -> VideoconferencesNow | VideoconferenceChanged | VideoconferenceGone:
    match news:
        case MyConferencesNow(views, truncated):
            return VideoconferencesNow(
                videoconferences=[Videoconference.of(view) for view in views], truncated=truncated
            )
        case MyConferenceChanged(view):
            return VideoconferenceChanged(videoconference=Videoconference.of(view))
        case MyConferenceGone(id, reason):
            return VideoconferenceGone(id=global_id("Videoconference", id), reason=reason)


FEEDS: Mapping[str, Feed] = {
    "videoconference": Feed(_watch, Videoconference.of, NOT_FOUND),
    "myVideoconferences": Feed(_watch_mine, _show_mine),
    "chatMirror": Feed(_watch_mirror, ChatMirror.of, NOT_FOUND),
}
"""By the name of the field of `Subscription`."""


@strawberry.type
class VideoconferenceSubscriptions:
    """For an executor that pulls; over WebSocket many are answered at once (`fan_out`)."""

    @strawberry.subscription(
        description="The videoconference: its present state first, then every change in order, once each."
    )
    async def videoconference(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The videoconference.")]
    ) -> AsyncGenerator[Videoconference, None]:
        """Completes when the conference is no longer open to the viewer."""
        async for shown in _pulled(FEEDS["videoconference"], info.context, id=id):
            yield shown

    @strawberry.subscription(
        description="The viewer's videoconferences: those of now first, then every change in order, once each."
    )
    async def my_videoconferences(self, info: Info) -> AsyncGenerator[VideoconferenceChange, None]:
        """Completes when the viewer may see nothing any more."""
        async for shown in _pulled(FEEDS["myVideoconferences"], info.context):
            yield shown


@strawberry.type
class MirrorSubscriptions:
    """For an executor that pulls; over WebSocket many are answered at once (`fan_out`)."""

    @strawberry.subscription(
        description="A chat's mirror in Sferum, for who may edit the chat: how it is first, then how it becomes."
    )
    async def chat_mirror(
        self, info: Info, chat_id: Annotated[strawberry.ID, strawberry.argument(description="The chat.")]
    ) -> AsyncGenerator[ChatMirror, None]:
        """Completes when the chat is no longer the viewer's to edit."""
        async for shown in _pulled(FEEDS["chatMirror"], info.context, chatId=chat_id):
            yield shown


class _Queue:
    """A listener whose news are taken one by one."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Any] = asyncio.Queue(MOST_UNREAD + 1)

    def hear(self, news: Any) -> None:
        if self.heard.qsize() < MOST_UNREAD:
            self.heard.put_nowait(news)
        else:
            self.end(FellBehind())

    def end(self, error: Exception | None = None) -> None:
        if not self.heard.full():
            self.heard.put_nowait(_End(error))


@dataclass(frozen=True, slots=True)
class _End:
    error: Exception | None


async def _pulled(feed: Feed, context: Context, **arguments: Any) -> AsyncGenerator[Any, None]:
    queue = _Queue()
    leave = feed.open(context, arguments, queue)
    try:
        news = await queue.heard.get()
        if isinstance(news, _End) and news.error is None and feed.nothing is not None:
            raise feed.nothing
        while not isinstance(news, _End):
            yield feed.show(news)
            news = await queue.heard.get()
        if news.error is not None:
            raise news.error
    finally:
        leave()
