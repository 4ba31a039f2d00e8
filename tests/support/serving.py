"""A server of files that speaks the hub's interface and GitHub's, with faults on demand."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

# Large files of the hub lie on another host; here that is another name of this machine.
_STORE = "/lfs"
_RESOLVE = re.compile(
    r"/datasets/(?P<repository>[^/]+/[^/]+)/resolve/(?P<commit>[^/]+)/(?P<path>.+)"
)


@dataclass
class Site:
    """Files to serve, and how.

    Attributes:
        files: path of an address -> content. The hub's listings follow from those of
            ``/datasets/OWNER/NAME/resolve/COMMIT/``; files of git itself, which have no SHA-256 in
            a listing, end in ``.txt``.
        branches: name -> commit.
        cuts: bytes of the body after which a connection is cut, one entry a download.
        hang_after: bytes of the next file after which the server goes silent, until `go_on`.
        silent: set when the server has gone silent.
        starts: first byte of every download, in order.
        url: address of the server.
    """

    files: dict[str, bytes]
    branches: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    hang_after: int | None = None
    silent: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    starts: list[int] = field(default_factory=list)
    url: str = ""

    def listing(self, repository: str, revision: str) -> dict[str, object] | None:
        """The hub's answer about a data set at a revision, or None if there is no such commit."""
        commit = self.branches.get(revision, revision)
        root = f"/datasets/{repository}/resolve/{commit}/"
        siblings = [
            {"rfilename": name.removeprefix(root), "size": len(content), **_lfs(name, content)}
            for name, content in self.files.items()
            if name.startswith(root)
        ]
        return {"id": repository, "sha": commit, "siblings": siblings} if siblings else None


def _lfs(name: str, content: bytes) -> dict[str, object]:
    if name.endswith(".txt"):
        return {}
    digest = hashlib.sha256(content).hexdigest()
    return {"lfs": {"sha256": digest, "size": len(content), "pointerSize": 134}}


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Site]:
    """Serve files on a free port of this machine."""
    site = Site(files)

    class Handler(QuietHandler):
        def do_HEAD(self) -> None:
            path = self._address()
            match = _RESOLVE.fullmatch(path)
            if match is None or path not in site.files:
                self.answer(404, headers={"X-Error-Code": "EntryNotFound"})
                return
            content = site.files[path]
            headers = {"X-Repo-Commit": match["commit"]}
            digest = hashlib.sha256(content).hexdigest()
            if path.endswith(".txt"):
                self.answer(200, content, headers | {"ETag": f'"{digest[:40]}"'})
                return
            port = urlsplit(site.url).port
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
            location = f"http://localhost:{port}{_STORE}{self.path}"
            self.answer(302, headers=headers | {"Location": location})

        def do_GET(self) -> None:
            path = self._address().removeprefix(_STORE)
            if path.startswith("/api/datasets/"):
                # A revision may have slashes, which are quoted.
                name, _, revision = urlsplit(self.path).path.partition("/revision/")
                listing = site.listing(name.removeprefix("/api/datasets/"), unquote(revision))
                if listing:
                    self.answer(200, json.dumps(listing).encode())
                else:
                    self.answer(404, headers={"X-Error-Code": "RevisionNotFound"})
            elif path in site.files:
                self._send_file(site.files[path])
            else:
                self.answer(404, b"not here")

        def _address(self) -> str:
            return unquote(urlsplit(self.path).path)

        def _send_file(self, content: bytes) -> None:
            extent = self.headers.get("Range")
            start = int(extent.removeprefix("bytes=").rstrip("-")) if extent else 0
            site.starts.append(start)
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            headers = {"Content-Range": span} if extent else {}
            hang, site.hang_after = site.hang_after, None
            cut = site.cuts.pop(0) if site.cuts else hang
            self.answer(206 if extent else 200, content[start:], headers, cut)
            if hang is not None:
                self.wfile.flush()
                site.silent.set()
                site.go_on.wait()

    with listening(Handler) as url:
        site.url = url
        try:
            yield site
        finally:
            site.go_on.set()


class QuietHandler(BaseHTTPRequestHandler):
    """A handler that prints nothing, since a test's output is its own."""

    def answer(
        self,
        status: int,
        body: bytes = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
        cut: int | None = None,
    ) -> None:
        """Send a whole answer, or one whose body is cut after some bytes."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a server on a free port of this machine; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
