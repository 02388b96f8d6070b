"""The world is made once; all tests in it belong to one process of xdist."""

from collections.abc import Iterator

import pytest

from tests.world import world as worlds
from tests.world.world import World


@pytest.fixture(scope="session", params=[pytest.param("world", marks=pytest.mark.xdist_group("world"))])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with worlds.world(tmp_path_factory.mktemp("world")) as made:
        yield made
