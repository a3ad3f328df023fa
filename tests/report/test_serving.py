"""What is served of a folder, and what is not."""

from __future__ import annotations

import contextlib
import http.client
import threading
import zipfile
from urllib.parse import urlsplit

import pytest

from servers import web_server
from zarrpyramid.errors import StoreError
from zarrpyramid.report.serving import FolderServer
from zarrpyramid.stores import open_store

VOXELS = bytes(range(200))


def asking(server):
    """Return what asks a server in another thread, and the path of what it serves as `data`."""
    place = urlsplit(server.url("data"))

    def ask(path, method="GET", **headers):
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body

    return ask, place.path


@contextlib.contextmanager
def running(server):
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield asking(server)
        server.shutdown()
    thread.join()


@pytest.fixture
def served(tmp_path):
    """Serve a folder with a chunk; return what asks it, and the address of the folder."""
    home = tmp_path / "image.zarr"
    (home / "0/c").mkdir(parents=True)
    (home / "0/c/a b").write_bytes(VOXELS)
    (tmp_path / "secret").write_text("no")
    (tmp_path / "source").mkdir()
    (tmp_path / "source/chunk").write_bytes(b"linked")
    (home / "stray").symlink_to(tmp_path / "secret")
    (home / "linked").symlink_to(tmp_path / "source")
    with running(FolderServer({"data": (home, tmp_path / "source")})) as found:
        yield found


@pytest.fixture
def served_file(tmp_path):
    """Serve a group in a single file; return what asks it, and its address."""
    with zipfile.ZipFile(tmp_path / "a.ozx", "w") as archive:
        archive.writestr("image.zarr/0/c/a b", VOXELS)
        archive.writestr("secret", "no")
    store = open_store(str(tmp_path / "a.ozx"))
    with running(FolderServer({}, groups={"data": (store, "image.zarr")})) as found:
        yield found


@pytest.fixture
def served_group(tmp_path):
    """Serve a group of a store on the web; return what asks it, and its address."""
    home = tmp_path / "images/image.zarr"
    (home / "0/c").mkdir(parents=True)
    (home / "0/c/a b").write_bytes(VOXELS)
    (tmp_path / "images/secret").write_text("no")
    with web_server(tmp_path, refused=lambda path: path.endswith("refused")) as url:
        store = open_store(f"{url}/images")
        with running(FolderServer({}, groups={"data": (store, "image.zarr")})) as found:
            yield found


RANGES = pytest.mark.parametrize(
    ("asked", "status", "body", "of_file"),
    [
        (None, 200, VOXELS, None),
        ("bytes=3-9", 206, VOXELS[3:10], "bytes 3-9/200"),
        ("bytes=190-", 206, VOXELS[190:], "bytes 190-199/200"),
        ("bytes=190-999", 206, VOXELS[190:], "bytes 190-199/200"),
        ("bytes=-16", 206, VOXELS[-16:], "bytes 184-199/200"),  # the index of a shard
        ("bytes=-999", 200, VOXELS, None),  # all there is
        ("bytes=200-", 416, b"", "bytes */200"),
        ("bytes=-0", 416, b"", "bytes */200"),
        ("bytes=9-3", 416, b"", "bytes */200"),
        # What is not understood is answered with the whole, as RFC 9110 has it.
        ("bytes=0-1,5-6", 200, VOXELS, None),
        ("bytes=-", 200, VOXELS, None),
        ("voxels=1-2", 200, VOXELS, None),
    ],
)


@pytest.mark.sampled(12)
@RANGES
@pytest.mark.parametrize("of", ["served", "served_group", "served_file"])
def test_ranges(of, asked, status, body, of_file, request):
    ask, root = request.getfixturevalue(of)
    given = {"Range": asked} if asked else {}
    answer, got = ask(f"{root}0/c/a%20b", **given)
    assert (answer.status, got, answer.headers["Content-Range"]) == (status, body, of_file)
    assert answer.headers["Content-Length"] == str(len(body))
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Range" in answer.headers["Access-Control-Expose-Headers"]
    head, nothing = ask(f"{root}0/c/a%20b", "HEAD", **given)
    assert (head.status, nothing) == (status, b"")
    for name in ("Content-Length", "Content-Range", "Content-Type"):
        assert head.headers[name] == answer.headers[name]


def test_pages_from_elsewhere_may_ask_for_ranges(served):
    ask, root = served
    answer, _ = ask(f"{root}0/c/a%20b", "OPTIONS")
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Headers"] == "Range"


@pytest.mark.parametrize(
    "path",
    [
        "{root}../secret",
        "{root}%2e%2e/secret",
        "{root}0/../../secret",
        "{root}0%2f..%2f..%2fsecret",
        "{root}/{above}/secret",
        "{root}stray",
        "{root}0/c",  # a folder
        "{root}0/c/none",
        "{root}a%00b",
        "{root}" + 300 * "n",
        "{root}",
        "/data/",
        "/data/another-token/0/c/a%20b",
        "/data/%C3%A9/0/c/a%20b",
        "/other/{token}/0/c/a%20b",
        "/0/c/a%20b",
        "/",
    ],
)
def test_nothing_else_is_served(served, tmp_path, path):
    ask, root = served
    asked = path.format(root=root, above=tmp_path, token=root.split("/")[2])
    answer, body = ask(asked)
    assert (answer.status, body) == (404, b"")


@pytest.mark.parametrize(
    "path", ["../secret", "%2e%2e/secret", "0/../../secret", "0/c/none", "", "/0"]
)
@pytest.mark.parametrize("of", ["served_group", "served_file"])
def test_nothing_else_of_a_group_is_served(of, path, request):
    ask, root = request.getfixturevalue(of)
    answer, body = ask(root + path)
    assert (answer.status, body) == (404, b"")


def test_what_a_store_refuses_is_no_absence(served_group, caplog):
    ask, root = served_group
    answer, body = ask(f"{root}refused")
    assert (answer.status, body) == (502, b"")
    assert "refused" in caplog.text


def test_a_link_is_followed_into_folders_that_are_named(served):
    ask, root = served
    assert ask(f"{root}linked/chunk")[1] == b"linked"


def test_nothing_is_taken_in(served):
    ask, root = served
    assert ask(f"{root}0/c/a%20b", "PUT")[0].status == 405


def test_tokens_differ_and_only_this_machine_is_answered(tmp_path):
    with (
        FolderServer({"data": (tmp_path,)}) as one,
        FolderServer({"data": (tmp_path,)}) as other,
    ):
        assert one.token != other.token
        assert len(one.token) >= 16
        assert urlsplit(one.url("data")).hostname == one._socket.getsockname()[0] == "127.0.0.1"
        with pytest.raises(StoreError, match=f"port {one.port} of 127.0.0.1 cannot be had"):
            FolderServer({}, one.port)
    with pytest.raises(StoreError, match="port 70000"):
        FolderServer({}, 70000)
