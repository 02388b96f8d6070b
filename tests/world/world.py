"""A world of its own for ProgImage: a network namespace in which every address of the Internet is this machine.

Nothing can leave it, and whatever is sent to any address is seen. The servers' sockets are files, so the tests reach them from outside.
"""

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from tests.deployments import PROGIMAGE, environment
from tests.servers import DIE_WITH_PARENT, REPOSITORY, Server, running
from tests.world import certificates, nameserver
from tests.world.zone import FILTERED

OWN_HOST = "own.example"
CLOSED_PORT = 8081
PROXY = "http://198.51.100.7:3128"
SETTINGS = {
    "PROGIMAGE_PUBLIC_URL": f"http://{OWN_HOST}",
    "PROGIMAGE_REMOTE_PORTS": f"80,443,{CLOSED_PORT}",
    "PROGIMAGE_MAX_BYTES": "2MiB",
    "PROGIMAGE_WARM": "",
    "PROGIMAGE_RENDERERS": "1",
    "PROGIMAGE_DRAIN": "0",
    "PROGIMAGE_DRAIN_NOTICE": "0",
    "PROGIMAGE_LOG_FORMAT": "json",
    # Nobody must ever ask these for anything.
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), PROXY),
    "NO_PROXY": "",
}
# name -> what differs: who may fetch from everywhere, and who from two places.
SERVERS: Mapping[str, Mapping[str, str]] = {
    "open": {"PROGIMAGE_REMOTE_SOURCES": "*"},
    "listed": {"PROGIMAGE_REMOTE_SOURCES": "allowed.example,*.cdn.example", "PROGIMAGE_ACCEPT": "jpg,png,webp,gif,avif,svg"},
}


@dataclass(kw_only=True)
class Seen:
    """What happened while a block ran; complete when it has ended. `peers` are in the order in which they were sent to."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def of(self, what: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["what"] == what]

    @property
    def peers(self) -> list[str]:
        return [event["peer"] for event in self.of("connection")]

    @property
    def questions(self) -> list[str]:
        """The names asked for, each as often as it was asked for its IPv4 address."""
        return [event["name"] for event in self.of("question") if event["kind"] == "A"]


@dataclass(frozen=True, kw_only=True)
class World:
    """`apps` are the ProgImage `servers` with different settings, by the names of SERVERS; what follows `join` runs among them."""

    folder: Path
    join: Sequence[object]
    apps: Mapping[str, httpx2.Client]
    servers: Mapping[str, Server]

    def ask(self, url: str, *, app: str = "open", plan: str = "w32.jpg", headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """A request for a remote picture, as `url` is written: redirects to the canonical spelling are followed."""
        return self.apps[app].get(f"/img/{plan}?url={quote(url, safe='')}", headers=headers)

    @contextmanager
    def watched(self) -> Iterator[Seen]:
        seen, before = Seen(), len(self._events(0))
        yield seen
        seen.events += self._events(before)

    def _events(self, since: int) -> list[dict[str, Any]]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.folder / "events.sock"))
            connection.sendall(b"%d\n" % since)
            events: list[dict[str, Any]] = json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))
        return events


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """The namespace with everything in it, from the moment that all servers answer."""
    certificates.write_all(folder)
    (folder / "resolv.conf").write_text(f"nameserver {nameserver.ADDRESS[0]}\n")
    with ExitStack() as stack:
        nature = stack.enter_context(_nature(folder))
        join: list[object] = ["nsenter", "--target", nature.pid, "--net", "--mount"]
        join += [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        servers = {name: stack.enter_context(_app(folder / name, settings, join)) for name, settings in SERVERS.items()}
        apps = {name: stack.enter_context(_client(folder / name)) for name in SERVERS}
        yield World(folder=folder, join=join, apps=apps, servers=servers)


@contextmanager
def _nature(folder: Path) -> Iterator[Server]:
    """DNS, the origin and the eyes on the wire, in the namespace that they make."""
    script = f"""
set -e
mount --bind {folder}/resolv.conf /etc/resolv.conf
ip link set lo up
ip route add local 0.0.0.0/0 dev lo
ip -6 route add local ::/0 dev lo
ip route add {FILTERED} dev lo table local
exec "$0" -m tests.world.inside {folder}
"""
    own = ["--net", "--mount"] if os.geteuid() == 0 else ["--map-root-user", "--net", "--mount"]
    python = PROGIMAGE.with_name("python")
    command = ["unshare", *own, "sh", "-c", script, python]
    ready = (folder / "events.sock").exists
    with running(command, url="world:", log=folder / "world.log", ready=ready, cwd=REPOSITORY) as server:
        yield server


@contextmanager
def _app(folder: Path, settings: Mapping[str, str], join: Sequence[object]) -> Iterator[Server]:
    folder.mkdir()
    env = environment({**SETTINGS, **settings, "SSL_CERT_FILE": str(folder.parent / "ca.pem")})
    command = [*join, *DIE_WITH_PARENT, PROGIMAGE, "serve", "--uds", folder / "app.sock", "--data", folder / "data"]
    with running(command, url=folder.name, log=folder / "serve.log", ready=lambda: _is_ready(folder), env=env, within=40) as server:
        yield server


def _is_ready(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(folder / "app.sock")) != 0:
            return False
    with _client(folder) as client:
        return client.get("/readyz").status_code == 200


@contextmanager
def _client(folder: Path) -> Iterator[httpx2.Client]:
    transport = httpx2.HTTPTransport(uds=str(folder / "app.sock"))
    with httpx2.Client(transport=transport, base_url=f"http://{OWN_HOST}", timeout=20, follow_redirects=True, trust_env=False) as client:
        yield client


def threads_of(server: Server) -> int:
    """The threads of a server and of its children."""
    family = ["ps", "-o", "nlwp=", "--pid", str(server.pid), "--ppid", str(server.pid)]
    return sum(map(int, subprocess.run(family, capture_output=True, text=True, check=True).stdout.split()))
