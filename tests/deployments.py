"""ProgImage itself, started for the tests in its two settings: on nothing but Python, and grown."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import Server, answers, free_port, nginx_server, postgres_server, redis_server, running, s3_server

PROGIMAGE = Path(sys.executable).with_name("progimage")
# URLs may be signed in every deployment, and need not be.
SIGNING_KEY = "a key that is known to all the tests"
S3_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A whole ProgImage: `url` is where its users come in, `env` what `progimage` needs to work on the same data."""

    name: str
    url: str
    env: Mapping[str, str]
    apps: tuple[Server, ...]
    workers: tuple[Server, ...] = ()


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: these settings, and none of the developer's own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PROGIMAGE_", "AWS_"))}
    return {**own, **settings}


@contextmanager
def progimage_server(folder: Path, settings: Mapping[str, str] | None = None, *, port: int | None = None) -> Iterator[Server]:
    """`progimage serve` with its data and its log in `folder`, from the moment it says that it is ready.

    Unless a setting says otherwise it stops at once: no load balancer needs notice.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = [PROGIMAGE, "serve", "--port", str(port), "--data", folder / "data"]
    env = environment({"PROGIMAGE_DRAIN_NOTICE": "0", **(settings or {})})
    with running(command, url=url, log=folder / "serve.log", ready=lambda: answers(f"{url}/readyz"), env=env, within=40) as server:
        yield server


@contextmanager
def progimage_worker(folder: Path, settings: Mapping[str, str]) -> Iterator[Server]:
    """`progimage worker`; it has no port, so it counts as started once it has written its first line."""
    log = folder / "worker.log"
    with running(
        [PROGIMAGE, "worker"], url="worker:", log=log, ready=lambda: log.stat().st_size > 0, env=environment(settings), within=40
    ) as server:
        yield server


@contextmanager
def embedded(folder: Path) -> Iterator[Deployment]:
    """One process and its data folder."""
    with progimage_server(folder, {"PROGIMAGE_SIGNING_KEYS": f"k1={SIGNING_KEY}"}) as app:
        yield Deployment(name="embedded", url=app.url, env={"PROGIMAGE_DATA": str(folder / "data")}, apps=(app,))


@contextmanager
def grown(folder: Path) -> Iterator[Deployment]:
    """PostgreSQL, Redis, S3, two app processes, one worker, and nginx in front of them."""
    with ExitStack() as stack:
        public, purge = free_port(), free_port()
        settings = {
            "PROGIMAGE_DATABASE_URL": stack.enter_context(postgres_server()).url,
            "PROGIMAGE_REDIS_URL": stack.enter_context(redis_server(_made(folder / "redis"))).url,
            "PROGIMAGE_STORAGE_URL": "s3://progimage-tests/pictures",
            "PROGIMAGE_S3_ENDPOINT_URL": stack.enter_context(s3_server(folder / "s3")).url,
            "PROGIMAGE_PUBLIC_URL": f"http://127.0.0.1:{public}",
            "PROGIMAGE_EDGES": f"http://127.0.0.1:{purge}",
            "PROGIMAGE_SIGNING_KEYS": f"k1={SIGNING_KEY}",
            "PROGIMAGE_DATA": str(_made(folder / "data")),
            **S3_CREDENTIALS,
        }
        apps = tuple(stack.enter_context(progimage_server(folder / name, settings)) for name in ("app1", "app2"))
        worker = stack.enter_context(progimage_worker(folder / "worker", settings))
        addresses = [app.url.removeprefix("http://") for app in apps]
        edge = stack.enter_context(nginx_server(folder / "nginx", addresses, port=public, purge_port=purge))
        yield Deployment(name="grown", url=edge.url, env=settings, apps=apps, workers=(worker,))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
