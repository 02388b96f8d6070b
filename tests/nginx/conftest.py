"""nginx as it is shipped, in front of two app processes on one catalog, one store and one Redis."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.deployments import progimage_server
from tests.photos import photo
from tests.servers import Server, nginx_server, redis_server

KEY = re.compile(rb"^KEY: (.*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Site:
    """`url` is where users come in; `cache` is nginx's folder, `store` that of the apps. `client` asks one of them."""

    client: httpx2.Client
    nginx: Server
    apps: tuple[Server, ...]
    cache: Path
    store: Path

    @property
    def url(self) -> str:
        return self.nginx.url

    def upload(self, picture: bytes = b"") -> str:
        """The id of a stored picture: of this one, or of a new one."""
        answer = self.client.post(f"{self.apps[0].url}/images", content=picture or photo(320, 240))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def keys(self, image_id: str) -> list[str]:
        """The keys of the entries that nginx keeps of an image, one for each file."""
        heads = (path.read_bytes()[:4096] for path in self.cache.rglob("*") if path.is_file())
        keys = [found[1].decode() for head in heads if (found := KEY.search(head))]
        return sorted(key for key in keys if image_id in key)

    def objects(self, image_id: str) -> list[Path]:
        """The variants of an image in the store."""
        return [path for path in self.store.rglob("*") if path.is_file() and image_id in str(path) and "variants" in str(path)]

    def counted(self, metric: str, *, unless: str = "no such label") -> float:
        """The sum of a counter over the apps and all its labels."""
        pages = (self.client.get(f"{app.url}/metrics").text for app in self.apps)
        lines = (line for page in pages for line in page.splitlines() if re.match(rf"{metric}[{{ ]", line) and unless not in line)
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def requests(self) -> float:
        """How many requests the apps have answered, but for those for their numbers."""
        return self.counted("progimage_request_seconds_count", unless="/metrics")


@contextmanager
def running_site(
    folder: Path, settings: Mapping[str, str] | None = None, *, apps: int = 2, timeouts: Mapping[str, str] | None = None
) -> Iterator[Site]:
    with ExitStack() as stack:
        (folder / "redis").mkdir(parents=True)
        shared = {
            "PROGIMAGE_REDIS_URL": stack.enter_context(redis_server(folder / "redis")).url,
            "PROGIMAGE_DATABASE_URL": f"sqlite:///{folder / 'catalog.sqlite3'}",
            "PROGIMAGE_STORAGE_URL": str(folder / "store"),
            "PROGIMAGE_WARM": "",
            **(settings or {}),
        }
        servers = tuple(stack.enter_context(progimage_server(folder / f"app{number}", shared)) for number in range(apps))
        nginx = stack.enter_context(
            nginx_server(folder / "nginx", [server.url.removeprefix("http://") for server in servers], timeouts=timeouts)
        )
        client = stack.enter_context(httpx2.Client(trust_env=False, timeout=30))
        yield Site(client=client, nginx=nginx, apps=servers, cache=folder / "nginx/cache", store=folder / "store")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as running:
        yield running
