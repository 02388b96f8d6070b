"""An environment of one's own: no setting of the developer reaches these tests."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from proxy import logs
from proxy.settings import Settings


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PROGIMAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, as JSON."""
    stream = io.StringIO()
    logs.configure(Settings(log_format="json"), stream)
    yield stream
    structlog.reset_defaults()
