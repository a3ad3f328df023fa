"""URLs of stores and the options that open them: what is accepted, and that none is a secret."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zarrpyramid.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE_STORAGE"}
"""Schemes of object stores, and how the names of their environment variables begin."""

WEB = ("http", "https")
"""Schemes of web servers."""

SECRET = re.compile(
    r"secret|token|password|credential|signature_key|service_account|access_key|account_key"
    r"|master_key|encryption_key|customer_key|sas_key|bearer",
    re.IGNORECASE,
)


def is_url(path: str) -> bool:
    """Tell whether a path is a URL."""
    return "://" in path


def check_url(url: str, where: str, *, is_read: bool = False) -> str:
    """Return the URL of a store without a slash at its end.

    Parameters
    ----------
    is_read
        Whether the store is only read, so that it may be a web server.

    Raises
    ------
    ConfigError
        If its scheme is not served, or it holds more than a place.
    """
    scheme, _, rest = url.partition("://")
    served = [*SCHEMES, *(WEB if is_read else ())]
    if scheme not in served:
        known = ", ".join(f"{name}://" for name in served)
        # The message does not repeat the rest: it may hold a password.
        msg = f"{where} is a URL of {scheme}, expected a path, or one of {known}"
        if scheme in WEB:
            msg += "; a web server is only read: give it as source beside a store of your own"
        raise ConfigError(msg)
    steps = rest.strip("/").split("/")
    if "@" in steps[0] or "?" in rest or "#" in rest or {"", ".", ".."}.intersection(steps):
        # As above: it may hold a password.
        if scheme in WEB:
            msg = f"{where} must be {scheme}://HOST/PATH and nothing else"
            raise ConfigError(msg + "; over http no credentials are sent")
        msg = f"{where} must be {scheme}://BUCKET/PATH and nothing else; credentials come from the "
        raise ConfigError(msg + "environment, an endpoint from storage_options")
    return f"{scheme}://{'/'.join(steps)}"


def check_options(options: Mapping[str, Any], where: str, scheme: str = "s3") -> None:
    """Refuse options that are secrets: options stand in logs, in results and on command lines.

    Raises
    ------
    ConfigError
        If one is a secret; the message names the environment variable to use instead.
    """
    for key, value in options.items():
        if SECRET.search(key) or re.match(r"\w+://[^/]*@", str(value)):
            msg = f"{where}.{key} holds a secret, which options are no place for; remove it"
            if scheme in WEB:
                raise ConfigError(f"{msg}: over http no credentials are sent")
            prefix = SCHEMES[scheme]
            bare = re.sub(r"^(aws|google|azure(_storage)?)_", "", key, flags=re.IGNORECASE)
            raise ConfigError(f"{msg} and set {prefix}_{bare.upper()} in the environment")


def web_address(url: str, options: Mapping[str, Any]) -> str:
    """Return the https address at which a browser asks for what stands at a URL, or "".

    Whether everybody may read it there is not asked.

    >>> web_address("s3://lab/a b.zarr", {"region": "eu-west-1"})
    'https://lab.s3.eu-west-1.amazonaws.com/a%20b.zarr'
    >>> web_address("s3://lab/b.zarr", {"endpoint": "https://minio.lab:9000"})
    'https://minio.lab:9000/lab/b.zarr'
    >>> web_address("gs://lab/b.zarr", {}), web_address("http://lab/b.zarr", {})
    ('https://storage.googleapis.com/lab/b.zarr', '')
    """
    scheme, _, rest = url.partition("://")
    if scheme in WEB:
        return url if scheme == "https" else ""
    bucket, _, path = rest.partition("/")
    given = {re.sub("^(aws|azure_storage)_", "", key.lower()): options[key] for key in options}
    names = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    endpoints = (given.get("endpoint"), given.get("endpoint_url"), *map(os.environ.get, names))
    root = ""
    if scheme == "gs":
        root = f"https://storage.googleapis.com/{bucket}"
    elif scheme == "az" and "account_name" in given:
        root = f"https://{given['account_name']}.blob.core.windows.net/{bucket}"
    elif scheme == "s3" and (endpoint := next(filter(None, endpoints), None)):
        root = f"{str(endpoint).rstrip('/')}/{bucket}"
    elif scheme == "s3":
        region = given.get("region") or os.environ.get("AWS_REGION")
        root = f"https://{bucket}.s3.{f'{region}.' if region else ''}amazonaws.com"
    return f"{root}/{quote(path)}".rstrip("/") if root.startswith("https://") else ""


def as_arguments(options: Mapping[str, Any]) -> str:
    """Return options as arguments of a command, each with a blank before it.

    >>> as_arguments({"endpoint": "http://minio:9000"})
    ' --storage-option endpoint=http://minio:9000'
    """
    return "".join(
        f" --storage-option {shlex.quote(f'{key}={value}')}" for key, value in options.items()
    )
