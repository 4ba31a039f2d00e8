"""A server that speaks as much of the Hugging Face hub's interface as an upload takes."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_right"


@dataclass
class Hub:
    """What it was given.

    Attributes:
        repositories: name -> whether it is private.
        files: repository -> path -> content of its last commit.
        url: where it listens.
    """

    repositories: dict[str, bool] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    url: str = ""


@contextmanager
def hub() -> Iterator[Hub]:
    """Run a hub on a free port of this machine; it takes `TOKEN` and no other."""
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer(403, {}, **{"X-Error-Message": "this token may not write"})
            elif self.path == "/api/repos/create":
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}"
                private = asked.get("private") or asked.get("visibility") == "private"
                new = name not in state.repositories
                state.repositories.setdefault(name, bool(private))
                self._answer(200 if new else 409, {"url": f"{state.url}/{name}"})
            elif self.path == "/api/validate-yaml":
                self._answer(200, {"errors": [], "warnings": []})
            elif "/preupload/" in self.path:
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self._answer(200, {"files": files, "commitOid": None})
            else:
                self._commit(body)

        def do_GET(self) -> None:
            name = self.path.removeprefix("/api/models/")
            there = name in state.repositories
            self._answer(200 if there else 404, {"id": name, "sha": "0" * 40, "siblings": []})

        def _commit(self, body: bytes) -> None:
            name = self.path.removeprefix("/api/models/").partition("/commit/")[0]
            entries = [json.loads(line) for line in body.splitlines() if line]
            state.files[name] = {
                entry["value"]["path"]: base64.b64decode(entry["value"]["content"])
                for entry in entries
                if entry["key"] == "file"
            }
            url = f"{state.url}/{name}/commit/{'1' * 40}"
            self._answer(200, {"commitUrl": url, "commitOid": "1" * 40, "success": True})

        def _answer(self, status: int, content: object, **headers: str) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a test's output is its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
