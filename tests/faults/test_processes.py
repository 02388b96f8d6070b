"""Processes that stop, are killed, or stand still: what is lost, and how soon all is as before."""

import asyncio
import os
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from proxy.listening import let_nobody_in
from tests.deployments import PROGIMAGE, environment, progimage_server
from tests.e2e.conftest import eventually, store
from tests.faults.books import client
from tests.nginx.conftest import Site, running_site
from tests.photos import photo
from tests.servers import Server, answers, family, free_port, frozen, running

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("faults-processes")]

CLIENTS = 16
SLOW = "rotate33,blur5.webp"
# uvicorn's parent waits so long for the answer to a ping, and asks twice in a second.
PING_SECONDS = 5


@pytest.mark.parametrize("family_", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_a_listener_that_lets_nobody_in_keeps_who_is_in(family_: socket.AddressFamily, tmp_path: Path) -> None:
    with ExitStack() as stack:
        listener, address = stack.enter_context(socket.socket(family_)), {socket.AF_INET: ("127.0.0.1", 0), socket.AF_INET6: ("::1", 0)}
        listener.bind(address.get(family_, str(tmp_path / "socket")))
        listener.listen(5)
        early, late = stack.enter_context(socket.socket(family_)), stack.enter_context(socket.socket(family_))
        early.connect(listener.getsockname())
        let_nobody_in(listener)
        late.settimeout(0.3)
        with pytest.raises((TimeoutError, FileNotFoundError)):
            late.connect(listener.getsockname())
        accepted = stack.enter_context(listener.accept()[0])
        early.sendall(b"here")
        assert accepted.recv(4) == b"here"


@dataclass(kw_only=True)
class Load:
    """What clients saw who asked as fast as they were answered, half of them by POST."""

    seen: Counter[tuple[str, int]] = field(default_factory=Counter)

    def wrong(self, *but: int) -> dict[tuple[str, int], int]:
        """All that is no success; 503 says that a machine is busy, and is none of a process's that ended."""
        return {what: times for what, times in self.seen.items() if what[1] not in {200, 201, *but}}


@asynccontextmanager
async def loaded(site: Site, images: list[str]) -> AsyncIterator[Load]:
    load, stopped = Load(), asyncio.Event()
    pictures = [photo(64, 48) for _ in range(20)]

    async def ask(client: httpx2.AsyncClient, number: int) -> None:
        while not stopped.is_set():
            number += CLIENTS
            image, picture = images[number % len(images)], pictures[number % len(pictures)]
            if number % 2:
                answer = await client.post(f"{site.url}/images", content=picture)
            elif number % 4:
                answer = await client.get(f"{site.url}/img/{image}/w{number % 900 + 1}.jpg")
            else:
                answer = await client.get(f"{site.url}/images/{image}")
            shed = answer.status_code == 503 and "/problems/" in answer.text and "stopping" not in answer.text
            load.seen[answer.request.method, 200 if shed else answer.status_code] += 1
            await asyncio.sleep(0.02)

    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        clients = [asyncio.create_task(ask(client, number)) for number in range(CLIENTS)]
        await asyncio.sleep(1)
        yield load
        await asyncio.sleep(1)
        stopped.set()
        await asyncio.gather(*clients)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path, {"PROGIMAGE_DRAIN_NOTICE": "1"}) as site:
        yield site


def settings_of(server: Server) -> dict[str, str]:
    variables = Path(f"/proc/{server.pid}/environ").read_bytes().decode().split("\0")
    return {name: value for name, _, value in (each.partition("=") for each in variables) if name.startswith("PROGIMAGE_")}


@pytest.mark.row("A1")
@pytest.mark.soak
async def test_restarts_under_load_lose_no_request(site: Site, tmp_path: Path) -> None:
    images = [site.upload() for _ in range(3)]
    settings, port = settings_of(site.apps[0]), int(site.apps[0].url.rpartition(":")[2])
    with ExitStack() as stack:
        async with loaded(site, images) as load:
            app = site.apps[0]
            for number in range(3):
                began = time.monotonic()
                app.process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(app.process.wait, 20) == 0
                assert time.monotonic() - began < 20
                app = await asyncio.to_thread(stack.enter_context, progimage_server(tmp_path / f"again{number}", settings, port=port))
    assert not load.wrong()
    assert min(load.seen.values()) > 20


@pytest.mark.row("A2")
@pytest.mark.soak
async def test_an_app_that_is_killed_under_load_costs_what_it_had_in_hand(site: Site) -> None:
    """nginx asks another one for what only looks, and nobody for what may have been carried out."""
    images = [site.upload() for _ in range(3)]
    async with loaded(site, images) as load:
        site.apps[0].process.kill()
        await asyncio.sleep(3)
        lost = dict(load.wrong())
        load.seen.clear()
        await asyncio.sleep(3)
    assert not [what for what in lost if what[0] == "GET"]
    assert sum(lost.values()) <= CLIENTS / 2
    assert not load.wrong()
    assert load.seen["GET", 200] > 20


@contextmanager
def processes(folder: Path, number: int) -> Iterator[Server]:
    """One server in several processes, once all of them are ready."""
    port, log = free_port(), folder / "serve.log"
    url = f"http://127.0.0.1:{port}"
    command = [PROGIMAGE, "serve", "--port", port, "--data", folder / "data", "--workers", number]
    settings = environment({"PROGIMAGE_DRAIN_NOTICE": "1"})
    with running(command, url=url, log=log, ready=lambda: "serves on" in log.read_text(), env=settings, within=60) as server:
        yield server


def workers(server: Server) -> set[int]:
    """The processes of a server that answer requests."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return {int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


@pytest.mark.row("A1")
@pytest.mark.soak
@pytest.mark.parametrize("number", [1, 2])
async def test_a_server_that_stops_refuses_who_comes_and_resets_nobody(tmp_path: Path, number: int) -> None:
    """Each request on a connection of its own: nginx asks somebody else when one is refused."""
    seen: Counter[str] = Counter()
    with processes(tmp_path, number) as server:
        port, ends = int(server.url.rpartition(":")[2]), time.monotonic() + 6

        async def knock() -> None:
            while time.monotonic() < ends:
                seen[await _knocked(port)] += 1
                await asyncio.sleep(0.005)

        clients = [asyncio.create_task(knock()) for _ in range(32)]
        await asyncio.sleep(2)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*clients)
        assert await asyncio.to_thread(server.process.wait, 20) == 0
    assert set(seen) == {"HTTP/1.1 404", "refused"}


async def _knocked(port: int) -> str:
    """What became of a POST."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return "refused"
    try:
        writer.write(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\na")
        return (await reader.read())[:12].decode()
    except ConnectionResetError:
        return "reset"
    finally:
        writer.close()


@pytest.mark.row("A3")
@pytest.mark.soak
def test_a_process_that_stands_still_is_replaced_and_the_other_goes_on(tmp_path: Path) -> None:
    with processes(tmp_path, 2) as server:
        (still, _), began = sorted(workers(server)), time.monotonic()
        with frozen(still):
            while still in workers(server):
                assert httpx2.get(f"{server.url}/livez", timeout=2, trust_env=False).status_code == 200
                assert time.monotonic() - began < 2 * PING_SECONDS + 2
        eventually(lambda: len(workers(server)) == 2, within=5)
        assert all(httpx2.get(f"{server.url}/readyz", timeout=10, trust_env=False).status_code == 200 for _ in range(20))


@pytest.mark.row("A3")
@pytest.mark.soak
def test_a_process_that_stands_still_is_replaced_while_another_one_starts(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "serve.log"
    url, command = f"http://127.0.0.1:{port}", [PROGIMAGE, "serve", "--port", port, "--data", tmp_path / "data", "--workers", 2]
    with ExitStack() as stack:
        server = stack.enter_context(running(command, url=url, log=log, ready=lambda: True, env=environment({})))
        eventually(lambda: len(workers(server)) == 2)
        starting, still = sorted(workers(server))
        with frozen(starting):
            eventually(lambda: answers(f"{url}/livez"))
            # Until its parent knows that it serves.
            time.sleep(3)
            with frozen(still):
                eventually(lambda: still not in workers(server), within=2 * PING_SECONDS + 2)
            eventually(lambda: answers(f"{url}/livez"))
            assert starting in workers(server)
            assert "serves on" not in log.read_text()
        eventually(lambda: "serves on" in log.read_text())
        assert len(workers(server)) == 2


def children(server: Server) -> list[int]:
    """Those that render."""
    return [pid for pid in family(server.pid) - {server.pid} if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def worked(pid: int) -> int:
    """The time that a process has used of a processor."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(values[11]) + int(values[12])


@pytest.mark.row("A4")
@pytest.mark.soak
def test_a_child_that_is_killed_once_is_not_blamed_on_its_picture(tmp_path: Path) -> None:
    """As the kernel does when memory is short: it may have been in the way of somebody else."""
    with progimage_server(tmp_path, {"PROGIMAGE_WARM": ""}) as app, httpx2.Client(base_url=app.url, timeout=30, trust_env=False) as api:
        image = store(api, photo(2400, 1800))
        with client(app) as connection:
            connection.sendall(f"GET /img/{image}/{SLOW} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            eventually(lambda: re.search(r"^progimage_renders_running [1-9]", api.get("/metrics").text, re.MULTILINE))
            time.sleep(0.5)
            os.kill(max(children(app), key=worked), signal.SIGKILL)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert api.get(f"/img/{image}/w99.webp").status_code == 200
        assert api.get("/readyz").status_code == 200
