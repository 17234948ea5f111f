"""What the tests of account links do again and again: people link, and what is kept of them is looked at."""

import pytest

from application.account_links import BegunAttempt, CompletedLink, Departure
from application.ports import MessengerFailed, Trouble
from domain.access import Viewer
from domain.account_link import AccountLink, EducationProfile, Tokens
from domain.audit import SCHEDULE
from tests.builders import a_viewer
from tests.fakes.world import World

KLIMOVA, PETROV = a_viewer("klimova"), a_viewer("petrov")
HERS, HIS = EducationProfile("101", "Анна К."), EducationProfile("202", "Пётр П.")


async def begin(world: World, viewer: Viewer = KLIMOVA) -> BegunAttempt:
    """The viewer's new attempt."""
    return await world.use_cases.begin_account_link(viewer, None)


async def depart(world: World, viewer: Viewer = KLIMOVA) -> Departure:
    """The viewer's browser is on its way to VK ID."""
    return await world.use_cases.depart_for_vk_id((await begin(world, viewer)).id)


async def link_anew(world: World, viewer: Viewer = KLIMOVA, profile: EducationProfile = HERS) -> CompletedLink:
    """The viewer goes all the way and chooses the profile."""
    departure = await depart(world, viewer)
    callback = world.identity_provider.allow(departure.url, profile)
    return await world.use_cases.complete_account_link(callback, browser=departure.browser)


async def link_of(world: World, viewer: Viewer = KLIMOVA) -> AccountLink | None:
    """The viewer's link as it is kept."""
    async with world.storage.begin(SCHEDULE) as uow:
        return await uow.account_links.find(viewer.person_id)


async def tokens_of(world: World, viewer: Viewer = KLIMOVA) -> Tokens | None:
    """The tokens that are kept for the viewer."""
    link = await link_of(world, viewer)
    return link.tokens if link else None


async def trouble_of(world: World, viewer: Viewer = KLIMOVA) -> Trouble:
    """Why there is no token."""
    with pytest.raises(MessengerFailed) as failed:
        await world.access_tokens(viewer.person_id)
    assert failed.value.certain
    return failed.value.trouble
