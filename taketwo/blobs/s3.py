"""Bodies as objects of S3-compatible storage. Endpoint, region and credentials are what `AWS_…` say, as everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from taketwo.blobs import S3, Part, is_name, media_type_of
from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.value import content_hash

# Whoever waits is told to come back before a sender gives up by itself.
RETRIES: Final = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
PATIENCE: Final = {"connect_timeout": "5s", "timeout": "60s"}


class S3Blobs:
    """Keeps bodies as objects; see `Blobs`."""

    def __init__(self, address: str) -> None:
        """The bucket must be there. Raises BadSetting."""
        self._bucket = bucket(address)
        self._address = address.rstrip("/")

    @property
    def where(self) -> str:
        """See `Blobs`."""
        return self._address

    def put(self, body: bytes) -> str:
        """See `Blobs`."""
        name = content_hash(body)
        with telling(self.where):
            obstore.put(self._bucket, name, body, attributes={"Content-Type": media_type_of(body)})
        return name

    def get(self, name: str) -> bytes | None:
        """See `Blobs`."""
        if not is_name(name):
            return None
        with telling(self.where):
            try:
                return bytes(obstore.get(self._bucket, name).bytes())
            except FileNotFoundError as error:
                _insist_on_bucket(error)
                return None

    def part(self, name: str, first: int, last: int | None = None) -> Part | None:
        """See `Blobs`."""
        if not is_name(name):
            return None
        with telling(self.where):
            try:
                # The size first: for a range behind the end some servers give an error, and others the whole.
                size = obstore.head(self._bucket, name)["size"]
                end = size if last is None else min(size, last + 1)
                if first >= end:
                    return Part(body=b"", first=first, size=size, media_type=media_type_of(b""))
                found = obstore.get(self._bucket, name, options={"range": (first, end)})
                kind = found.attributes.get("Content-Type", media_type_of(b""))
                return Part(body=bytes(found.bytes()), first=first, size=size, media_type=kind)
            except FileNotFoundError as error:
                _insist_on_bucket(error)
                return None

    def exists(self, name: str) -> bool:
        """See `Blobs`."""
        if not is_name(name):
            return False
        with telling(self.where):
            try:
                obstore.head(self._bucket, name)
            except FileNotFoundError:
                return False
        return True

    def delete(self, name: str) -> bool:
        """See `Blobs`."""
        if not self.exists(name):
            return False
        with telling(self.where):
            obstore.delete(self._bucket, name)
        return True

    def names(self) -> Iterator[str]:
        """See `Blobs`."""
        with telling(self.where):
            for page in obstore.list(self._bucket):
                yield from (one["path"] for one in page if is_name(one["path"]))


def bucket(address: str) -> Any:
    """The place that `s3://BUCKET/PREFIX` names. Raises BadSetting."""
    name, _, prefix = address.removeprefix(S3).partition("/")
    if "@" in name:
        raise BadSetting(
            "credentials are no part of the address of a bucket",
            where=f"{S3}{name.rpartition('@')[2]}",
            todo="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    if not name or "?" in address:
        raise BadSetting("this is no address of a bucket", where=address, todo="use s3://BUCKET/PREFIX")
    # An endpoint without TLS is one that somebody has named so.
    options = {**PATIENCE, "allow_http": True}
    return S3Store(name, prefix=prefix.strip("/") or None, client_options=options, retry_config=RETRIES)


@contextmanager
def telling(where: str) -> Iterator[None]:
    """Say what errors of object storage mean. Raises StoreUnavailable."""
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise StoreUnavailable(
            "the object storage refuses its key",
            where=where,
            todo="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to one that may read, write, list and delete there",
        ) from error
    except (BaseError, OSError) as error:
        why = str(error).partition("\n")[0]
        raise StoreUnavailable(
            f"the object storage does not answer as it should: {why}",
            where=where,
            todo="see that it runs, and that AWS_ENDPOINT_URL and AWS_REGION name it",
        ) from error


def _insist_on_bucket(error: FileNotFoundError) -> None:
    """An object that is not there is an answer; a bucket that is not there is a mistake."""
    if "NoSuchBucket" in str(error):
        raise error
