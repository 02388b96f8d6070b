"""A system that lets the server start no more threads and processes (row K4).

That limit does not bind root: the app is another user's, who may read what root may.
"""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import httpx2
import pytest

from tests.deployments import PROGIMAGE, environment
from tests.e2e.conftest import eventually, store
from tests.photos import photo, size_of
from tests.servers import Server, answers, family, free_port, running

pytestmark = [
    pytest.mark.xdist_group("faults-disk"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may start the app as another user, whose threads can be counted"),
]

OWNER = "nobody"
PLENTY = 4096


@dataclass(frozen=True, kw_only=True)
class Place:
    app: Server
    api: httpx2.Client

    @property
    def children(self) -> set[int]:
        """Those that render."""
        return {pid for pid in family(self.app.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}

    def children_are_idle(self) -> bool:
        """They are there, and have no threads of libvips."""
        return [threads(child) for child in self.children] == [2] * (os.cpu_count() or 1)

    @contextmanager
    def bounded(self, threads: int) -> Iterator[None]:
        """No process of the app may start a thread or a process when its user has so many already."""
        self._limit(threads)
        try:
            yield
        finally:
            self._limit(PLENTY)

    def _limit(self, threads: int) -> None:
        for pid in family(self.app.pid):
            # One that has just died needs no limit.
            subprocess.run([*as_owner(), "prlimit", "--pid", str(pid), f"--nproc={threads}:"], check=False, stderr=subprocess.DEVNULL)


def threads(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


def as_owner(*more: str) -> list[str]:
    group = str(pwd.getpwnam(OWNER).pw_gid)
    return ["setpriv", f"--reuid={OWNER}", f"--regid={group}", "--clear-groups", *more]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    # Where others can reach it.
    folder = Path(mkdtemp(prefix="progimage-threads-"))
    shutil.chown(folder, OWNER)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    reads_all = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    command = [*as_owner(*reads_all), PROGIMAGE, "serve", "--port", port, "--data", folder]
    settings = {"PROGIMAGE_MEMORY_CACHE": "0", "PROGIMAGE_WARM": "", "PROGIMAGE_DRAIN_NOTICE": "0", "HOME": str(folder)}
    try:
        with (
            running(
                command, url=url, log=folder / "serve.log", ready=lambda: answers(f"{url}/readyz"), env=environment(settings), within=60
            ) as app,
            httpx2.Client(base_url=url, timeout=30, trust_env=False) as api,
        ):
            yield Place(app=app, api=api)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def image(place: Place) -> str:
    """One with a variant of 64 pixels."""
    image = store(place.api, photo(800, 600))
    eventually(lambda: place.api.get(f"/images/{image}").json()["thumbhash"])
    assert place.api.get(f"/img/{image}/w64.webp").status_code == 200
    return image


def refused(answer: httpx2.Response) -> bool:
    assert answer.status_code == 503, answer.text[:300]
    assert answer.json()["type"] in {"/problems/no-threads", "/problems/render-unavailable"}
    assert int(answer.headers["retry-after"]) <= 5
    return True


def threads_of_owner() -> int:
    uid, found = pwd.getpwnam(OWNER).pw_uid, 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError):
            found += threads(int(process.name)) if process.stat().st_uid == uid else 0
    return found


@pytest.mark.row("K4")
def test_who_may_start_no_more_threads_sheds_and_recovers(place: Place, image: str) -> None:
    new = photo(300, 200)
    with place.bounded(1):
        assert refused(place.api.get(f"/img/{image}/w65.webp"))
        assert refused(place.api.post("/images", content=new))
        for path in (f"/img/{image}", f"/img/{image}/w64.webp", "/images"):
            # One thread that is there already is enough, unless it is busy with somebody else's.
            assert (answer := place.api.get(path)).status_code == 200 or refused(answer)
        assert place.api.get("/livez").status_code == 200
        for child in place.children:
            os.kill(child, signal.SIGKILL)
        eventually(lambda: place.api.get("/readyz").status_code == 503)
        assert refused(place.api.get(f"/img/{image}/w65.webp"))
        assert place.api.get("/livez").status_code == 200
    eventually(lambda: place.api.get(f"/img/{image}/w65.webp").status_code == 200)
    assert place.api.get(f"/img/{store(place.api, new)}").content == new
    assert place.api.get("/readyz").status_code == 200


@pytest.mark.row("K4")
@pytest.mark.soak
def test_no_picture_is_blamed_for_threads_that_libvips_could_not_start(place: Place, image: str) -> None:
    """libvips dies of the first that it cannot start, and says of a later one that the picture could not be written."""
    seen = set()
    for more in (1, 2, 3):
        path = f"/img/{image}/w{100 + more}.webp"
        # libvips keeps its threads for fifteen seconds.
        eventually(place.children_are_idle, within=40)
        with place.bounded(threads_of_owner() + more):
            answer = place.api.get(path)
            assert answer.status_code == 200 or refused(answer)
            seen.add(answer.status_code)
        answer = eventually(partial(succeeded, place.api, path))
        assert size_of(answer.content)[0] == 100 + more
    assert 503 in seen


def succeeded(api: httpx2.Client, path: str) -> httpx2.Response | None:
    return answer if (answer := api.get(path)).status_code == 200 else None
