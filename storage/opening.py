"""From the setting that names the object store to the store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from storage.base import ObjectStore
from storage.local import LocalStore

ACCEPTED = "a folder, file:///folder or s3://bucket/prefix"


def open_store(url: str, *, endpoint_url: str | None = None) -> ObjectStore:
    """The store at this URL.

    `endpoint_url` concerns S3 only: a server other than Amazon's, whose it is when empty. ValueError says what is accepted.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path:
        return LocalStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        from storage.s3 import S3Store  # boto3 takes 0.4 s to import: only those pay for it who use it

        return S3Store(parts.netloc, parts.path, endpoint_url=endpoint_url or None)
    if url and not parts.scheme:
        return LocalStore(Path(url))
    raise ValueError(f"{url!r} is not {ACCEPTED}")
