"""Linking a school account to an education profile of VK ID, and the tokens that the link keeps."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.calls import save_with_calls
from application.ports import (
    AuthorizationFailed,
    Begin,
    ConcurrentChange,
    IdentityProvider,
    IdentityProviderUnavailable,
    MessengerFailed,
    Trouble,
)
from domain.access import Viewer, by
from domain.account_link import AccountLink, AccountLinkStatus, EducationProfile, LinkAttempt, Tokens, link
from domain.audit import SFERUM, AuditCause, Because
from domain.errors import ProblemCode, refuse
from domain.ids import PersonId

LONGEST_REFRESH = timedelta(seconds=15)
"""Longer than any answer of VK ID is waited for; afterwards somebody else may refresh."""


@dataclass(frozen=True, slots=True)
class BegunAttempt:
    """The attempt's id and until when it serves."""

    id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class BeginAccountLink:
    """Begins an attempt for the viewer (LINK-05). `return_addresses` are those that linking may return to, exactly."""

    begin: Begin
    attempt_life: timedelta
    return_addresses: tuple[str, ...]

    async def __call__(self, viewer: Viewer, return_to: str | None) -> BegunAttempt:
        if viewer.roster_service:
            raise refuse(ProblemCode.FORBIDDEN)
        if return_to is not None and return_to not in self.return_addresses:
            raise refuse(ProblemCode.RETURN_ADDRESS_NOT_ALLOWED, "returnTo")
        async with self.begin(by(viewer)) as uow:
            present = await uow.account_links.find(viewer.person_id)
            if present is not None and present.status is AccountLinkStatus.LINKED:
                raise refuse(ProblemCode.ALREADY_LINKED)
            attempt = LinkAttempt(
                id=secrets.token_urlsafe(32),
                state=secrets.token_urlsafe(48),
                verifier=secrets.token_urlsafe(64),
                person_id=viewer.person_id,
                return_to=return_to,
                expires_at=await uow.now() + self.attempt_life,
            )
            await uow.account_links.save_attempt(attempt)
        return BegunAttempt(attempt.id, attempt.expires_at)


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, and the secret that it keeps so that its return is known."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class DepartForVkId:
    """Sends the browser that opens an attempt on to VK ID; works once (LINK-10)."""

    begin: Begin
    identity_provider: IdentityProvider

    async def __call__(self, attempt_id: str) -> Departure:
        browser = secrets.token_urlsafe(32)
        async with self.begin(Because(AuditCause.USER)) as uow:
            attempt = await uow.account_links.find_attempt(id=attempt_id)
            if attempt is None:
                raise refuse(ProblemCode.STATE_UNKNOWN)
            attempt.open_in(browser, at=await uow.now())
            await uow.account_links.save_attempt(attempt)
        url = self.identity_provider.authorization_url(state=attempt.state, verifier=attempt.verifier)
        return Departure(url, browser)


@dataclass(frozen=True, slots=True)
class Callback:
    """What VK ID sent back with the browser."""

    state: str | None = None
    code: str | None = None
    device_id: str | None = None
    error: str | None = None


def read_callback(parameters: Mapping[str, str]) -> Callback:
    """The callback in either form: plain parameters, or all of them in `payload` as JSON (reference vk.md, 1.3)."""
    fields: Mapping[str, object] = parameters
    if payload := parameters.get("payload"):
        try:
            read = json.loads(payload)
        except ValueError:
            read = None
        fields = read if isinstance(read, dict) else {}

    def text(name: str) -> str | None:
        value = fields.get(name)
        return value if isinstance(value, str) and value else None

    return Callback(text("state"), text("code"), text("device_id"), text("error"))


@dataclass(frozen=True, slots=True)
class CompletedLink:
    """Whose account is linked now, and where the browser goes back to."""

    person_id: PersonId
    return_to: str | None


@dataclass(frozen=True, slots=True)
class CompleteAccountLink:
    """Completes an attempt from its callback, in the browser that departed (`browser`) or by the user who began it.

    Whatever comes of it, the attempt serves once: of parallel callbacks one exchanges the code (LINK-10).
    """

    begin: Begin
    identity_provider: IdentityProvider

    async def __call__(
        self, callback: Callback, *, browser: str | None = None, viewer: Viewer | None = None
    ) -> CompletedLink:
        attempt = await self._use_up(callback, browser, viewer)
        if callback.error is not None or callback.code is None or callback.device_id is None:
            raise refuse(ProblemCode.AUTHORIZATION_DENIED)
        try:
            tokens = await self.identity_provider.exchange(
                code=callback.code, verifier=attempt.verifier, device_id=callback.device_id, state=attempt.state
            )
            profile = await self.identity_provider.profile(tokens.access)
        except AuthorizationFailed:
            raise refuse(ProblemCode.AUTHORIZATION_DENIED) from None
        except IdentityProviderUnavailable:
            raise refuse(ProblemCode.TRY_AGAIN) from None
        await self._link(attempt.person_id, profile, tokens)
        return CompletedLink(attempt.person_id, attempt.return_to)

    async def _use_up(self, callback: Callback, browser: str | None, viewer: Viewer | None) -> LinkAttempt:
        if callback.state is None:
            raise refuse(ProblemCode.STATE_UNKNOWN)
        async with self.begin(Because(AuditCause.USER)) as uow:
            attempt = await uow.account_links.find_attempt(state=callback.state)
            if attempt is None:
                raise refuse(ProblemCode.STATE_UNKNOWN)
            attempt.come_back(at=await uow.now(), browser=browser, person=viewer.person_id if viewer else None)
            await uow.account_links.save_attempt(attempt)
            return attempt

    async def _link(self, person: PersonId, profile: EducationProfile, tokens: Tokens) -> None:
        try:
            async with self.begin(Because(AuditCause.USER, person=person)) as uow:
                at = await uow.now()
                present = await uow.account_links.find(person, lock=True)
                if present is not None and present.status is AccountLinkStatus.LINKED:
                    raise refuse(ProblemCode.ALREADY_LINKED)
                if await uow.account_links.holder(profile.id) not in (None, person):
                    raise refuse(ProblemCode.PROFILE_ALREADY_LINKED)
                await uow.account_links.save(link(person, profile, tokens, at=at))
                for conference in await uow.videoconferences.waiting_for_starter(person):
                    conference.starter_appeared(at=at)
                    await save_with_calls(uow, conference, at=at)
        except ConcurrentChange:
            raise refuse(ProblemCode.PROFILE_ALREADY_LINKED) from None


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Hands out working access tokens; one caller at a time refreshes an account's pair, and stores it before use."""

    begin: Begin
    identity_provider: IdentityProvider

    async def __call__(self, person: PersonId) -> str:
        """A token good for some minutes. Raises MessengerFailed with RELINK_NEEDED or UNAVAILABLE."""
        return await self._token(person, refused=None)

    async def renewed(self, person: PersonId, refused: str) -> str:
        """A token other than the one that was just refused. Raises as above."""
        return await self._token(person, refused=refused)

    async def _token(self, person: PersonId, *, refused: str | None) -> str:
        for _ in range(int(LONGEST_REFRESH.total_seconds() * 10)):
            async with self.begin(SFERUM) as uow:
                at = await uow.now()
                known = await uow.account_links.find(person, lock=True)
                if known is None or known.tokens is None:
                    raise MessengerFailed(Trouble.RELINK_NEEDED, certain=True)
                tokens = known.tokens
                if tokens.access != refused and not known.wants_refresh(at=at):
                    return tokens.access
                mine = known.claim_refresh(at=at, until=at + LONGEST_REFRESH)
                if mine:
                    await uow.account_links.save(known)
            if mine:
                return await self._refresh(person, tokens)
            if tokens.access != refused and tokens.access_expires_at > at:
                return tokens.access
            await asyncio.sleep(0.1)
        raise MessengerFailed(Trouble.UNAVAILABLE, certain=True)

    async def _refresh(self, person: PersonId, tokens: Tokens) -> str:
        try:
            fresh = await self.identity_provider.refresh(tokens)
        except AuthorizationFailed:
            await self._change(person, tokens, AccountLink.break_)
            raise MessengerFailed(Trouble.RELINK_NEEDED, certain=True) from None
        except IdentityProviderUnavailable:
            await self._change(person, tokens, AccountLink.release_refresh)
            raise MessengerFailed(Trouble.UNAVAILABLE, certain=True) from None
        await self._change(person, tokens, lambda known: known.refreshed(fresh))
        return fresh.access

    async def _change(self, person: PersonId, tokens: Tokens, change: Callable[[AccountLink], None]) -> None:
        async with self.begin(SFERUM) as uow:
            known = await uow.account_links.find(person, lock=True)
            # Whoever unlinked or linked anew meanwhile has other tokens, which are not ours to touch.
            if known is not None and known.tokens == tokens:
                change(known)
                await uow.account_links.save(known)
