"""An `omero` gives every channel a window that is one, a label and a colour; others' stays."""

import copy
import math

import pytest

from zarrpyramid.metadata.multiscales import ome_attributes
from zarrpyramid.metadata.omero import omero_document, others_omero, with_omero, without_our_omero

WINDOWS = {
    "integers": ("uint16", [[3, 900]], [3, 4000], (0, 65535, 3, 900)),
    "signed": ("int8", [[-3, 9]], [-5, 9], (-128, 127, -3, 9)),
    "bool": ("bool", [[0, 1]], [0, 1], (0, 1, 0, 1)),
    "a constant": ("uint8", [[7, 7]], [7, 7], (0, 255, 7, 8)),
    "the largest constant": ("uint8", [[255, 255]], [255, 255], (0, 255, 254, 255)),
    "a bool constant": ("bool", [[1, 1]], [1, 1], (0, 1, 0, 1)),
    "floats": ("float32", [[0.5, 2.0]], [-1.5, 3.25], (-1.5, 3.25, 0.5, 2.0)),
    "truncated below the least": ("float32", [[2.0, 2.5]], [2.25, 3.0], (2.25, 3.0, 2.25, 2.5)),
    "a float constant": ("float64", [[2.0, 2.0]], [2.0, 2.0], (2.0, 2.02, 2.0, 2.02)),
    "zeros": ("float64", [[0.0, 0.0]], [0.0, 0.0], (0.0, 1.0, 0.0, 1.0)),
    "infinite extremes": ("float32", [[1.0, 2.0]], ["-Infinity", "Infinity"], (1.0, 2.0, 1.0, 2.0)),
    "no finite voxel": ("float32", [None], [None, None], (0.0, 1.0, 0.0, 1.0)),
    "beyond the type": ("uint64", [[1, 2**64]], [1, 2**64], (0, 2**64 - 1, 1, 2**64 - 1)),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_starts_before_it_ends(name):
    dtype, windows, extremes, expected = WINDOWS[name]
    made = omero_document(windows, n_channels=1, name="bead", dtype=dtype, extremes=extremes)
    (channel,) = made["channels"]
    window = channel["window"]
    assert tuple(window[key] for key in ("min", "max", "start", "end")) == expected
    assert window["min"] <= window["start"] < window["end"] <= window["max"]
    assert (channel["label"], channel["color"], channel["active"]) == ("bead", "FFFFFF", True)
    assert made["rdefs"] == {"model": "greyscale", "defaultT": 0, "defaultZ": 0}


@pytest.mark.parametrize("n_channels", [2, 3, 5, 64])
def test_channels_have_labels_and_colours_of_their_own(n_channels):
    made = omero_document(
        [[0, number] for number in range(n_channels)],
        n_channels=n_channels,
        name="cells",
        dtype="uint8",
        middle=4,
    )
    for key in ("label", "color"):
        assert len({channel[key] for channel in made["channels"]}) == n_channels
    assert all(int(channel["color"], 16) < 2**24 for channel in made["channels"])
    assert made["rdefs"] == {"model": "color", "defaultT": 0, "defaultZ": 4}


RGB = ["red", "green", "blue"]
PHOTOS = {
    "8 bits": ("uint8", [[3, 90], [0, 255], None], RGB, [(0, 255)] * 3, [True] * 3),
    "16 bits": ("uint16", [[3, 90], [5, 900], [4, 50]], RGB, [(3, 900)] * 3, [True] * 3),
    "a black channel": ("uint16", [[3, 90], None, [4, 50]], RGB, [(3, 90)] * 3, [True] * 3),
    # A white fourth colour on top of the others leaves nothing of them.
    "alpha": ("uint8", [[3, 90]] * 4, [*RGB, "alpha"], [(0, 255)] * 3, [True] * 3 + [False]),
    "other names": ("uint8", [[3, 90], [1, 9], [2, 8]], ["a", "b", "c"], [(3, 90)], [True] * 3),
}


@pytest.mark.parametrize("name", PHOTOS)
def test_a_picture_in_colour_keeps_its_colours(name):
    dtype, windows, labels, expected, active = PHOTOS[name]
    made = omero_document(
        windows, n_channels=len(windows), name="slide", dtype=dtype, labels=labels
    )
    found = [channel["window"] for channel in made["channels"]]
    ends = [(window["start"], window["end"]) for window in found]
    assert ends[: len(expected)] == expected
    assert [channel["active"] for channel in made["channels"]] == active
    assert [channel["label"] for channel in made["channels"]] == labels
    colours = [channel["color"] for channel in made["channels"]]
    assert colours[:3] == ["FF0000", "00FF00", "0000FF"]


@pytest.mark.parametrize(
    "windows",
    [
        None,
        {},
        [],
        [[1, 2], [1, 2]],
        [[2, 1]],
        [[1]],
        [["a", "b"]],
        [[math.nan, 1]],
        [3],
        [[True, 2]],
    ],
)
def test_a_record_that_holds_no_windows_gives_none(windows):
    assert omero_document(windows, n_channels=1, name="a", dtype="uint8") is None


LIST = [{"name": "a", "metadata": {"method": "mean"}, "datasets": []}]
PLACES = {
    "0.4": {"multiscales": LIST, "mine": 1},
    "0.5": {"ome": {"version": "0.5", "multiscales": LIST, "theirs": 2}, "mine": 1},
}
ONE, OTHER = (omero_document([[0, end]], n_channels=1, name="a", dtype="uint8") for end in (9, 100))


@pytest.mark.parametrize("version", PLACES)
def test_ours_is_written_anew_and_goes(version):
    before = PLACES[version]
    kept = copy.deepcopy(before)
    first = with_omero(before, ONE)
    assert before == kept
    assert ome_attributes(first, "omero")["omero"] == ONE
    assert not others_omero(first)
    assert with_omero(first, ONE) == first
    assert ome_attributes(with_omero(first, OTHER), "omero")["omero"] == OTHER
    assert with_omero(first, None) == before
    assert "omero" not in ome_attributes(without_our_omero(first))


@pytest.mark.parametrize("version", PLACES)
def test_that_of_others_stays(version):
    theirs = {"channels": [{"label": "DAPI"}]}
    holder = dict(PLACES[version].get("ome", PLACES[version]), omero=theirs)
    attributes = {**PLACES[version], "ome": holder} if version == "0.5" else holder
    for made in (ONE, None):
        assert with_omero(attributes, made) == attributes
    assert without_our_omero(attributes) == attributes
    edited = with_omero(PLACES[version], copy.deepcopy(ONE))
    ome_attributes(edited, "omero")["omero"]["channels"][0]["color"] = "00FF00"
    assert with_omero(edited, OTHER) == edited
    # 0.4 in a group of v3, whose list has moved
    moved = {**PLACES["0.5"], "omero": theirs}
    assert with_omero(moved, ONE) == moved


THEIRS = {"an id": {"id": 3}, "no channel": {"id": 3, "channels": []}, "rdefs": {"rdefs": {"a": 1}}}


@pytest.mark.parametrize("version", PLACES)
@pytest.mark.parametrize("name", THEIRS)
def test_channels_join_what_others_wrote_without_any(version, name):
    theirs = THEIRS[name]
    holder = dict(PLACES[version].get("ome", PLACES[version]), omero=theirs)
    attributes = {**PLACES[version], "ome": holder} if version == "0.5" else holder
    kept = {key: item for key, item in theirs.items() if key != "channels"}
    for made in (ONE, OTHER):
        attributes = with_omero(attributes, made)
        assert ome_attributes(attributes, "omero")["omero"] == {**made, **kept}
        assert not others_omero(attributes)
    for gone in (with_omero(attributes, None), without_our_omero(attributes)):
        assert ome_attributes(gone, "omero")["omero"] == kept
