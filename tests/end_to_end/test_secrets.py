"""A password and a token that a user plants are in nothing that a study leaves."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

PASSWORD, TOKEN = "planted-password-4711", "planted-token-4712"


def files_with_a_secret(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and any(secret.encode() in path.read_bytes() for secret in (PASSWORD, TOKEN))
    ]


def keep_logs(parent: Path, logs: Path) -> None:
    """Link the files of Ray's logs, which Ray's folder takes with it when the study ends."""
    with suppress(FileNotFoundError):  # by the search, in a folder that went meanwhile
        for path in parent.glob("*/r/session_*/logs/**/*"):
            with suppress(OSError):
                os.link(path, logs / f"{path.stat().st_ino}-{path.name}")


@pytest.mark.long
def test_neither_password_nor_token_is_left_by_a_study_and_its_report(
    start_study: Any, study_text: str, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    address = f"http://me:{PASSWORD}@127.0.0.1:{port}"
    (tmp_path / "small.yaml").write_text(study_text)
    logs = tmp_path / "ray-logs"
    logs.mkdir()
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *where],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while True:
            assert server.poll() is None
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        secrets = {"MLFLOW_TRACKING_URI": address, "HF_TOKEN": TOKEN, "MLFLOW_RUN_NOTE": TOKEN}
        parent = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
        study = start_study(tmp_path, "small.yaml", RAY_TMPDIR=str(parent), **secrets)
        while study.process.poll() is None:
            keep_logs(parent, logs)
            time.sleep(0.1)
        assert study.finish() == 0, study.output
        assert list(parent.iterdir()) == [], "Ray's folder goes with the study"
        parent.rmdir()
        assert f"http://127.0.0.1:{port}" in study.output
        refused = start_study(tmp_path, "small.yaml", "--set", f"tracking_uri={address}")
        assert refused.finish() == 2
        assert "MLFLOW_TRACKING_PASSWORD" in refused.output
    finally:
        server.terminate()
        server.wait(timeout=60)
    assert (tmp_path / "mlflow.db").is_file()
    assert files_with_a_secret(tmp_path) == []
    assert any(path.name.endswith("raylet.out") for path in logs.iterdir())
    # The search itself sees what it looks for.
    (tmp_path / "seen").write_text(f"x{TOKEN}x")
    assert files_with_a_secret(tmp_path) == [tmp_path / "seen"]
