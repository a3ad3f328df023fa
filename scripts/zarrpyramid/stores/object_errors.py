"""What an object store refuses or fails at, told in one line with the way out.

obstore's errors name requests; ours name the object, whose credentials were used, and what to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import AccessError, StoreError

from .object_client import one_line
from .urls import SCHEMES, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@contextlib.contextmanager
def told(
    url: str,
    client: Any,
    verb: str,
    key: str,
    *,
    identity: Callable[[], str],
    way_in: Callable[[str], str],
) -> Iterator[None]:
    """Raise obstore's errors as StoreError, but for absent objects and conditions that fail.

    Parameters
    ----------
    url, client
        Those of the store.
    verb, key
        What a block does, and to which object or prefix.
    identity
        Says, without any secret, whose credentials the requests carry.
    way_in
        Says what gives the right that a server refuses to `verb`.
    """
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError as error:
        if re.search(r"NoSuchBucket|ContainerNotFound|bucket does not exist", str(error)):
            bucket = url.split("/")[2]
            raise StoreError(
                f"cannot {verb} {url}/{key}: there is no bucket {bucket}; check the URL, "
                "and the endpoint in storage_options"
            ) from error
        if verb in ("read", "remove"):
            raise
        raise _failed(url, client, verb, key, error) from error
    except (StoreError, exceptions.AlreadyExistsError, exceptions.PreconditionError):
        raise
    except (exceptions.BaseError, OSError, ValueError) as error:
        refused = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
        # obstore has no error of its own for it where keys are listed or removed.
        if isinstance(error, refused) or re.search(r"status code: 40[13]\b", str(error)):
            msg = f"cannot {verb} {url}/{key}: the server refuses it to {identity()}"
            denied = AccessError(f"{msg}; {way_in(verb)}")
            denied.errno = errno.EACCES
            raise denied from error
        failed = _failed(url, client, verb, key, error)
        if isinstance(error, exceptions.NotSupportedError):
            failed.errno = errno.ENOTSUP
        raise failed from error


def _failed(url: str, client: Any, verb: str, key: str, error: Exception) -> StoreError:
    return StoreError(
        f"cannot {verb} {url}/{key} ({client!r}): {one_line(error)}; check that "
        "the server is running, and run again"
    )


def way_in(verb: str) -> str:
    """Return what gives the right that a server refuses."""
    if verb == "list":
        return (
            "give that the right to, use other credentials, or, for a source, set base_watch: "
            "metadata, which lists nothing"
        )
    if verb == "read":
        # Whoever may not list a bucket of S3 is not told either that an object is absent.
        return (
            "give that the right to read and to list, without which what is absent is refused "
            "too, or use other credentials"
        )
    return "give that the right to, or use other credentials"


def identity(url: str, options: Mapping[str, Any]) -> str:
    """Return, without any secret, whose credentials the requests carry."""
    if str(options.get("skip_signature", "")).lower() == "true":
        return "nobody (storage_options.skip_signature)"
    prefix = SCHEMES[url.partition("://")[0]]
    secrets = sorted(name for name in os.environ if name.startswith(prefix) and SECRET.search(name))
    if secrets:
        return f"the credentials of the environment ({', '.join(secrets)})"
    return f"the credentials of this machine (no {prefix}_... in the environment holds any)"
