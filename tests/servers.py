"""Real servers for the tests: each starts on a free port and in a folder of its own, and is stopped by its own pid.

Every context manager here waits until the server answers, and raises ServerFailed with the end of its log when it does not.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp

import httpx2
from playwright.async_api import Browser, async_playwright

REPOSITORY = Path(__file__).parent.parent
CHROMIUM = "/usr/bin/chromium"
# Also when the test process is killed: the kernel then ends the server, so that none is left behind.
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM")


class ServerFailed(RuntimeError):
    """A server did not start, did not stop, or ended by itself; the message ends with its log."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server: where it is, its process, and the file with all that it wrote to stdout and stderr."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Poll the condition; TimeoutError naming `what` when it is still false after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


def family(pid: int) -> set[int]:
    """The process and all of its living descendants."""
    found = {pid}
    with suppress(OSError):  # it may end meanwhile
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found.update(*(family(int(child)) for child in children.read_text().split()))
    return found


def cpu_seconds(pid: int) -> float:
    """What the process has used until now, its children apart; 0 when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """These processes do nothing: the kernel accepts connections for them still, and nobody says anything."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def running(
    command: Sequence[object],
    *,
    url: str,
    log: Path,
    ready: Callable[[], bool],
    within: float = 20,
    stop: signal.Signals = signal.SIGTERM,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Server]:
    """Run a server until the context ends; `stop` is the signal that it drains on."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*DIE_WITH_PARENT, *map(str, command)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd or log.parent
        )
    server = Server(url=url, process=process, log=log)
    try:
        _wait_for_start(server, ready, within)
        yield server
    finally:
        _stop(server, stop)


def _wait_for_start(server: Server, ready: Callable[[], bool], within: float) -> None:
    try:
        wait_until(lambda: server.process.poll() is not None or ready(), seconds=within, what=f"start of {server.url}")
    except TimeoutError as error:
        raise ServerFailed(f"{error}\n{server.log_text()[-4000:]}") from error
    if server.process.poll() is not None:
        raise ServerFailed(f"{server.url} ended with {server.process.returncode}\n{server.log_text()[-4000:]}")


def _stop(server: Server, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        server.process.send_signal(how)
    try:
        server.process.wait(timeout=25)
    except subprocess.TimeoutExpired as error:
        server.process.kill()
        server.process.wait()
        raise ServerFailed(f"{server.url} did not stop\n{server.log_text()[-4000:]}") from error


@contextmanager
def redis_server(folder: Path) -> Iterator[Server]:
    """redis-server as ProgImage wants it: append-only file, bounded memory, `noeviction`. `url` is redis://…"""
    port = free_port()
    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "appendonly": "yes", "save": "", "maxmemory": "256mb"}
    options |= {"maxmemory-policy": "noeviction"}
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    with running(
        ["redis-server", *arguments], url=f"redis://127.0.0.1:{port}/0", log=folder / "redis.log", ready=lambda: accepts(port)
    ) as server:
        yield server


@contextmanager
def postgres_server() -> Iterator[Server]:
    """An empty PostgreSQL database without fsync. `url` is postgresql://…; its folder lies where its own user can reach it."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    folder = Path(mkdtemp(prefix="progimage-postgres-"))
    as_owner = _give_away(folder)
    options = ["--auth=trust", "--username=postgres", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8"]
    port = free_port()
    try:
        subprocess.run([*as_owner, programs / "initdb", "-D", folder / "data", *options], check=True, capture_output=True, cwd=folder)
        command = [*as_owner, programs / "postgres", "-D", folder / "data", "-F", "-p", str(port), "-h", "127.0.0.1", "-k", folder]
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
        with running(
            command,
            url=f"postgresql://postgres@127.0.0.1:{port}/postgres",
            log=folder / "postgres.log",
            ready=lambda: _postgres_is_ready(programs, port),
            stop=signal.SIGINT,
        ) as server:
            yield server
    finally:
        shutil.rmtree(folder)


def _give_away(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: the folder goes to an ordinary user, and the answer is the command that becomes this user."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    owner = "postgres" if "postgres" in names else "nobody"
    shutil.chown(folder, owner)
    return ["setpriv", f"--reuid={owner}", f"--regid={pwd.getpwnam(owner).pw_gid}", "--clear-groups", *DIE_WITH_PARENT]


def _postgres_is_ready(programs: Path, port: int) -> bool:
    return subprocess.run([programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode == 0


@contextmanager
def s3_server(folder: Path) -> Iterator[Server]:
    """An S3 server without buckets (moto). It ignores checksums and secrets."""
    port = free_port()
    command = [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with running(command, url=f"http://127.0.0.1:{port}", log=folder / "s3.log", ready=lambda: accepts(port)) as server:
        yield server


@contextmanager
def nginx_server(
    folder: Path,
    upstreams: Sequence[str],
    *,
    port: int | None = None,
    purge_port: int | None = None,
    counted: bool = False,
    timeouts: Mapping[str, str] | None = None,
    room: str = "max_size=1g",
) -> Iterator[Server]:
    """nginx with nginx/progimage.conf before these apps (`host:port`); its cache is in `folder/cache`, its tombstones in `folder/deleted`.

    `purge_port` is where it is told of deletions. `counted` says whether the limits on requests apply to the tests, which all come from
    one address. `timeouts` are other values for some of those in the shipped file, by their names there. `room` says how much of its disk
    the cache may take.
    """
    port = port or free_port()
    _write_site(folder, upstreams, port, purge_port or free_port(), counted=counted, room=room)
    shipped = (REPOSITORY / "nginx/progimage.conf").read_text()
    for name, value in (timeouts or {}).items():
        shipped, found = re.subn(rf"\b{name} \d+s;", f"{name} {value};", shipped)
        assert found, name
    (folder / "progimage.conf").write_text(shipped)
    globals_ = f"daemon off; pid {folder}/nginx.pid; error_log stderr;" + (" user root;" if os.geteuid() == 0 else "")
    command = ["nginx", "-p", f"{folder}/", "-c", folder / "progimage.conf", "-g", globals_]
    with running(
        command, url=f"http://127.0.0.1:{port}", log=folder / "nginx.log", ready=lambda: accepts(port), stop=signal.SIGTERM
    ) as server:
        yield server


def _write_site(folder: Path, upstreams: Sequence[str], port: int, purge_port: int, *, counted: bool, room: str) -> None:
    """Of what differs between machines, a version for this test."""
    (folder / "site").mkdir(parents=True)
    servers = "".join(f"server {address} max_fails=2 fail_timeout=2s;" for address in upstreams)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "site/http.conf").write_text(f"""
upstream progimage {{ {servers} keepalive 64; }}
proxy_cache_path {folder}/cache keys_zone=progimage:10m levels=1:2 {room} use_temp_path=off;
access_log {folder}/access.log progimage buffer=64k flush=1s;
{temporary}
geo $counted {{ default {int(counted)}; }}
map $http_x_refresh_cache $refresh {{ default 0; "refresh secret" 1; }}
""")
    (folder / "site/server.conf").write_text(f"listen 127.0.0.1:{port} backlog=4096;\nset $deleted {folder}/deleted;\n")
    tombstones = f"root {folder}/deleted;\nclient_body_temp_path {folder}/deleted;\n"
    (folder / "site/purge.conf").write_text(f"listen 127.0.0.1:{purge_port};\n{tombstones}")


@contextmanager
def other_host(address: str, pages: Mapping[str, tuple[str, bytes]]) -> Iterator[int]:
    """A host with these pages (type and bytes) at a loopback address; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = pages.get(self.path, ("text/plain", b""))
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The test's output is no log."""

    with ThreadingHTTPServer((address, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium that calls nobody but the pages under test."""
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=quiet)
        try:
            yield browser
        finally:
            await browser.close()
