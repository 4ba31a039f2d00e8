import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tune.worker.notices import ask_trials, is_asked, is_taken


class Metadata(BaseHTTPRequestHandler):
    """Speaks as AWS's instance metadata service, version 2, does."""

    taken = False

    def do_PUT(self) -> None:
        lifetime = self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        known = self.path == "/latest/api/token" and lifetime.isdecimal()
        self._answer(200 if known else 400, "a token")

    def do_GET(self) -> None:
        if self.headers["X-aws-ec2-metadata-token"] != "a token":
            return self._answer(401, "")
        there = self.path == "/latest/meta-data/spot/instance-action" and Metadata.taken
        return self._answer(200 if there else 404, '{"action": "terminate"}')

    def _answer(self, code: int, text: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Metadata) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_cloud_says_that_it_takes_the_machine(address: str) -> None:
    Metadata.taken = False
    assert not is_taken(address)
    Metadata.taken = True
    assert is_taken(address)


def test_no_answer_is_no_notice() -> None:
    assert not is_taken("http://127.0.0.1:1")


def test_a_request_is_heeded_by_the_trials_of_its_driver_alone(tmp_path: Path) -> None:
    request = tmp_path / "stopping"
    assert not is_asked(request, "a")
    ask_trials(request, "a")
    assert is_asked(request, "a")
    assert not is_asked(request, "b")
    assert not is_asked(request, "")
