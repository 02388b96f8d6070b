"""`progimage serve`: the socket, uvicorn on it in one process or several, and what they find in their environment."""

import asyncio
import errno
import math
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import NoReturn
from weakref import WeakKeyDictionary

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from catalog.session import connect
from proxy import logs
from proxy.listening import TAKEN_ON_SECONDS, let_nobody_in
from proxy.settings import Settings, variable
from proxy.wiring import blamed, object_store, prepare_places, uploads
from services.embedded import EmbeddedRedis

BACKLOG = 2048
# Longer than the idle time after which nginx closes its side (60 s), or it would now and then write into a connection that is gone.
KEEP_ALIVE_SECONDS = 75
START_SECONDS = 60.0
# The name that prometheus-client gives to the folder; importing it here would fix its mode before the folder is known.
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class CannotStart(Exception):
    """A line that says what is in the way."""


@contextmanager
def with_redis(settings: Settings) -> Iterator[Settings]:
    """The settings with a Redis in them: the one they name, or our own server for as long as the context lives.

    Also makes the data folder. CannotStart or StorageUnavailable when one of them is not to be had.
    """
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"cannot make the data folder {settings.data}: {error.strerror}") from error
    if settings.redis_url:
        yield settings
        return
    server = EmbeddedRedis(settings.data, maxmemory=settings.redis_memory)
    server.start()
    try:
        with server.kept():
            yield settings.model_copy(update={"redis_url": server.url})
    finally:
        server.stop()


def serve(settings: Settings, *, host: str, port: int, uds: Path | None, workers: int, announce: Callable[[str], None]) -> None:
    """Serve until a signal ends it, and announce when it begins.

    CannotStart when the address is not to be had; CatalogUnavailable or StorageUnavailable when a server is away.
    """
    if not uds and not settings.open_uploads and not _is_loopback(host):
        raise CannotStart(
            f"{host} can be reached from elsewhere, and whoever reaches ProgImage may upload and delete: put it behind something that asks "
            f"who they are, or say {variable('open_uploads')}=true if that is what you want"
        )
    # uvicorn drains on a signal and then raises it again: without these, what is left here would not be closed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    logs.configure(settings)
    with ExitStack() as stack:
        listener = stack.enter_context(_unix_socket(uds) if uds else _tcp_socket(host, port))
        settings = stack.enter_context(with_redis(settings))
        if workers > 1:
            os.environ[METRICS_FOLDER] = stack.enter_context(tempfile.TemporaryDirectory(prefix="progimage-metrics-"))
        _hand_down(settings)
        asyncio.run(_prepare(settings))
        config = uvicorn.Config(
            "proxy.app:factory",
            factory=True,
            workers=workers,
            loop="uvloop",
            http="proxy.protocol:HttpProtocol",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(settings.drain),
        )
        welcome = f"ProgImage serves on {_address(listener, uds)} · data in {settings.data} · Ctrl-C stops it"
        _run(config, listener, lambda: announce(welcome), settings.drain_notice)


async def _prepare(settings: Settings) -> None:
    """Here, before there are several processes that would all begin with it; and a server that is away is one line here."""
    engine, store, staging = connect(settings.database_url), object_store(settings), uploads(settings)
    try:
        await prepare_places(engine, store)
        with blamed("redis_url"):
            await staging.check()
    finally:
        await engine.dispose()
        await store.close()
        await staging.close()


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _hand_down(settings: Settings) -> None:
    """uvicorn's processes read the settings anew: tell them what was decided here."""
    os.environ[variable("redis_url")] = settings.redis_url
    os.environ[variable("inline_tasks")] = str(settings.inline_tasks)


def _run(config: uvicorn.Config, listener: socket.socket, announce: Callable[[], None], notice: float) -> None:
    if config.workers > 1:
        _Processes(config, [listener], announce, notice).run()
    else:
        _Server(config, announce).run([listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or ():
            let_nobody_in(listener)
        await asyncio.sleep(TAKEN_ON_SECONDS)
        await super().shutdown(sockets)


class _Processes(Multiprocess):
    """uvicorn's, which takes for dead who does not answer within five seconds; but who starts on a busy machine needs longer."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], announce: Callable[[], None], notice: float) -> None:
        super().__init__(config, sockets)
        self._announce, self._notice = announce, notice
        self._announced = False
        # Until when each may go on starting; 0 for who serves.
        self._starts_until: WeakKeyDictionary[Process, float] = WeakKeyDictionary()

    def keep_subprocess_alive(self) -> None:
        """Replace who is dead or stands still, whether others are starting or not; and announce once that all serve."""
        if self.should_exit.is_set():
            return
        starting = [process for process in self.processes if self._starts(process)]
        self.processes = [process for process in self.processes if process not in starting]
        super().keep_subprocess_alive()
        self.processes += starting
        if not self._announced and all(self._starts_until.get(process) == 0 for process in self.processes):
            self._announced = True
            self._announce()

    def _starts(self, process: Process) -> bool:
        """Whether it does not serve yet, and need not."""
        until = self._starts_until.setdefault(process, time.monotonic() + START_SECONDS)
        if not until or not process.process.is_alive():
            return False
        # What it said to earlier questions is old news.
        while process.parent_conn.poll():
            process.parent_conn.recv()
        if process.is_ready(timeout=1):
            self._starts_until[process] = 0
        return time.monotonic() < self._starts_until[process]

    def terminate_all(self) -> None:
        """They serve on for the notice, and then each ends its listener, which is the same socket: nobody may be in its queue by then."""
        super().terminate_all()
        time.sleep(max(0.0, self._notice - TAKEN_ON_SECONDS))
        for listener in self.sockets:
            let_nobody_in(listener)
            listener.close()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _tcp_socket(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = "another program serves there already" if error.errno == errno.EADDRINUSE else error.strerror
        raise CannotStart(f"cannot serve on {host}:{port}: {reason}; choose another with --host and --port") from error
    with listener:
        yield listener


@contextmanager
def _unix_socket(path: Path) -> Iterator[socket.socket]:
    """A socket file, in the place of one that a killed server left behind; nginx, another user, may write to it."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket() and listener.connect_ex(str(path)) == errno.ECONNREFUSED:
            path.unlink()
        listener.close()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
    except OSError as error:
        reason = "another program serves there already" if error.errno == errno.EADDRINUSE else error
        raise CannotStart(f"cannot serve on {path}: {reason}; choose another with --uds") from error
    with listener:
        try:
            path.chmod(0o666)
            listener.listen(BACKLOG)
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _address(listener: socket.socket, uds: Path | None) -> str:
    if uds:
        return f"the socket {uds}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
