"""One suite for every ObjectStore: what is stored stays what it is, and can be found, proven and deleted."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.base import DigestConflict, NotStored, ObjectStore, check_folder, check_key, check_prefix

pytestmark = pytest.mark.anyio

KEY = "originals/images/abc.jpg"
BAD_KEYS = ["", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/.hidden", ".tmp/x", "A", "ä", "a b", "a\n", "a\x00b", "a\\b", "x" * 513]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def put(store: ObjectStore, key: str, data: bytes) -> bool:
    stored = await store.put(key, data, sha256=digest(data))
    assert (stored.key, stored.size) == (key, len(data))
    return stored.created


async def keys(store: ObjectStore, prefix: str) -> list[str]:
    return [found.key async for found in store.list(prefix)]


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 9000])
async def test_what_was_put_is_read_back(store: ObjectStore, data: bytes) -> None:
    assert await put(store, KEY, data)
    assert await store.get(KEY) == data
    assert (await store.head(KEY)).size == len(data)
    await store.verify(KEY, size=len(data), sha256=digest(data))


async def test_a_file_is_put_like_bytes(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "upload"
    source.write_bytes(b"from a file")
    stored = await store.put(KEY, source, sha256=digest(b"from a file"), metadata={"width": "3"})
    assert (stored.size, stored.created) == (11, True)
    assert await store.get(KEY) == b"from a file"
    assert source.exists()


@pytest.mark.parametrize("durable", [True, False])
async def test_a_second_put_of_the_same_bytes_is_not_created(store: ObjectStore, durable: bool) -> None:
    await store.put(KEY, b"one", sha256=digest(b"one"), durable=not durable)
    again = await store.put(KEY, b"one", sha256=digest(b"one"), durable=durable)
    assert not again.created


@pytest.mark.parametrize("other", [b"two", b"longer than it"])
async def test_other_bytes_never_replace_what_is_stored(store: ObjectStore, other: bytes) -> None:
    await put(store, KEY, b"one")
    with pytest.raises(DigestConflict):
        await put(store, KEY, other)
    assert await store.get(KEY) == b"one"


async def test_bytes_that_do_not_match_their_digest_are_not_stored(store: ObjectStore) -> None:
    with pytest.raises(DigestConflict):
        await store.put(KEY, b"damaged", sha256=digest(b"whole"))
    with pytest.raises(NotStored):
        await store.head(KEY)


async def test_puts_of_the_same_bytes_at_once_all_succeed(store: ObjectStore) -> None:
    created: list[bool] = []

    async def one() -> None:
        created.append(await put(store, KEY, b"the same"))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(one)
    assert True in created
    assert await store.get(KEY) == b"the same"


@pytest.mark.parametrize("key", ["nothing.jpg", "no/folder/here.jpg", f"{KEY}/below", "originals"])
async def test_what_is_not_stored_is_said_to_be_missing(store: ObjectStore, key: str) -> None:
    await put(store, KEY, b"something")
    for ask in (store.get, store.head):
        with pytest.raises(NotStored):
            await ask(key)
    with pytest.raises(NotStored):
        await store.verify(key, size=1, sha256=digest(b"1"))
    with pytest.raises(NotStored):
        async with store.local(key):
            pytest.fail("there is no file to hand out")
    await store.delete(key)
    assert await store.get(KEY) == b"something"


async def test_a_local_file_holds_the_object_while_it_is_needed(store: ObjectStore) -> None:
    await put(store, KEY, b"picture")
    async with store.local(KEY) as path:
        assert path.suffix == ".jpg"
        assert path.read_bytes() == b"picture"
    assert await store.get(KEY) == b"picture"


async def test_a_file_is_handed_out_only_with_the_digest_that_is_asked_for(store: ObjectStore) -> None:
    await put(store, KEY, b"picture")
    for _ in range(2):
        async with store.local(KEY, sha256=digest(b"picture")) as path:
            assert path.read_bytes() == b"picture"
        with pytest.raises(DigestConflict):
            async with store.local(KEY, sha256=digest(b"another")):
                pytest.fail("these are other bytes")


@pytest.mark.parametrize("damaged", [b"pictura", b"pic"])
async def test_damaged_bytes_are_replaced_by_whom_the_key_follows_from(store: ObjectStore, damaged: bytes) -> None:
    await put(store, KEY, damaged)
    await store.put(KEY, b"picture", sha256=digest(b"picture"), replace=True)
    await store.verify(KEY, size=7, sha256=digest(b"picture"))
    assert await store.get(KEY) == b"picture"
    await store.put(KEY, b"picture", sha256=digest(b"picture"), replace=True)


@pytest.mark.parametrize(("size", "sha256"), [(4, digest(b"good")), (3, digest(b"bad")), (3, digest(b""))])
async def test_verify_refuses_other_bytes(store: ObjectStore, size: int, sha256: str) -> None:
    await put(store, KEY, b"top")
    with pytest.raises(DigestConflict):
        await store.verify(KEY, size=size, sha256=sha256)


async def test_a_deleted_key_is_free(store: ObjectStore) -> None:
    await put(store, KEY, b"one")
    await store.delete(KEY)
    await store.delete(KEY)
    with pytest.raises(NotStored):
        await store.get(KEY)
    assert await put(store, KEY, b"two")


async def test_keys_are_listed_in_order_and_by_prefix(store: ObjectStore) -> None:
    for key in ["b", "a/2", "a/1.jpg", "a-b", "a.c", "a/b/c", "ab"]:
        await put(store, key, key.encode())
    assert await keys(store, "") == sorted(["b", "a/2", "a/1.jpg", "a-b", "a.c", "a/b/c", "ab"])
    assert await keys(store, "a/") == ["a/1.jpg", "a/2", "a/b/c"]
    assert await keys(store, "a") == ["a-b", "a.c", "a/1.jpg", "a/2", "a/b/c", "ab"]
    assert await keys(store, "a/b") == ["a/b/c"]
    assert await keys(store, "z/y/") == []
    assert [found.size async for found in store.list("a/")] == [7, 3, 5]


async def test_head_and_list_say_when_an_object_was_written(store: ObjectStore) -> None:
    # A store may know seconds only.
    before = datetime.now(UTC) - timedelta(seconds=1)
    await put(store, KEY, b"one")
    (listed,) = [found async for found in store.list("")]
    assert listed == await store.head(KEY)
    assert listed.modified is not None
    assert before <= listed.modified <= datetime.now(UTC)


async def test_deleting_a_prefix_takes_all_below_and_nothing_beside(store: ObjectStore) -> None:
    for key in ["v/one/a.jpg", "v/one/b/c.jpg", "v/one-more/a.jpg", "v/two/a.jpg"]:
        await put(store, key, b"x")
    assert await store.delete_prefix("v/one/") == 2
    assert await store.delete_prefix("v/one/") == 0
    assert await keys(store, "") == ["v/one-more/a.jpg", "v/two/a.jpg"]


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_what_is_no_key_reaches_no_storage(store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        await store.put(key, b"", sha256=digest(b""))
    for ask in (store.get, store.head, store.delete):
        with pytest.raises(ValueError, match="not a storage key"):
            await ask(key)
    with pytest.raises(ValueError, match="not a storage key"):
        async with store.local(key):
            pytest.fail("there is no file to hand out")


@pytest.mark.parametrize("prefix", ["", "/", "variants", "../", "a/../", "/a/"])
async def test_only_a_folder_can_be_deleted(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(ValueError, match="storage key"):
        await store.delete_prefix(prefix)


async def test_a_store_may_be_prepared_again_and_keeps_what_it_has(store: ObjectStore) -> None:
    await store.prepare()
    await put(store, KEY, b"one")
    await store.prepare()
    assert await keys(store, "") == [KEY]


async def test_a_working_store_proves_itself_and_leaves_nothing(store: ObjectStore) -> None:
    await store.check()
    assert await keys(store, "") == []


@given(st.text(alphabet="abz09/._-A%", max_size=12))
def test_a_key_never_leads_out_of_its_folder(text: str) -> None:
    try:
        check_key(text)
    except ValueError:
        return
    root = Path("/root-of/the-store")
    path = Path(str(root / text))
    assert ".." not in path.parts
    assert path.is_relative_to(root)
    assert path != root
    assert str(path.relative_to(root)) == text
    for length in range(len(text)):
        check_prefix(text[:length])
    check_folder(text + "/")
