"""ProgImage as it is run in earnest: nginx, app processes and a worker that are started again when they end, PostgreSQL, Redis.

The store is a folder that all of them share: an S3 server written in Python would be the slowest part, and it would be what is measured.
"""

import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.deployments import PROGIMAGE, environment
from tests.servers import DIE_WITH_PARENT, ServerFailed, answers, free_port, nginx_server, postgres_server, redis_server, wait_until

START_SECONDS = 60
# systemd's default.
RESTART_SECONDS = 0.1
STOP_SECONDS = 40


class Program:
    """A process of ours that is started again whenever it ends, until `stop`."""

    def __init__(self, name: str, command: Sequence[object], *, log: Path, env: Mapping[str, str], url: str = "") -> None:
        self.name, self.url, self.log = name, url, log
        self._command = [*DIE_WITH_PARENT, *map(str, command)]
        self._env = dict(env)
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()
        # The kernel ends a process together with the thread that began it: this one does so each time, and lives as long.
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    @property
    def pid(self) -> int:
        """Of the process that is there now, or was last."""
        wait_until(lambda: self._process is not None, seconds=START_SECONDS, what=f"first start of {self.name}")
        assert self._process
        return self._process.pid

    @property
    def ready(self) -> bool:
        return answers(f"{self.url}/readyz") if self.url else self.alive

    @property
    def alive(self) -> bool:
        """Whether it has begun, be it that it has too much to do to take more."""
        if self.url:
            return answers(f"{self.url}/livez")
        return self.starts > 0 and self.log.read_text(errors="replace").count('"worker_ready"') == self.starts

    def wait_ready(self) -> None:
        try:
            wait_until(lambda: self.ready, seconds=START_SECONDS, what=f"start of {self.name}")
        except TimeoutError as error:
            raise ServerFailed(f"{error}\n{self.log.read_text(errors='replace')[-4000:]}") from error

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self._process:
                self._process.send_signal(number)

    def restart(self) -> None:
        """End it as an operator does, and return when the next one is ready."""
        before = self.starts
        self.send(signal.SIGTERM)
        wait_until(lambda: self.starts > before, seconds=STOP_SECONDS, what=f"end of {self.name}")
        self.wait_ready()

    def stop(self) -> None:
        self._stopped.set()
        self.send(signal.SIGTERM)
        self._keeper.join(STOP_SECONDS)
        if self._keeper.is_alive():
            self.send(signal.SIGKILL)
            raise ServerFailed(f"{self.name} did not stop\n{self.log.read_text(errors='replace')[-4000:]}")

    def _keep(self) -> None:
        with self.log.open("ab") as output:
            while not self._stopped.is_set():
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._env, cwd=self.log.parent
                )
                self.starts += 1
                self._process.wait()
                self._stopped.wait(RESTART_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Site:
    """`url` is nginx; `env` is what `progimage` needs to work on the same data."""

    url: str
    env: Mapping[str, str]
    apps: tuple[Program, ...]
    worker: Program

    @property
    def programs(self) -> tuple[Program, ...]:
        return (*self.apps, self.worker)

    @property
    def alive(self) -> bool:
        return all(program.alive for program in self.programs)

    def wait_ready(self) -> None:
        for program in self.programs:
            program.wait_ready()


@contextmanager
def running_site(folder: Path, *, apps: int = 2, **more: str) -> Iterator[Site]:
    """All of it, with jemalloc; `more` are settings by their names, such as `memory_cache`."""
    with ExitStack() as stack:
        redis = folder / "redis"
        redis.mkdir(parents=True)
        settings = {
            "PROGIMAGE_DATABASE_URL": stack.enter_context(postgres_server()).url,
            "PROGIMAGE_REDIS_URL": stack.enter_context(redis_server(redis)).url,
            "PROGIMAGE_STORAGE_URL": str(folder / "store"),
            "PROGIMAGE_DATA": str(folder / "data"),
            "PROGIMAGE_LOG_FORMAT": "json",
            **{f"PROGIMAGE_{name.upper()}": value for name, value in more.items()},
        }
        env = {**environment(settings), "LD_PRELOAD": str(jemalloc())}
        site = Site(
            url=f"http://127.0.0.1:{free_port()}",
            env=settings,
            apps=tuple(_app(folder, f"app{number}", env) for number in range(1, apps + 1)),
            worker=Program("worker", [PROGIMAGE, "worker"], log=folder / "worker.log", env=env),
        )
        for program in site.programs:
            stack.callback(program.stop)
        site.wait_ready()
        addresses = [app.url.removeprefix("http://") for app in site.apps]
        stack.enter_context(nginx_server(folder / "nginx", addresses, port=int(site.url.rpartition(":")[2])))
        yield site


def _app(folder: Path, name: str, env: Mapping[str, str]) -> Program:
    port = free_port()
    return Program(name, [PROGIMAGE, "serve", "--port", port], log=folder / f"{name}.log", env=env, url=f"http://127.0.0.1:{port}")


def jemalloc() -> Path:
    found = next(Path("/usr/lib").glob("*/libjemalloc.so.2"), None)
    if found is None:
        raise ServerFailed("there is no libjemalloc.so.2 under /usr/lib: `scripts/system-packages libjemalloc2` installs it")
    return found
