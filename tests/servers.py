"""Servers of objects for tests: of S3, of a folder over http, and a proxy that misbehaves."""

from __future__ import annotations

import contextlib
import http.client
import logging
import threading
import time
import urllib.request
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

BUCKET = "bucket"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "key-of-a-test",
    "AWS_SECRET_ACCESS_KEY": "secret-of-a-test",
    "AWS_REGION": "us-east-1",
}


@contextlib.contextmanager
def s3_server():
    """Hold a server on a free port, with an empty bucket; yields its URL."""
    from moto.server import ThreadedMotoServer  # half a second, of the tests that need it alone

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        urllib.request.urlopen(urllib.request.Request(f"{url}/{BUCKET}", method="PUT")).close()
        yield url
    finally:
        server.stop()


@contextlib.contextmanager
def web_server(folder, requests=None, refused=lambda path: False):
    """Serve a folder as ``python -m http.server`` does; yields its URL.

    Requests are noted as (method, path); those that are `refused` are answered with 403.
    """

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def send_head(self):
            if requests is not None:
                requests.append((self.command, self.path))
            if refused(self.path):
                self.send_error(403)
                return None
            return super().send_head()

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # of 5, the kernel drops connections, and asks again after 1 s

    server = Server(("127.0.0.1", 0), partial(Handler, directory=folder))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Proxy:
    """Passes requests on to a server, but for those that `fault` says something of.

    `fault(method, path, number)` returns None to pass a request on, a status to answer it with, or

    - "drop" to break the connection within the body of the request,
    - "cut" to break it within the body of the answer, "short" to say that half of it is all,
    - "twice" to pass it on twice and give the second answer,
    - seconds, as a float, to wait before the answer, or a pair of seconds and any of these.
    """

    def __init__(self, url):
        self.fault = lambda method, path, number: None
        self.requests = []
        target, lock = url.removeprefix("http://"), threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # or bodies wait 40 ms for the other side's nod

            def log_message(self, *arguments):
                pass

            def answer(handler):  # noqa: N805
                with lock:
                    self.requests.append((handler.command, handler.path))
                    fault = self.fault(handler.command, handler.path, len(self.requests))
                if isinstance(fault, tuple):
                    seconds, fault = fault
                    time.sleep(seconds)
                length = int(handler.headers.get("Content-Length", 0))
                if fault == "drop":
                    handler.rfile.read(length // 2)
                    handler.close_connection = True
                    return
                body = handler.rfile.read(length)
                if isinstance(fault, float):
                    time.sleep(fault)
                if isinstance(fault, int):
                    text = f"<Error><Code>Fault{fault}</Code></Error>".encode()
                    handler.reply(fault, {"Content-Type": "application/xml"}, text)
                    return
                connection = http.client.HTTPConnection(target, timeout=30)
                for _ in range(2 if fault == "twice" else 1):
                    connection.request(handler.command, handler.path, body, dict(handler.headers))
                    found = connection.getresponse()
                    data = found.read()
                kept = {
                    name: value
                    for name, value in found.getheaders()
                    if name.lower() not in ("transfer-encoding", "connection", "content-length")
                }
                if handler.command == "HEAD":
                    kept["Content-Length"] = found.getheader("Content-Length", "0")
                if fault == "short":
                    data = data[: len(data) // 2]
                handler.reply(found.status, kept, data, cut=fault == "cut")
                connection.close()

            def reply(handler, status, headers, data, cut=False):  # noqa: N805
                handler.send_response(status)
                for name, value in headers.items():
                    handler.send_header(name, value)
                if handler.command != "HEAD":
                    handler.send_header("Content-Length", str(len(data)))
                with contextlib.suppress(OSError):  # who asked has given up meanwhile
                    handler.end_headers()
                    if handler.command != "HEAD":
                        handler.wfile.write(data[: len(data) // 2] if cut else data)
                handler.close_connection = cut

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
