"""The client of an object store or a web server, opened by obstore with the options of its URL."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError
from zarrpyramid.programs import extra_command

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLIENT = ("allow_http", "allow_invalid_certificates", "connect_timeout", "proxy_url", "timeout")


def open_client(url: str, address: str, options: Mapping[str, Any]) -> Any:
    """Return obstore's store at an address, which `url` names in messages.

    The threads of all clients are one runtime of the process, which is lost in a fork.

    Raises
    ------
    ConfigError
        If obstore is not installed or refuses an option.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ModuleNotFoundError as error:
        msg = f"{url} needs the package obstore; {extra_command('remote')}"
        raise ConfigError(msg) from error
    config = dict(options)
    retries: Any = {
        "max_retries": int(config.pop("max_retries", 10)),
        "retry_timeout": timedelta(seconds=float(config.pop("retry_timeout", 120))),
    }
    client: dict[str, Any] = {key: config.pop(key) for key in _CLIENT if key in config}
    client.setdefault("timeout", "300s")  # of a request: a shard may be large
    endpoint = url if url.startswith("http") else config.get("endpoint")
    named = (endpoint, *map(os.environ.get, ("AWS_ENDPOINT_URL", "AWS_ENDPOINT")))
    if str(next(filter(None, named), "")).startswith("http://"):
        client.setdefault("allow_http", True)
    make: Any = from_url  # its overloads, one a scheme, do not fit options read from a file
    try:
        return make(
            address,
            config={key: _spelled(value) for key, value in config.items()},
            client_options={key: _spelled(value) for key, value in client.items()},
            retry_config=retries,
        )
    except (BaseError, ValueError, TypeError) as error:
        msg = f"{url} cannot be opened with storage_options {options}: {one_line(error)}"
        raise ConfigError(msg) from error


def _spelled(value: Any) -> Any:
    """Return an option as obstore reads it: text, or true and false."""
    return value if isinstance(value, bool | str) else str(value)


def one_line(error: object) -> str:
    """Return an error of obstore in one line, without the document that servers add."""
    text = " ".join(str(error).partition("Debug source:")[0].split())
    return text if len(text) < 400 else f"{text[:400]}..."
