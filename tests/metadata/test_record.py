"""Records and the files that hold them: equal levels, equal bytes."""

from __future__ import annotations

import json
import math

import pytest

from zarrpyramid.errors import StoreError
from zarrpyramid.metadata.json_numbers import strict_number
from zarrpyramid.metadata.record import (
    encode_record,
    fits,
    load_sentinel,
    read_sentinel,
    remove_beyond,
    write_sentinel,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (0, 0),
        (2**53, 2**53),  # the last that doubles hold one by one
        (2**53 + 1, "9007199254740993"),
        (-(2**63), "-9223372036854775808"),
        (1.5, 1.5),
        (1e300, 1e300),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_numbers_that_every_reader_takes(value, expected):
    assert strict_number(value) == expected
    json.dumps(strict_number(value), allow_nan=False)


def test_bytes_do_not_depend_on_the_order_of_keys():
    record = {"b": [1, 2], "a": {"d": None, "c": 0.1}}
    again = {"a": {"c": 0.1, "d": None}, "b": [1, 2]}
    assert encode_record(record) == encode_record(again)
    assert encode_record(record).splitlines()[1] == b' "a": {'


def test_no_bare_nan_is_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_record({"mean": math.nan})


def test_a_sentinel_comes_back(tmp_path):
    path = tmp_path / "levels" / "1.json"
    write_sentinel(path, {"level": 1})
    assert read_sentinel(path) == load_sentinel(path) == {"level": 1}
    assert [item.name for item in path.parent.iterdir()] == ["1.json"]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"3", b"\xff"])
def test_what_is_no_record(tmp_path, content):
    path = tmp_path / "1.json"
    if content is not None:
        path.write_bytes(content)
    assert read_sentinel(path) is None
    with pytest.raises(StoreError, match=r"1.json holds no record of a level; delete it"):
        load_sentinel(path)


def test_sentinels_beyond_the_last_level_are_removed(tmp_path):
    for name in ("0.json", "2.json", "3.json", "10.json", "03.json", "test_image.json", "4.txt"):
        (tmp_path / name).write_text("{}")
    remove_beyond(tmp_path, 2)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["0.json", "2.json", "4.txt", "test_image.json"]


@pytest.mark.parametrize(
    ("record", "expected", "verdict"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),  # more than expected
        ({"a": 1}, {"a": 1, "b": 2}, False),  # less
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": None}, True),  # absent and null say the same
        (None, {}, False),  # no record at all
    ],
)
def test_fits(record, expected, verdict):
    assert fits(record, expected) is verdict
