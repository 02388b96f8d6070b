"""What every test may ask for."""

from collections.abc import Iterator

import pytest

from tests.deployments import Deployment, embedded, grown

SETTINGS = {"embedded": embedded, "grown": grown}


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """uvicorn runs on asyncio, so the tests do."""
    return "asyncio"


# The group keeps all tests of one deployment in one xdist process, so that each deployment is started once.
@pytest.fixture(scope="session", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in SETTINGS])
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A whole running ProgImage, in each of its two settings."""
    name: str = request.param
    with SETTINGS[name](tmp_path_factory.mktemp(name)) as running:
        yield running
