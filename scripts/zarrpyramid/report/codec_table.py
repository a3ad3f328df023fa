"""What codecs made of an image's voxels, who reads them, and which one to take, for people.

Who reads what stands in `codec_readers.toml`, with where it was seen.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.metadata import SAME
from zarrpyramid.plan import auto_compressor
from zarrpyramid.tables import aligned_table, as_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.downsample import CodecTrial
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.plan import Image

    Reader = dict[str, Any]

MOVED = 25e6
"""Bytes that a core moves to or from the disk in a second: 400 MB/s, shared by 16 cores."""

_COLUMNS = ("compressor", "MB", "ratio", "encoded MB/s", "decoded MB/s", "read by", "")


@cache
def read_readers() -> tuple[Reader, ...]:
    """Return who reads which codecs."""
    text = Path(__file__).with_name("codec_readers.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["reader"])


def cost(trial: CodecTrial) -> float:
    """Return seconds of a core to encode, write, read and decode what was tried."""
    return trial.encode_seconds + trial.decode_seconds + 2 * trial.stored_bytes / MOVED


def describe_codecs(image: Image, trials: Sequence[CodecTrial]) -> list[str]:
    """Return lines: a table of codecs, their readers, and the one to take as YAML."""
    plan, best = image.plan, min(trials, key=cost)
    level = plan.levels[1]
    automatic, _ = auto_compressor(level.dtype, plan.image.labels is True)
    form = trials[0].metadata
    n_chunks = trials[0].raw_bytes // (geometry.count(form.chunks) * form.item_size)
    version = f"v{form.zarr_format}"
    known = [reader for reader in read_readers() if reader[version]]
    rows = []
    for trial in trials:
        marks = {
            "auto": automatic in (trial.compressor, *trial.others),
            "recommended": trial is best,
        }
        rows.append(
            (
                _spelled(trial),
                f"{trial.stored_bytes / 1e6:.4g}",
                f"{trial.raw_bytes / trial.stored_bytes:.2f}",
                _speed(trial.raw_bytes, trial.encode_seconds),
                _speed(trial.raw_bytes, trial.decode_seconds),
                _readers(trial.metadata, known),
                ", ".join(mark for mark, holds in marks.items() if holds),
            )
        )
    return [
        f"{plan.image.name}: codecs on {n_chunks} chunks of level 1, "
        f"{as_bytes(trials[0].raw_bytes)} raw of {level.dtype}, in CPU time of one thread",
        *aligned_table(_COLUMNS, rows),
        f"readers of zarr {version}: {', '.join(reader['name'] for reader in known)}",
        "recommended is the least time of a core to encode, to write and read at "
        f"{MOVED / 1e6:.0f} MB/s, and to decode:",
        f"compressor: {best.compressor}",
    ]


def trial_documents(trials: Sequence[CodecTrial]) -> list[dict[str, Any]]:
    """Return what was tried as mappings for JSON."""
    best = min(trials, key=cost)
    return [
        {
            "compressor": trial.compressor,
            "others": trial.others,
            "raw_bytes": trial.raw_bytes,
            "stored_bytes": trial.stored_bytes,
            "encode_seconds": trial.encode_seconds,
            "decode_seconds": trial.decode_seconds,
            "recommended": trial is best,
        }
        for trial in trials
    ]


def codec_name(metadata: ArrayMetadata) -> str:
    """Return the name of an array's compressor, "none" without one."""
    outer = ("bytes", "transpose", "crc32c")
    names = [codec["name"] for codec in metadata.codecs if codec["name"] not in outer]
    return str(names[-1]) if names else "none"


def _readers(metadata: ArrayMetadata, known: Sequence[Reader]) -> str:
    """Return who reads an array's codec, or who of all does not."""
    name, version = codec_name(metadata), f"v{metadata.zarr_format}"
    unable = [_short(reader) for reader in known if name not in reader[version]]
    if metadata.zarr_format == 2 and any(
        codec.get("configuration", {}).get("checksum") for codec in metadata.codecs
    ):
        unable = sorted({*unable, "tensorstore"})  # of others it is not known
    return f"all but {', '.join(unable)}" if unable else "all"


def _spelled(trial: CodecTrial) -> str:
    """Return a compressor as the configuration spells it, and what else it is."""
    others = trial.others or ([codec_name(trial.metadata)] if trial.compressor == SAME else [])
    return f"{trial.compressor} ({', '.join(others)})" if others else trial.compressor


def _short(reader: Reader) -> str:
    return str(reader["name"]).partition(" ")[0]


def _speed(n_bytes: int, seconds: float) -> str:
    return f"{n_bytes / seconds / 1e6:,.0f}" if seconds else "-"
