"""A world on Monday at eight."""

import pytest

from tests.fakes.world import World


@pytest.fixture
def world() -> World:
    return World()
