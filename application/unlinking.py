"""Unlinking a school account: the tokens go here at once, and VK ID is told until it knows (LINK-08)."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.mirror import EmptyBeforeUnlinking
from application.ports import (
    AuthorizationFailed,
    Begin,
    ChatsOfAccount,
    IdentityProvider,
    IdentityProviderUnavailable,
    UnitOfWork,
)
from domain.access import Viewer, by
from domain.account_link import Revocation
from domain.audit import SFERUM
from domain.errors import ProblemCode, refuse
from domain.ids import PersonId

LONGEST_REVOCATION = timedelta(seconds=30)
"""Longer than all answers of VK ID that one try waits for; afterwards another worker may try."""
AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class UnlinkAccount:
    """Ends the viewer's link (LINK-08), or answers what the chat administrator is to be asked first (SYNC-06).

    Whoever is to leave chats that the account owns leaves them first, as far as that takes 30 seconds.
    """

    begin: Begin
    empty: EmptyBeforeUnlinking

    async def __call__(self, viewer: Viewer, *, confirmed: bool) -> ChatsOfAccount | None:
        if viewer.roster_service:
            raise refuse(ProblemCode.FORBIDDEN)
        async with self.begin(by(viewer)) as uow:
            if await uow.account_links.find(viewer.person_id) is None:
                raise refuse(ProblemCode.NOT_LINKED)
            if not confirmed:
                chats = await uow.account_links.chats_of(viewer.person_id)
                if chats.owned is None:
                    raise refuse(ProblemCode.NOT_CONFIRMED, "confirmed")
                return chats
        await self.empty(viewer.person_id)
        async with self.begin(by(viewer)) as uow:
            if not await end_link(uow, viewer.person_id):
                raise refuse(ProblemCode.NOT_LINKED)
            return None


async def end_link(uow: UnitOfWork, person: PersonId) -> bool:
    """Erases the person's link with its tokens, which VK ID is told of afterwards; False if there is none.

    No callback or refresh that is under way brings it back: each looks at the attempt or at the link once more.
    """
    # In the order in which a callback locks them.
    await uow.account_links.forget_attempts(person)
    known = await uow.account_links.find(person, lock=True)
    if known is None:
        return False
    if known.tokens is not None:
        await uow.revocations.save(Revocation(profile_id=known.profile.id, tokens=known.tokens, due_at=await uow.now()))
    known.end()
    await uow.account_links.delete(known)
    return True


@dataclass(frozen=True, slots=True)
class DeliverRevocations:
    """Tells VK ID of a few tokens that nobody may use any more; says of how many. Any number of workers may do so.

    What gets no answer is told again after a pause, until VK ID knows or the tokens are dead.
    """

    begin: Begin
    identity_provider: IdentityProvider

    async def __call__(self) -> int:
        claimed = []
        async with self.begin(SFERUM) as uow:
            at = await uow.now()
            for revocation in await uow.revocations.due(at, limit=AT_ONCE):
                revocation.claim(until=at + LONGEST_REVOCATION)
                await uow.revocations.save(revocation)
                # Whose profile is linked again, to whichever account, keeps what they granted since.
                profile = revocation.profile_id
                alone = profile is not None and await uow.account_links.holder(profile) is None
                claimed.append(self._deliver(revocation, withdraw=alone, expired=_expired(revocation, at)))
        await asyncio.gather(*claimed)
        return len(claimed)

    async def _deliver(self, revocation: Revocation, *, withdraw: bool, expired: bool) -> None:
        try:
            await self._tell(revocation, withdraw=withdraw, expired=expired)
        except IdentityProviderUnavailable:
            async with self.begin(SFERUM) as uow:
                if (known := await uow.revocations.find(revocation.id)) is not None:
                    known.postpone(at=await uow.now())
                    await uow.revocations.save(known)
            return
        except AuthorizationFailed:
            # The pair is dead: there is nothing left to revoke.
            pass
        async with self.begin(SFERUM) as uow:
            await uow.revocations.delete(revocation)

    async def _tell(self, revocation: Revocation, *, withdraw: bool, expired: bool) -> None:
        tell = self.identity_provider.revoke if withdraw else self.identity_provider.log_out
        if not expired:
            try:
                await tell(revocation.tokens)
            except AuthorizationFailed:
                # It may have ended before its time, and the grant may still be there.
                pass
            else:
                return
        revocation.renew(await self.identity_provider.refresh(revocation.tokens))
        async with self.begin(SFERUM) as uow:
            # The new pair is kept before it is used: the old one is of no use any more.
            if (known := await uow.revocations.find(revocation.id)) is not None:
                known.renew(revocation.tokens)
                await uow.revocations.save(known)
        await tell(revocation.tokens)


def _expired(revocation: Revocation, at: datetime) -> bool:
    return revocation.tokens.access_expires_at <= at
