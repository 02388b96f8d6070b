"""What is no picture, or too much of one, is refused by name, and nothing of it stays."""

import httpx2
import pytest

from tests.e2e.conftest import upload
from tests.photos import photo

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"", 400, "empty"),
        (b"\xff\xd8\xff", 422, None),
        (b"<html><script>alert(1)</script></html>", 415, "jpg"),
        (b"%PDF-1.7\n", 415, None),
        (b"MZ" + bytes(200), 415, None),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), 422, None),
        (b"II*\0" + bytes(100), 415, "PROGIMAGE_ACCEPT"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "PROGIMAGE_ACCEPT"),
    ],
)
def test_what_is_no_picture_is_refused(api: httpx2.Client, body: bytes, status: int, named: str | None) -> None:
    for content_type in ("image/jpeg", "image/svg+xml"):
        answer = api.post("/uploads", content=body, headers={"content-type": content_type})
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert named is None or named in answer.text


def test_a_cut_off_picture_is_refused(api: httpx2.Client) -> None:
    whole = photo(800, 600)
    for share in (0.1, 0.5, 0.99):
        answer = api.post("/uploads", content=whole[: int(len(whole) * share)])
        assert answer.status_code == 422, share


def test_too_many_bytes_are_refused_by_length_or_on_the_way(api: httpx2.Client) -> None:
    picture = photo(64, 48)
    body = picture + bytes(25 * MIB)
    assert api.post("/uploads", content=body).status_code == 413
    answer = api.post("/uploads", content=(body[at : at + MIB] for at in range(0, len(body), MIB)))
    assert answer.status_code == 413


def test_a_form_without_a_picture_is_refused(api: httpx2.Client) -> None:
    assert api.post("/uploads", files=[("file", ("a.jpg", photo(64, 48)))]).status_code == 400
    assert api.post("/uploads", files=[("image", ("a.jpg", b""))]).status_code == 400


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=" + "x" * 5000, b"x"),
        ("multipart/form-data; boundary=x", b"no boundary at all"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=image\r\n\r\nnever closed"),
        ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"b" * 20_000 + b"\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=other\r\n\r\n\r\n" * 200 + b"--x--\r\n"),
    ],
)
def test_a_malformed_form_is_refused(api: httpx2.Client, content_type: str, body: bytes) -> None:
    answer = api.post("/uploads", content=body, headers={"content-type": content_type})
    assert answer.status_code in (400, 415, 422), answer.text


def test_a_compressed_body_is_refused(api: httpx2.Client) -> None:
    assert api.post("/uploads", content=photo(64, 48), headers={"content-encoding": "gzip"}).status_code == 415


def test_a_name_of_a_file_is_never_used(api: httpx2.Client) -> None:
    for name in ("../../etc/passwd", "x.jpg\0.php", "a" * 4000, '"; x=y', "\u202egpj.exe"):
        answer = api.post("/uploads", files=[("image", (name, photo(64, 48)))])
        assert answer.status_code in (202, 400), answer.text
        assert name not in answer.text


def test_one_bad_picture_among_good_ones_refuses_the_request(api: httpx2.Client) -> None:
    answer = api.post("/uploads", files=[("image", ("a.jpg", photo(64, 48))), ("image", ("b.jpg", b"nonsense"))])
    assert answer.status_code == 415


def test_the_header_of_a_bomb_is_enough_to_refuse_it(api: httpx2.Client) -> None:
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    png = (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", 0)
        + b"IDAT"
        + bytes(4)
    )
    answer = api.post("/uploads", content=png)
    assert answer.status_code == 422
    assert (answer.json()["limit"], answer.json()["value"], answer.json()["maximum"]) == ("side", 50_000, 16_383)


def test_uploads_of_the_same_picture_at_once_all_succeed(api: httpx2.Client) -> None:
    from concurrent.futures import ThreadPoolExecutor

    picture = photo(400, 300)
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: upload(api, picture), range(8)))
    assert len({image_id for (image_id,) in ids}) == 1
