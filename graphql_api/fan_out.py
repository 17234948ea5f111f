"""Subscriptions that must see the same are answered together: executed once, encoded once, sent to each."""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
import structlog
from graphql import GraphQLError

from application.views import FellBehind, Leave
from graphql_api.context import Identity
from graphql_api.execution import Answer, Document, Engine, RequestRefused
from graphql_api.http import MakeContext
from graphql_api.messages import Language
from graphql_api.subscriptions import FEEDS, MOST_UNREAD, Feed
from graphql_api.wires import Message

MOST_AT_ONCE = 10
"""So many answers that are one viewer's own are worked out at once: each reads Postgres."""

log = structlog.get_logger()


class Receiver(Protocol):
    """Where the answers of one subscription go. Nothing here waits or raises."""

    def next(self, message: Message) -> None:
        """The answer to one piece of news: the end of a message that begins with the receiver's own head."""

    def failed(self, answer: Answer) -> None:
        """The subscription ended with these errors; nothing more follows."""

    def completed(self) -> None:
        """The subscription is over; nothing more follows."""

    def fell_behind(self) -> None:
        """There is too much to tell; nothing more follows."""


@dataclass(frozen=True, slots=True)
class _End:
    error: Exception | None


@dataclass(slots=True, eq=False)
class _Job:
    """A piece of news, or the end, for some of a group."""

    news: Any
    to: list["Subscriber"] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Subscriber:
    """One subscription on one socket. Implements `application.views.Listener`."""

    group: "_Group"
    receiver: Receiver
    leave: Leave | None = None
    heard: bool = False
    over: bool = False

    def hear(self, news: Any) -> None:
        if not self.over:
            self.heard = True
            self.group.tell(self, news)

    def end(self, error: Exception | None = None) -> None:
        if not self.over:
            self.group.tell(self, _End(error))

    def stop(self) -> None:
        """Nothing more is told. Idempotent."""
        if not self.over:
            self.over = True
            if self.leave is not None:
                self.leave()
            self.group.remove(self)


class _Group:
    """Subscriptions of one document and the same variables; with fields that are the viewer's own, of one viewer."""

    def __init__(self, fan_out: "FanOut", key: object, document: Document, feed: Feed, asked: "_Asked") -> None:
        self._fan_out = fan_out
        self._key = key
        self._document = document
        self._feed = feed
        self._asked = asked
        self._subscribers: set[Subscriber] = set()
        self._jobs: deque[_Job] = deque()
        self._open: dict[int, _Job] = {}
        self._working: asyncio.Task[None] | None = None

    def add(self, subscriber: Subscriber) -> None:
        self._subscribers.add(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        self._subscribers.discard(subscriber)
        if not self._subscribers:
            self._fan_out.forget(self._key, self)

    def tell(self, subscriber: Subscriber, news: Any) -> None:
        """Adds the subscriber to those who are told this piece of news, after all that came before it."""
        job = self._open.get(id(news))
        if job is None:
            if len(self._jobs) >= MOST_UNREAD and not isinstance(news, _End):
                for each in list(self._subscribers):
                    each.stop()
                    each.receiver.fell_behind()
                return
            job = _Job(news)
            self._open[id(news)] = job
            self._jobs.append(job)
            if self._working is None:
                self._working = asyncio.create_task(self._work())
        job.to.append(subscriber)

    async def _work(self) -> None:
        try:
            while self._jobs:
                job = self._jobs.popleft()
                del self._open[id(job.news)]
                if isinstance(job.news, _End):
                    self._end(job, job.news.error)
                else:
                    message = await self._message(job.news)
                    for subscriber in job.to:
                        if not subscriber.over:
                            subscriber.receiver.next(message)
        finally:
            self._working = None

    async def _message(self, news: Any) -> Message:
        engine, asked = self._fan_out.engine, self._asked
        try:
            async with nullcontext() if self._document.shared else self._fan_out.slots:
                context = self._fan_out.make_context(asked.identity, asked.language)
                answer = await engine.answer(self._document, asked.variables, context, self._feed.show(news))
            return Message(orjson.dumps(answer) + b"}")
        except Exception as error:
            broken = {"data": None, **engine.errors(GraphQLError("", original_error=error))}
            return Message(orjson.dumps(broken) + b"}")

    def _end(self, job: _Job, error: Exception | None) -> None:
        engine = self._fan_out.engine
        for subscriber in job.to:
            if subscriber.over:
                continue
            subscriber.stop()
            nothing = None if subscriber.heard else self._feed.nothing
            match error or nothing:
                case None:
                    subscriber.receiver.completed()
                case FellBehind():
                    subscriber.receiver.fell_behind()
                case GraphQLError() as told:
                    subscriber.receiver.failed(engine.errors(told))
                case other:
                    subscriber.receiver.failed(engine.errors(GraphQLError("", original_error=other)))


@dataclass(frozen=True, slots=True)
class _Asked:
    variables: Mapping[str, Any] | None
    identity: Identity
    language: Language


class FanOut:
    """The subscriptions of this process whose news are pushed."""

    def __init__(self, engine: Engine, make_context: MakeContext) -> None:
        self.engine = engine
        self.make_context = make_context
        self.slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._groups: dict[object, _Group] = {}

    def subscribe(
        self,
        document: Document,
        variables: Mapping[str, Any] | None,
        identity: Identity,
        language: Language,
        receiver: Receiver,
    ) -> Subscriber | None:
        """Begins the subscription; None if its news have to be pulled.

        Raises:
            RequestRefused: the subscription did not begin.
        """
        feed = None if document.subscription is None else FEEDS.get(document.subscription.name.value)
        if feed is None:
            return None
        arguments = self.engine.arguments(document, variables)
        whose = None if document.shared else identity.claims
        # The text of the variables, because 1, 1.0 and true are equal.
        key = id(document), orjson.dumps(variables, option=orjson.OPT_SORT_KEYS), language, whose
        group = self._groups.get(key)
        if group is None:
            group = _Group(self, key, document, feed, _Asked(variables, identity, language))
        subscriber = Subscriber(group, receiver)
        try:
            subscriber.leave = feed.open(self.make_context(identity, language), arguments, subscriber)
        except GraphQLError as error:
            raise RequestRefused(error) from None
        self._groups[key] = group
        group.add(subscriber)
        return subscriber

    def forget(self, key: object, group: _Group) -> None:
        """Nobody is in the group any more."""
        if self._groups.get(key) is group:
            del self._groups[key]
