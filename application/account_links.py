"""Linking a school account to an education profile of VK ID, and the tokens that the link keeps."""

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from domain.account_link import (
    RENEW_AFTER,
    AccountLink,
    AccountLinkStatus,
    EducationProfile,
    LinkAttempt,
    Revocation,
    Tokens,
    link,
)
from domain.audit import SFERUM, AuditCause, Because
from domain.errors import ProblemCode, Refused, refuse
from domain.ids import PersonId

LONGEST_REFRESH = timedelta(seconds=15)
"""Longer than any answer of VK ID is waited for; afterwards somebody else may refresh."""
LONGEST_TEXT = 4096
"""Longer than any text of a callback; VK ID's codes have some two hundred characters."""
LONGEST_WAIT_FOR_REVOCATION = timedelta(seconds=10)
RENEWED_AT_ONCE = 5


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
        if not _is_sane(attempt_id):
            raise refuse(ProblemCode.STATE_UNKNOWN)
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
            read = json.loads(payload[: 4 * LONGEST_TEXT])
        except (ValueError, RecursionError):
            read = None
        fields = read if isinstance(read, dict) else {}

    def text(name: str) -> str | None:
        value = fields.get(name)
        return value if isinstance(value, str) and value else None

    read_texts = text("state"), text("code"), text("device_id"), text("error")
    # What VK ID would not send is as good as nothing; an error counts whatever it says.
    state, code, device_id = (given if given is not None and _is_sane(given) else None for given in read_texts[:3])
    return Callback(state, code, device_id, read_texts[3])


def _is_sane(text: str) -> bool:
    return len(text) <= LONGEST_TEXT and text.isascii() and text.isprintable()


@dataclass(frozen=True, slots=True)
class CompletedLink:
    """Whose account is linked now, and where the browser goes back to."""

    person_id: PersonId
    return_to: str | None


class LinkRefused(Refused):
    """An attempt was used up in vain; the browser may go back to where it came from, to begin anew."""

    def __init__(self, refused: Refused, return_to: str | None) -> None:
        super().__init__(*refused.problems)
        self.return_to = return_to


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
        if viewer is not None and viewer.roster_service:
            raise refuse(ProblemCode.FORBIDDEN)
        attempt = await self._use_up(callback, browser, viewer)
        try:
            await self._complete(callback, attempt)
        except Refused as refused:
            raise LinkRefused(refused, attempt.return_to) from None
        return CompletedLink(attempt.person_id, attempt.return_to)

    async def _complete(self, callback: Callback, attempt: LinkAttempt) -> None:
        if callback.error is not None or callback.code is None or callback.device_id is None:
            raise refuse(ProblemCode.AUTHORIZATION_DENIED)
        with _as_refusals():
            tokens = await self.identity_provider.exchange(
                code=callback.code, verifier=attempt.verifier, device_id=callback.device_id, state=attempt.state
            )
        profile: EducationProfile | None = None
        try:
            with _as_refusals():
                profile = await self.identity_provider.profile(tokens.access)
                await self._link(attempt, profile, tokens)
        except Refused:
            # Nobody will ever use them.
            async with self.begin(SFERUM) as uow:
                profile_id = None if profile is None else profile.id
                await uow.revocations.save(Revocation(profile_id=profile_id, tokens=tokens, due_at=await uow.now()))
            raise

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

    async def _link(self, attempt: LinkAttempt, profile: EducationProfile, tokens: Tokens) -> None:
        while not await self._save(attempt, profile, tokens):
            # VK ID is being told that this profile was unlinked a moment ago, which may end the new tokens too.
            await self._until_told(profile.id)
            await self.identity_provider.profile(tokens.access)

    async def _save(self, attempt: LinkAttempt, profile: EducationProfile, tokens: Tokens) -> bool:
        """Saves the new link; False while an earlier one's revocation is under way."""
        person = attempt.person_id
        try:
            async with self.begin(Because(AuditCause.USER, person=person)) as uow:
                if await uow.account_links.find_attempt(id=attempt.id) is None:
                    # Whoever unlinked, or was erased, while this was under way stays unlinked.
                    raise refuse(ProblemCode.STATE_UNKNOWN)
                present = await uow.account_links.find(person, lock=True)
                if present is not None and present.status is AccountLinkStatus.LINKED:
                    raise refuse(ProblemCode.ALREADY_LINKED)
                if await uow.account_links.holder(profile.id) not in (None, person):
                    raise refuse(ProblemCode.PROFILE_ALREADY_LINKED)
                revocations = await uow.revocations.of_profile(profile.id)
                at = await uow.now()
                if any(revocation.is_under_way(at=at) for revocation in revocations):
                    return False
                await uow.account_links.save(link(person, profile, tokens, at=at))
                for conference in await uow.videoconferences.waiting_for_starter(person):
                    conference.starter_appeared(at=at)
                    await save_with_calls(uow, conference, at=at)
                return True
        except ConcurrentChange:
            raise refuse(ProblemCode.PROFILE_ALREADY_LINKED) from None

    async def _until_told(self, profile_id: str) -> None:
        for _ in range(int(LONGEST_WAIT_FOR_REVOCATION.total_seconds() * 10)):
            await asyncio.sleep(0.1)
            async with self.begin(SFERUM) as uow:
                at = await uow.now()
                revocations = await uow.revocations.of_profile(profile_id)
            if not any(revocation.is_under_way(at=at) for revocation in revocations):
                return
        raise refuse(ProblemCode.TRY_AGAIN)


@contextmanager
def _as_refusals() -> Iterator[None]:
    try:
        yield
    except AuthorizationFailed:
        raise refuse(ProblemCode.AUTHORIZATION_DENIED) from None
    except IdentityProviderUnavailable:
        raise refuse(ProblemCode.TRY_AGAIN) from None


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Hands out working access tokens; one caller at a time refreshes an account's pair, and stores it before use."""

    begin: Begin
    identity_provider: IdentityProvider

    async def __call__(self, person: PersonId) -> str:
        """A token good for some minutes. Raises MessengerFailed with RELINK_NEEDED or UNAVAILABLE."""
        return await self._token(person)

    async def renewed(self, person: PersonId, refused: str) -> str:
        """A token other than the one that was just refused. Raises as above."""
        return await self._token(person, refused=refused)

    async def renew_older(self, person: PersonId, than: datetime) -> None:
        """Sees to it that the pair is not older. Raises as above."""
        await self._token(person, older_than=than)

    async def _token(self, person: PersonId, *, refused: str | None = None, older_than: datetime | None = None) -> str:
        for _ in range(int(LONGEST_REFRESH.total_seconds() * 10)):
            async with self.begin(SFERUM) as uow:
                at = await uow.now()
                known = await uow.account_links.find(person, lock=True)
                if known is None or known.tokens is None:
                    raise MessengerFailed(Trouble.RELINK_NEEDED, certain=True)
                tokens = known.tokens
                old = older_than is not None and known.renewed_at < older_than
                if tokens.access != refused and not old and not known.wants_refresh(at=at):
                    return tokens.access
                works = tokens.access != refused and not old and tokens.access_expires_at > at
                mine = known.claim_refresh(at=at, until=at + LONGEST_REFRESH)
                if mine:
                    await uow.account_links.save(known)
            if mine:
                if (fresh := await self._refresh(known, tokens, works=works)) is not None:
                    return fresh
            elif works:
                return tokens.access
            else:
                await asyncio.sleep(0.1)
        raise MessengerFailed(Trouble.UNAVAILABLE, certain=True)

    async def _refresh(self, known: AccountLink, tokens: Tokens, *, works: bool) -> str | None:
        """The new pair's access token; None when the link is another one by now."""
        person = known.person_id
        try:
            fresh = await self.identity_provider.refresh(tokens)
        except AuthorizationFailed:
            await self._change(person, tokens, lambda link, _: link.break_())
            raise MessengerFailed(Trouble.RELINK_NEEDED, certain=True) from None
        except IdentityProviderUnavailable:
            await self._change(person, tokens, lambda link, _: link.release_refresh())
            if works:
                return tokens.access
            raise MessengerFailed(Trouble.UNAVAILABLE, certain=True) from None
        if await self._change(person, tokens, lambda link, at: link.refreshed(fresh, at=at)):
            return fresh.access
        async with self.begin(SFERUM) as uow:
            await uow.revocations.save(Revocation(profile_id=known.profile.id, tokens=fresh, due_at=await uow.now()))
        return None

    async def _change(self, person: PersonId, tokens: Tokens, change: Callable[[AccountLink, datetime], None]) -> bool:
        """Changes the link; False if whoever unlinked or linked anew meanwhile has other tokens, not ours to touch."""
        async with self.begin(SFERUM) as uow:
            known = await uow.account_links.find(person, lock=True)
            if known is None or known.tokens != tokens:
                return False
            change(known, await uow.now())
            await uow.account_links.save(known)
            return True


@dataclass(frozen=True, slots=True)
class KeepLinksAlive:
    """Renews a few links' tokens before they die of disuse; says of how many. Any number of workers may do so."""

    begin: Begin
    access_tokens: AccessTokens

    async def __call__(self) -> int:
        async with self.begin(SFERUM) as uow:
            old = await uow.now() - RENEW_AFTER
            people = await uow.account_links.renewed_before(old, limit=RENEWED_AT_ONCE)
        renewed = 0
        for person in people:
            try:
                await self.access_tokens.renew_older(person, old)
                renewed += 1
            except MessengerFailed as failed:
                if failed.trouble is not Trouble.RELINK_NEEDED:
                    # VK ID is away, and there are two months left.
                    break
        return renewed
