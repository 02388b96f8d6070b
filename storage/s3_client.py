"""The boto3 client: how it waits and tries again, and what its errors mean to us."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from storage.base import NotStored, StorageError, StorageUnavailable
from storage.s3_retries import SILENCE, Retries

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType

CONNECT_SECONDS = 1
MISSING = {"404", "NoSuchKey", "NotFound"}


def make_client(endpoint_url: str | None, *, connections: int, read_timeout: float) -> "S3Client":
    """A client for worker threads; region and credentials come from the usual AWS variables, files and roles. Timeouts are seconds."""
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_timeout,
        max_pool_connections=connections,
        tcp_keepalive=True,
        # None of its own: see Retries.
        retries={"mode": "standard", "total_max_attempts": 1},
        # Servers other than Amazon's refuse the checksum trailers that boto3 sends by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # ... and seldom have a wildcard name in DNS for their buckets.
        s3={"addressing_style": "path" if endpoint_url else "auto"},
    )
    # A session of our own: boto3's default session is shared, and making clients from it is not safe between threads.
    client = boto3.session.Session().client("s3", endpoint_url=endpoint_url, config=config)
    Retries(client)
    return client


def ensure_bucket(client: "S3Client", bucket: str) -> None:
    """Create the bucket, in the client's region, when it is missing."""
    with translated(bucket):
        try:
            client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in MISSING:
                raise
            _create_bucket(client, bucket)


def _create_bucket(client: "S3Client", bucket: str) -> None:
    region = client.meta.region_name
    try:
        if region in {"us-east-1", "aws-global"}:  # the one region that S3 does not take by its name here
            client.create_bucket(Bucket=bucket)
        else:
            place = cast("BucketLocationConstraintType", region)
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": place})
    except client.exceptions.BucketAlreadyOwnedByYou:
        return  # another process was faster


def status(error: ClientError) -> int:
    """The HTTP status of the answer, 0 when there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_silence(error: StorageError) -> bool:
    """Whether the server did not answer at all: an error that it tells of shows that it lives."""
    return isinstance(error.__cause__, SILENCE)


@contextmanager
def translated(key: str) -> Iterator[None]:
    """boto3's errors as ours. Expired credentials, a missing bucket and a slow server are our trouble, never the client's 403 or 404."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in MISSING:
            missing = NotStored("Nothing is stored in this place.")
            missing.add_note(f"key: {key}")
            raise missing from error
        raise StorageUnavailable("The object store refused or failed.") from error
    except ParamValidationError:
        raise  # a bug of ours, which must not look like an outage
    except BotoCoreError as error:
        raise StorageUnavailable("The object store cannot be reached or is too slow.") from error
