"""Reads from the middle of a gzip file, without decompressing it from its start each time.

Decoders are kept on the way, every 32 MB and where the last reads ended, for as long as the process
lives: a copy of one goes on from there. The first read of a process decompresses all that comes
before it, one that follows another goes on, and any other decompresses at most 32 MB in vain.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from zarrpyramid.errors import StoreError

_SPACING = 2**25
"""Bytes between two decoders. Each holds about 40 KB."""

_INPUT, _OUTPUT, _STEP = 2**18, 2**22, 64
_MOST_FILES, _MOST_ENDS = 4, 16
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stop:
    """A decoder that has read `read` bytes of a file and given `given` bytes."""

    read: int
    given: int
    decoder: Any


_stops: dict[tuple[str, int, int], list[_Stop]] = {}
_ends: dict[tuple[str, int, int], list[_Stop]] = {}
_lock = Lock()


def is_gzip(path: str) -> bool:
    """Tell whether a file starts as gzip's do."""
    with Path(path).open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def read_gzip(path: str, start: int, n_bytes: int) -> bytearray:
    """Return bytes of what a gzip file holds, which may have several members.

    Raises
    ------
    StoreError
        If it ends before, or is damaged.
    """
    end, found = start + n_bytes, bytearray(n_bytes)
    about = Path(path).stat()
    key = (path, about.st_size, about.st_mtime_ns)
    stop = _last_stop(key, start)
    decoder, given = stop.decoder.copy(), stop.given
    before = stop
    with Path(path).open("rb") as file:
        file.seek(stop.read)
        rest = b""
        while given < end:
            if decoder.eof:  # another member may follow, or zeros that fill a block
                rest = (decoder.unused_data or file.read(_INPUT)).lstrip(b"\0")
                decoder = zlib.decompressobj(_GZIP)
            rest = rest or file.read(_INPUT)
            # What is decompressed last may reach beyond the end, where the next read begins.
            before = _Stop(read=file.tell() - len(rest), given=given, decoder=decoder.copy())
            data = _decompressed(path, decoder, rest, _OUTPUT)
            if not rest and not data:
                raise _truncated(path)
            rest = decoder.unconsumed_tail
            first, last = max(start, given), min(end, given + len(data))
            if first < last:
                found[first - start : last - start] = data[first - given : last - given]
            given += len(data)
            if not decoder.eof:
                _keep(key, _Stop(read=file.tell() - len(rest), given=given, decoder=decoder))
        if not decoder.eof:
            # A step on: at the end that compares the checksum, or finds that it is cut off.
            more = rest or file.read(_STEP)
            if not _decompressed(path, decoder, more, 1) and not more and not decoder.eof:
                raise _truncated(path)
    with _lock:
        _ends.setdefault(key, []).append(before)
        del _ends[key][:-_MOST_ENDS]
    return found


def _decompressed(path: str, decoder: Any, data: bytes, most: int) -> bytes:
    try:
        found: bytes = decoder.decompress(data, most)
    except zlib.error as error:
        raise StoreError(
            f"{path} cannot be decompressed ({error}); it is damaged: copy it again"
        ) from None
    return found


def _truncated(path: str) -> StoreError:
    return StoreError(f"{path} is truncated: it ends before the image does; copy it again")


def _last_stop(key: tuple[str, int, int], start: int) -> _Stop:
    with _lock:
        if key not in _stops:
            while len(_stops) >= _MOST_FILES:
                oldest = next(iter(_stops))
                del _stops[oldest]
                _ends.pop(oldest, None)
            _stops[key] = [_Stop(read=0, given=0, decoder=zlib.decompressobj(_GZIP))]
        stops = _stops[key]
        place = bisect_right(stops, start, key=lambda stop: stop.given) - 1
        ends = [end for end in _ends.get(key, ()) if end.given <= start]
        return max([stops[place], *ends], key=lambda stop: stop.given)


def _keep(key: tuple[str, int, int], stop: _Stop) -> None:
    with _lock:
        stops = _stops.get(key)
        if stops and stop.given >= stops[-1].given + _SPACING:
            stops.append(_Stop(read=stop.read, given=stop.given, decoder=stop.decoder.copy()))
