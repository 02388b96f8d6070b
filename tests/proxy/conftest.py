"""An environment of one's own: no setting of the developer reaches these tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PROGIMAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
