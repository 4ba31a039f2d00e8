"""A server that speaks as much of the Hugging Face hub's interface as an upload takes."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.serving import QuietHandler, listening

TOKEN = "hf_right"


@dataclass
class Hub:
    """Everything that was uploaded.

    Attributes:
        repositories: name -> whether it is private.
        files: repository -> path -> content of its last commit.
        url: address of the server.
    """

    repositories: dict[str, bool] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    url: str = ""


@contextmanager
def hub() -> Iterator[Hub]:
    """Run a hub on a free port of this machine; it takes `TOKEN` and no other."""
    state = Hub()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer_json(403, {}, error="this token may not write")
            elif self.path == "/api/repos/create":
                request = json.loads(body)
                name = f"{request['organization']}/{request['name']}"
                private = request.get("private") or request.get("visibility") == "private"
                new = name not in state.repositories
                state.repositories.setdefault(name, bool(private))
                self._answer_json(200 if new else 409, {"url": f"{state.url}/{name}"})
            elif self.path == "/api/validate-yaml":
                self._answer_json(200, {"errors": [], "warnings": []})
            elif "/preupload/" in self.path:
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self._answer_json(200, {"files": files, "commitOid": None})
            else:
                self._commit(body)

        def do_GET(self) -> None:
            name = self.path.removeprefix("/api/models/")
            status = 200 if name in state.repositories else 404
            self._answer_json(status, {"id": name, "sha": "0" * 40, "siblings": []})

        def _commit(self, body: bytes) -> None:
            name = self.path.removeprefix("/api/models/").partition("/commit/")[0]
            entries = [json.loads(line) for line in body.splitlines() if line]
            state.files[name] = {
                entry["value"]["path"]: base64.b64decode(entry["value"]["content"])
                for entry in entries
                if entry["key"] == "file"
            }
            url = f"{state.url}/{name}/commit/{'1' * 40}"
            self._answer_json(200, {"commitUrl": url, "commitOid": "1" * 40, "success": True})

        def _answer_json(self, status: int, content: object, error: str | None = None) -> None:
            headers = {"Content-Type": "application/json"}
            if error:
                headers["X-Error-Message"] = error
            self.answer(status, json.dumps(content).encode(), headers)

    with listening(Handler) as url:
        state.url = url
        yield state
