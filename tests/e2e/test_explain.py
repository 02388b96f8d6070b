"""`progimage explain` beside a running server: what it says is what the server does then."""

import json
import subprocess
from typing import Any

import httpx2
import pytest

from tests.deployments import PROGIMAGE, Deployment, environment
from tests.e2e.conftest import EMBEDDED


def run(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROGIMAGE), "explain", *arguments]
    return subprocess.run(command, env=environment(deployment.env), capture_output=True, text=True, timeout=60, check=False)


def test_what_is_explained_is_what_is_answered(deployment: Deployment, api: httpx2.Client, fresh: str) -> None:
    before = run(deployment, f"{deployment.url}/img/{fresh}/h100,w0200,fit_cover.webp")
    assert (before.returncode, before.stderr) == (0, "")
    lines = [line.split() for line in before.stdout.splitlines()]
    canonical = f"/img/{fresh}/w200,h100,fit_cover.webp"
    for words in (["canonical", canonical], ["stored", "no"], ["size", "200", "x", "100"], ["cost", "reads", "original,"]):
        assert any(line[: len(words)] == words for line in lines), words

    answer = api.get(canonical)
    assert answer.headers.get("x-cache") == "miss", "nothing had been rendered"
    after = run(deployment, canonical, "--json")
    told: dict[str, Any] = json.loads(after.stdout)
    assert f'"{told["cache"]["etag"]}"' == answer.headers["etag"]
    assert (told["cache"]["stored"], told["cache"]["bytes"]) == (True, len(answer.content))
    assert answer.headers.items() >= told["headers"].items()
    assert told["result"]["size"] == [200, 100]


@pytest.mark.parametrize("deployment", [EMBEDDED], indirect=True)
def test_what_would_fail_ends_with_the_problem_and_a_one(deployment: Deployment, stored: str) -> None:
    failed = run(deployment, f"/img/{stored}/w0.webp")
    assert failed.returncode == 1
    assert "/problems/bad-plan" in failed.stdout
