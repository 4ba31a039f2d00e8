"""A server of files, as the hub and GitHub are to the downloader, with faults on demand."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


@dataclass
class Site:
    """What is served and how.

    Attributes:
        files: path of a URL -> content; the hub's listings follow from ``/datasets/...`` ones.
        cuts: bytes of the body after which a connection is cut, one entry a request.
        ranges: whether parts of a file are served.
        moved: path of a URL -> where it is to be asked for instead.
        hang_after: bytes of the next file after which the server goes silent, until `go_on`.
        silent: set when it has gone silent.
        starts: first byte of every request for a file, in order.
        url: where it listens.
    """

    files: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    moved: dict[str, str] = field(default_factory=dict)
    hang_after: int | None = None
    silent: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    starts: list[int] = field(default_factory=list)
    url: str = ""

    def listing(self, path: str) -> list[dict[str, object]] | None:
        """The hub's answer about a folder, or None if it has no such one.

        `path` is quoted: a revision may have slashes.
        """
        repository, _, inner = path.removeprefix("/api/datasets/").partition("/tree/")
        revision, _, folder = map(unquote, inner.partition("/"))
        root = f"/datasets/{repository}/resolve/{revision}/"
        found: list[dict[str, object]] = [
            {
                "type": "file",
                "path": name.removeprefix(root),
                "size": len(content),
                "lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)},
            }
            for name, content in self.files.items()
            if name.startswith(f"{root}{folder}/")
        ]
        return found or None


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Site]:
    """Serve files on a free port of this machine."""
    site = Site(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(self.path).partition("?")[0]
            if path.startswith("/api/"):
                listing = site.listing(self.path)
                self._send(200 if listing else 404, json.dumps(listing).encode(), {})
            elif path in site.moved:
                self._send(302, b"", {"Location": site.moved[path]})
            elif path not in site.files:
                self._send(404, b"not here", {})
            else:
                self._send_file(site.files[path])

        def _send_file(self, content: bytes) -> None:
            wanted = self.headers.get("Range") if site.ranges else None
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            site.starts.append(start)
            if start and start >= len(content):
                self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            extent = f"bytes {start}-{len(content) - 1}/{len(content)}"
            headers = {"Content-Range": extent} if wanted else {}
            cut = site.cuts.pop(0) if site.cuts else None
            hang, site.hang_after = site.hang_after, None
            self._send(
                206 if wanted else 200, content[start:], headers, hang if cut is None else cut
            )
            if hang is not None:
                self.wfile.flush()
                site.silent.set()
                site.go_on.wait()

        def _send(
            self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[:cut])
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a test's output is its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        site.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
