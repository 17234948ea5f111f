"""A school account linked to one education profile of VK ID: how it comes to be, once, and what is left to undo."""

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from domain.errors import ProblemCode, refuse
from domain.events import EventRecorder
from domain.ids import PersonId
from domain.pauses import doubled

REFRESH_AHEAD = timedelta(minutes=5)
RENEW_AFTER = timedelta(days=120)
"""Long before a refresh token, which nobody uses, dies of old age: 180 days (reference vk.md, 1.7)."""
LONGEST_PAUSE = timedelta(minutes=1)


class AccountLinkStatus(StrEnum):
    """Whether a person has linked, and whether the link still works (LINK-11)."""

    NOT_LINKED = "NOT_LINKED"
    LINKED = "LINKED"
    BROKEN = "BROKEN"


@dataclass(frozen=True, slots=True)
class EducationProfile:
    """All that is kept of a VK ID profile: its user id there and the name to show (AUDIT-03)."""

    id: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What lets us act for the profile; `device_id` belongs to the pair and goes with each refresh. Never printed."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    device_id: str = field(repr=False)
    access_expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccountLinked:
    """A person linked an education profile."""

    person_id: PersonId


@dataclass(frozen=True, slots=True)
class AccountLinkBroke:
    """VK ID does not honour the tokens any more; the person is asked to link anew."""

    person_id: PersonId


@dataclass(frozen=True, slots=True)
class AccountUnlinked:
    """The person's account is linked no more, by their own wish or because they are erased."""

    person_id: PersonId


@dataclass(slots=True, kw_only=True, eq=False)
class AccountLink(EventRecorder):
    """One profile for one account, whatever the number of organizations (LINK-09). Without tokens it is broken.

    `renewed_at` is when VK ID gave the present pair.
    """

    person_id: PersonId
    profile: EducationProfile
    linked_at: datetime
    renewed_at: datetime
    tokens: Tokens | None
    refresh_claimed_until: datetime | None = None

    @property
    def status(self) -> AccountLinkStatus:
        """LINKED while there are tokens."""
        return AccountLinkStatus.BROKEN if self.tokens is None else AccountLinkStatus.LINKED

    def wants_refresh(self, *, at: datetime) -> bool:
        """Whether the access token is about to expire."""
        return self.tokens is not None and self.tokens.access_expires_at - at <= REFRESH_AHEAD

    def claim_refresh(self, *, at: datetime, until: datetime) -> bool:
        """Makes the caller the only one who refreshes until then; False if another one is at it."""
        if self.refresh_claimed_until is not None and self.refresh_claimed_until > at:
            return False
        self.refresh_claimed_until = until
        return True

    def release_refresh(self) -> None:
        """The refresh could not be tried; the tokens are still the present ones."""
        self.refresh_claimed_until = None

    def refreshed(self, tokens: Tokens, *, at: datetime) -> None:
        """A new pair replaces the old, which is dead from now on."""
        self.tokens = tokens
        self.renewed_at = at
        self.refresh_claimed_until = None

    def break_(self) -> None:
        """VK ID withdrew the tokens (LINK-11). Idempotent."""
        if self.tokens is not None:
            self.tokens = None
            self.refresh_claimed_until = None
            self.events.append(AccountLinkBroke(self.person_id))

    def end(self) -> None:
        """The account is unlinked: storage deletes the link when it is told of this (LINK-08)."""
        self.tokens = None
        self.events.append(AccountUnlinked(self.person_id))


def link(person_id: PersonId, profile: EducationProfile, tokens: Tokens, *, at: datetime) -> AccountLink:
    """A new link."""
    made = AccountLink(person_id=person_id, profile=profile, linked_at=at, renewed_at=at, tokens=tokens)
    made.events.append(AccountLinked(person_id))
    return made


@dataclass(slots=True, kw_only=True, eq=False)
class Revocation:
    """A pair of tokens that nobody may use any more, and VK ID has still to be told so.

    `profile_id` is whose they are, if that is known. Whoever tells VK ID claims it first, and is alone until then.
    """

    id: UUID = field(default_factory=uuid4)
    profile_id: str | None
    tokens: Tokens
    due_at: datetime
    tries: int = 0
    claimed_until: datetime | None = None

    def is_under_way(self, *, at: datetime) -> bool:
        """Whether somebody may be telling VK ID at this moment."""
        return self.claimed_until is not None and self.claimed_until > at

    def claim(self, *, until: datetime) -> None:
        """Somebody tells VK ID now; if nothing is heard of them, it is due again then."""
        self.tries += 1
        self.claimed_until = self.due_at = until

    def renew(self, tokens: Tokens) -> None:
        """The access token had expired; a new pair replaces the old, which is dead from now on."""
        self.tokens = tokens

    def postpone(self, *, at: datetime) -> None:
        """VK ID gave no answer; after a pause, longer each time, it is told again."""
        self.claimed_until = None
        self.due_at = at + doubled(self.tries, most=LONGEST_PAUSE)


@dataclass(slots=True, kw_only=True, eq=False)
class LinkAttempt:
    """One way to VK ID and back: bound to who began it and the browser that went, for a limited time, once (LINK-10).

    `id` opens the way (`/vk-id/start`), `state` comes back from VK ID, `browser` is the secret in the browser's
    cookie, `verifier` is the PKCE verifier (RFC 7636), which never leaves us.
    """

    id: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    person_id: PersonId
    return_to: str | None
    expires_at: datetime
    browser: str | None = field(default=None, repr=False)
    used: bool = False

    def open_in(self, browser: str, *, at: datetime) -> None:
        """The browser sets off to VK ID; a second one cannot.

        Raises:
            Refused: STATE_USED or STATE_EXPIRED.
        """
        if self.browser is not None or self.used:
            raise refuse(ProblemCode.STATE_USED)
        self._in_time(at)
        self.browser = browser

    def come_back(self, *, at: datetime, browser: str | None = None, person: PersonId | None = None) -> None:
        """The callback came, in the browser that went, or brought by the user who began; the attempt is used up.

        Raises:
            Refused: STATE_USED, STATE_EXPIRED or STATE_OF_ANOTHER_USER; a foreign callback does not use it up.
        """
        if not self._went_in(browser) and person != self.person_id:
            raise refuse(ProblemCode.STATE_OF_ANOTHER_USER)
        if self.used:
            raise refuse(ProblemCode.STATE_USED)
        self._in_time(at)
        self.used = True

    def _went_in(self, browser: str | None) -> bool:
        if browser is None or self.browser is None:
            return False
        return hmac.compare_digest(browser.encode(), self.browser.encode())

    def _in_time(self, at: datetime) -> None:
        if at >= self.expires_at:
            raise refuse(ProblemCode.STATE_EXPIRED)
