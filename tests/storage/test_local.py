"""What is particular to the local disk: crashes, deletes beside puts, disks that are full, and the setting that opens a store."""

import hashlib
import os
import threading
import time
from pathlib import Path

import anyio
import pytest

from storage import proofs
from storage.base import DigestConflict, StorageUnavailable
from storage.local import LocalStore
from storage.opening import open_store
from storage.s3 import S3Store

pytestmark = pytest.mark.anyio

DATA = b"the bytes of a picture"
SHA256 = hashlib.sha256(DATA).hexdigest()


async def test_what_a_crash_left_behind_is_no_object_and_goes_after_a_day(local_store: LocalStore, tmp_path: Path) -> None:
    await local_store.put("a.jpg", DATA, sha256=SHA256)
    temporary = tmp_path / "objects" / ".tmp"
    for name in ("today", "yesterday"):
        (temporary / name).write_bytes(b"half a pic")
    os.utime(temporary / "yesterday", (time.time() - 25 * 3600,) * 2)
    assert [found.key async for found in local_store.list("")] == ["a.jpg"]
    await local_store.check()
    assert [path.name for path in temporary.iterdir()] == ["today"]


@pytest.mark.parametrize("proven", [True, False])
async def test_what_the_disk_damaged_is_not_handed_out(local_store: LocalStore, tmp_path: Path, proven: bool) -> None:
    await local_store.put("v/a.webp", DATA, sha256=SHA256)
    if proven:
        async with local_store.local("v/a.webp"):
            """It was whole then."""
    (tmp_path / "objects" / "v" / "a.webp").write_bytes(DATA[::-1])
    if not proofs.remembered(tmp_path / "objects" / "v" / "a.webp"):
        pytest.skip("this file system keeps no extended attributes")
    with pytest.raises(DigestConflict):
        await local_store.get("v/a.webp")
    with pytest.raises(DigestConflict):
        async with local_store.local("v/a.webp"):
            pytest.fail("it is damaged")


async def test_a_put_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "objects")
    with pytest.raises(StorageUnavailable):
        await store.put("a.jpg", tmp_path / "no-such-file", sha256=SHA256)
    assert list((tmp_path / "objects" / ".tmp").iterdir()) == []


async def test_the_last_delete_takes_the_emptied_folders(local_store: LocalStore, tmp_path: Path) -> None:
    await local_store.put("v/one/a.jpg", DATA, sha256=SHA256)
    await local_store.put("v/two/a.jpg", DATA, sha256=SHA256)
    await local_store.delete("v/one/a.jpg")
    assert sorted(path.name for path in (tmp_path / "objects" / "v").iterdir()) == ["two"]
    await local_store.delete_prefix("v/two/")
    assert [path.name for path in (tmp_path / "objects").iterdir()] == [".tmp"]


async def test_puts_succeed_while_deletes_take_their_folders_away(local_store: LocalStore) -> None:
    async def rounds(name: str) -> None:
        for _ in range(40):
            await local_store.put(f"v/one/{name}", DATA, sha256=SHA256, durable=False)
            await local_store.delete(f"v/one/{name}")

    async with anyio.create_task_group() as group:
        for name in "abcd":
            group.start_soon(rounds, name)
    assert [found.key async for found in local_store.list("")] == []


async def test_of_many_puts_at_once_exactly_one_creates(local_store: LocalStore) -> None:
    created: list[bool] = []

    async def one() -> None:
        created.append((await local_store.put("v/a.jpg", DATA, sha256=SHA256)).created)

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(one)
    assert created.count(True) == 1


async def test_the_local_file_is_the_object_itself(local_store: LocalStore, tmp_path: Path) -> None:
    await local_store.put("v/a.jpg", DATA, sha256=SHA256)
    async with local_store.local("v/a.jpg") as path:
        assert path == tmp_path / "objects" / "v" / "a.jpg"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
async def test_a_full_disk_is_unavailable(local_store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Everything that is written goes to a device without room, so that the kernel itself refuses it.
    really = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode="r": really(Path("/dev/full"), "wb") if mode == "xb" else really(path, mode))
    with pytest.raises(StorageUnavailable) as caught:
        await local_store.put("a.jpg", DATA, sha256=SHA256)
    assert "No space left" in str(caught.value.__cause__)


async def test_a_root_that_is_no_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable):
        await LocalStore(tmp_path / "file").check()


async def test_the_event_loop_goes_on_while_a_disk_hangs(local_store: LocalStore, tmp_path: Path) -> None:
    """A pipe that nobody writes to is a source as slow as they come."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: local_store.put("a.jpg", pipe, sha256=SHA256))
        with anyio.fail_after(1):
            await local_store.put("b.jpg", DATA, sha256=SHA256)
        threading.Thread(target=pipe.write_bytes, args=(DATA,)).start()
    assert await local_store.get("a.jpg") == DATA


FOLDERS = [
    ("/srv/pictures", "/srv/pictures"),
    ("file:///srv/a%20b", "/srv/a b"),
    ("file://localhost/srv", "/srv"),
]


@pytest.mark.parametrize(("url", "root"), FOLDERS)
def test_a_folder_opens_a_local_store(url: str, root: str) -> None:
    store = open_store(url)
    assert isinstance(store, LocalStore)
    assert store._root == Path(root)


@pytest.mark.parametrize(("url", "prefix"), [("s3://bucket", ""), ("s3://bucket/", ""), ("s3://bucket/a/b/", "a/b/")])
async def test_a_bucket_opens_an_s3_store(aws: None, url: str, prefix: str) -> None:
    store = open_store(url, endpoint_url="http://127.0.0.1:1")
    assert isinstance(store, S3Store)
    assert (store._bucket, store._prefix) == ("bucket", prefix)
    await store.close()


async def test_a_bucket_without_an_endpoint_is_amazons(aws: None) -> None:
    store = open_store("s3://bucket", endpoint_url="")
    assert isinstance(store, S3Store)
    assert store._client.meta.endpoint_url.endswith(".amazonaws.com")
    await store.close()


@pytest.mark.parametrize("url", ["", "s3://", "s3:///prefix", "http://bucket", "file://host/folder", "gs://bucket", "s3://bucket/../other"])
def test_another_url_is_refused_with_what_is_accepted(aws: None, url: str) -> None:
    with pytest.raises(ValueError, match=r"s3://bucket/prefix|storage key"):
        open_store(url)
