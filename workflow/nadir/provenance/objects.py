"""Objects in S3 and in stores that speak its language: addresses, one client, errors in words.

Whom to ask and with which credentials comes from the environment, as for every AWS tool:
`AWS_ACCESS_KEY_ID` and its kin, `AWS_PROFILE`, a role of the machine; `AWS_ENDPOINT_URL` for
another store than Amazon's (addressed by path, as such stores want it), `AWS_NO_SIGN_REQUEST=YES`
for public data, `AWS_MAX_ATTEMPTS` for more or less patience. Errors never repeat what is secret.
"""

from __future__ import annotations

import errno
import functools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nadir.errors import InputError, did_you_mean

SCHEME = "s3://"
BLOCK = 2**20
"""Bytes of a block that random access reads and keeps."""

_BLOCKS = 32  # blocks kept an open object: as much as GDAL's own cache
_ATTEMPTS = 4  # of one request; each time-out or 5xx waits longer than the one before
_TIMEOUT = 20  # seconds to connect, and between two packets
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_DENIED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken")
_DENIED_REMEDY = (
    "Check the credentials (AWS_ACCESS_KEY_ID, AWS_PROFILE or the machine's role) and what they "
    "may do; AWS_NO_SIGN_REQUEST=YES reads public data."
)


@dataclass(frozen=True)
class ObjectInfo:
    """What a store says about an object.

    Attributes:
        size: Bytes.
        etag: Changes whenever the content does; for objects sent in one piece, their md5.
    """

    size: int
    etag: str


def is_object(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the address of an object."""
    return str(path).startswith(SCHEME)


def split_address(address: str) -> tuple[str, str]:
    """Return bucket and key of `s3://bucket/key`; the key of a whole bucket is empty.

    Raises:
        InputError: When it is no such address.
    """
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    if not address.startswith(SCHEME) or not _BUCKET.fullmatch(bucket):
        raise InputError(
            address, "this is no address of an object", "Write it as s3://bucket/path/of/file."
        )
    return bucket, key


def parent_of(address: str) -> str:
    """Return the address of the folder that holds an object, with a slash at its end."""
    return address.rsplit("/", 1)[0] + "/"


def endpoint() -> str | None:
    """Return the address of the store that the environment names, or None for Amazon's."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def is_anonymous() -> bool:
    """Whether the environment asks for requests without signature."""
    return os.environ.get("AWS_NO_SIGN_REQUEST", "").lower() in ("yes", "true", "1", "on")


def filesystem() -> Any:
    """Return the client (an `s3fs.S3FileSystem`) of this process and this environment."""
    # A client must not cross a fork, and what the environment says may differ between calls.
    return _client(os.getpid(), endpoint(), is_anonymous(), os.environ.get("AWS_ACCESS_KEY_ID"))


@functools.lru_cache(maxsize=4)
def _client(process: int, url: str | None, anonymous: bool, key: str | None) -> Any:
    """Return a client; the arguments are what tells clients apart."""
    from s3fs import S3FileSystem  # half a second that only such addresses should cost

    retries: dict[str, Any] = {"mode": "standard"}
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = _ATTEMPTS
    config: dict[str, Any] = {
        "retries": retries,
        "connect_timeout": _TIMEOUT,
        "read_timeout": _TIMEOUT,
    }
    if "AWS_REQUEST_CHECKSUM_CALCULATION" not in os.environ:
        # Other stores than Amazon's do not know the trailing checksums that are the default.
        config["request_checksum_calculation"] = "when_required"
    if url:
        config["s3"] = {"addressing_style": "path"}
    client = S3FileSystem(
        anon=anonymous,
        endpoint_url=url,
        config_kwargs=config,
        default_block_size=BLOCK,
        default_cache_type="blockcache",
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    client.retries = 3  # around the client's own ones: for bodies that are cut off
    return client


@contextmanager
def object_faults(address: str) -> Iterator[None]:
    """Turn what a store answers into an `InputError` that names the address.

    Raises:
        InputError: No such bucket or object, no access, no credentials, no store to be reached, a
            store that is overloaded, an answer that is cut off. Other errors pass.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # botocore, aiohttp and the operating system have their own
        found = _explain(address, error)
        if found is None:
            raise
        raise found from error


def _explain(address: str, error: BaseException) -> InputError | None:
    """Return the error in words, or None where it is none of a store's."""
    causes = [error, *filter(None, (error.__cause__, error.__context__))]
    names = {base.__name__ for cause in causes for base in type(cause).__mro__}
    answers = [getattr(cause, "response", None) for cause in causes]
    answer = next((item for item in answers if isinstance(item, dict)), {})
    code = str(answer.get("Error", {}).get("Code", ""))
    bucket = split_address(address)[0]
    if code == "NoSuchBucket" or (
        "does not exist" in str(error) and "bucket" in str(error).lower()
    ):
        return InputError(address, f"there is no bucket {bucket!r}", "Check the address.")
    if code in _DENIED or code == "403" or isinstance(error, PermissionError):
        return InputError(address, f"access is denied ({code or error})", _DENIED_REMEDY)
    if "NoCredentialsError" in names or "PartialCredentialsError" in names:
        return InputError(address, "there are no credentials for it", _DENIED_REMEDY)
    if isinstance(error, FileNotFoundError) or code in ("NoSuchKey", "404"):
        return InputError(address, "there is no such object", "Check the address.")
    if "FileExpired" in names or code in ("PreconditionFailed", "412"):
        return InputError(address, "the object was replaced meanwhile", "Run it again.")
    if names & {"ClientPayloadError", "IncompleteReadError", "ResponseStreamingError"}:
        return InputError(
            address, "the answer of the store is cut off, again and again", "Try again later."
        )
    if names & {"EndpointConnectionError", "HTTPClientError", "TimeoutError", "FSTimeoutError"}:
        where = endpoint() or "the store"
        return InputError(
            address,
            f"{where} cannot be reached ({type(error).__name__})",
            "Check the network, AWS_ENDPOINT_URL and the region.",
        )
    if code or (isinstance(error, OSError) and error.errno in (errno.EIO, errno.EBUSY)):
        return InputError(address, f"the store fails ({code or error})", "Try again later.")
    return None


def list_objects(prefix: str) -> dict[str, ObjectInfo]:
    """Return every object whose address begins with a prefix: address -> facts, by name.

    Raises:
        InputError: As `object_faults` says.
    """
    return {
        address: ObjectInfo(int(item["Size"]), item["ETag"].strip('"'))
        for address, item in _listed(prefix)
    }


def list_times(prefix: str) -> dict[str, tuple[int, float]]:
    """Return size and time of modification (seconds since 1970) of objects, as `list_objects`."""
    return {
        address: (int(item["Size"]), item["LastModified"].timestamp())
        for address, item in _listed(prefix)
    }


def _listed(prefix: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what the store says of every object under a prefix, by name."""
    bucket, key = split_address(prefix)
    found: dict[str, dict[str, Any]] = {}
    more: dict[str, str] = {}
    with object_faults(prefix):
        while True:
            answer = filesystem().call_s3("list_objects_v2", Bucket=bucket, Prefix=key, **more)
            for item in answer.get("Contents", ()):
                found[f"{SCHEME}{bucket}/{item['Key']}"] = item
            if not answer.get("IsTruncated"):
                return sorted(found.items())
            more = {"ContinuationToken": answer["NextContinuationToken"]}


def stat_object(address: str) -> ObjectInfo:
    """Return what the store says about an object.

    Raises:
        InputError: When there is none (the nearest name is told), or as `object_faults` says.
    """
    bucket, key = split_address(address)
    if not key or key.endswith("/"):
        raise InputError(address, "this is the address of a folder", "Name the file itself.")
    try:
        with object_faults(address):
            answer = filesystem().call_s3("head_object", Bucket=bucket, Key=key)
    except InputError as error:
        # A HEAD request is answered without words: ask once more, for the words alone.
        raise _better(address, error) from error
    return ObjectInfo(int(answer["ContentLength"]), answer["ETag"].strip('"'))


def _better(address: str, error: InputError) -> InputError:
    """Return a fault of one object with what a look at its folder tells."""
    if "no such object" not in error.problem:
        return error
    try:
        beside = list_objects(parent_of(address))
    except InputError as fault:
        return InputError(address, fault.problem, fault.remedy) if "bucket" in str(fault) else error
    name = address.rsplit("/", 1)[-1]
    hint = did_you_mean(name, [item.rsplit("/", 1)[-1] for item in list(beside)[:1000]])
    return InputError(address, f"{error.problem}{hint}", error.remedy)


def open_object(address: str) -> Any:
    """Return a file-like object for random access; every read is whole, or fails.

    Ranges are read in blocks of `BLOCK` bytes of which the last ones are kept. A body that is cut
    off is asked for again; an object that is replaced meanwhile is an error.

    Raises:
        InputError: As `object_faults` says, when opened. Reading raises what the client does.
    """
    with object_faults(address):
        return filesystem().open(
            address, "rb", block_size=BLOCK, cache_options={"maxblocks": _BLOCKS}
        )
