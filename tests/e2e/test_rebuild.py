"""The catalog's file is lost while nobody serves: one command, and every picture is served byte for byte."""

import json
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.deployments import PROGIMAGE, environment, progimage_server
from tests.e2e.conftest import eventually, product, store, upload
from tests.photos import photo

ONE_CHILD = {"PROGIMAGE_RENDERERS": "1"}


def reconcile(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROGIMAGE), "reconcile", "--data", str(data), *arguments]
    return subprocess.run(command, env=environment({}), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.soak
def test_a_lost_catalog_is_rebuilt_by_one_command(tmp_path: Path) -> None:
    data = tmp_path / "data"
    alone, sold = photo(300, 200), photo(200, 300, "png")
    with progimage_server(tmp_path, ONE_CHILD) as server, httpx2.Client(base_url=server.url, timeout=30) as api:
        ids = [store(api, alone), product(api, upload(api, sold))["images"][0]["id"]]
        # Those that are built after a commit, and one that somebody asked for.
        eventually(lambda: all(api.get(f"/images/{name}").json()["thumbhash"] for name in ids))
        urls = [f"/img/{name}{plan}" for name in ids for plan in ("/w256.webp", "/w99.jpg", "")]
        before = {url: answer(api, url) for url in urls}
        examined = reconcile(data, "--dry-run")
        assert (examined.returncode, examined.stdout.splitlines()[-1]) == (0, "nothing is amiss"), examined.stderr

    for name in data.glob("catalog.sqlite3*"):
        name.unlink()
    told = reconcile(data)
    assert told.returncode == 0
    assert "pictures that the catalog does not know" in told.stdout
    assert "progimage reconcile --from-store" in told.stdout
    rebuilt = reconcile(data, "--from-store", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    found = json.loads(rebuilt.stdout)["found"]
    assert sorted((finding["subject"], finding["mended"]) for finding in found) == sorted((name, True) for name in ids)

    with progimage_server(tmp_path, ONE_CHILD) as server, httpx2.Client(base_url=server.url, timeout=30) as api:
        assert {url: answer(api, url) for url in urls} == before
        assert {image["id"] for image in api.get("/images").json()["images"]} == set(ids)
        assert [image["id"] for image in product(api, ids[1:])["images"]] == ids[1:]
        eventually(lambda: all(api.get(f"/images/{name}").json()["thumbhash"] for name in ids))

    (original,) = data.glob(f"store/originals/*/{ids[0]}.jpg")
    original.unlink()
    lost = reconcile(data)
    assert lost.returncode == 1
    assert ids[0] in lost.stdout


def answer(api: httpx2.Client, url: str) -> tuple[bytes, str]:
    found = api.get(url, follow_redirects=True)
    assert found.status_code == 200, (url, found.text)
    return found.content, found.headers["etag"]
