"""What every test may ask for."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.deployments import Deployment, embedded, grown

SETTINGS = {"embedded": embedded, "grown": grown}

# How many examples Hypothesis tries of a property that says no number itself: all of them again, and more, in the soak.
settings.register_profile("suite", max_examples=50, deadline=None)
settings.register_profile("soak", max_examples=300, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("suite" if config.option.markexpr == "not soak" else "soak")


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
