"""Planted passwords, tokens and keys are in nothing that a study leaves or that Ray writes."""

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

PASSWORD, TOKEN, KEY = "planted-password-4711", "planted-token-4712", "planted-key-4713"
# Ray Tune passes the first four on by itself.
SECRETS = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": KEY,
    "AWS_SESSION_TOKEN": KEY,
    "AWS_SECURITY_TOKEN": KEY,
    "HF_TOKEN": TOKEN,
    "MLFLOW_TRACKING_TOKEN": TOKEN,
    "MLFLOW_RUN_NOTE": TOKEN,
}


def files_with_a_secret(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and any(secret.encode() in path.read_bytes() for secret in (PASSWORD, TOKEN, KEY))
    ]


def keep_logs(parent: Path, logs: Path) -> None:
    """Link the files of Ray's folder, logs included, which goes when the study ends."""
    with suppress(FileNotFoundError):  # by the search, in a folder that went meanwhile
        for path in parent.glob("*/r/session_*/**/*"):
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
        parent = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
        study = start_study(
            tmp_path,
            "small.yaml",
            RAY_TMPDIR=str(parent),
            MLFLOW_TRACKING_URI=address,
            **SECRETS,
        )
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
    for log in ("raylet.out", "runtime_env_agent.log"):
        assert any(path.name.endswith(log) and path.stat().st_size for path in logs.iterdir())
    # The search itself sees what it looks for.
    (tmp_path / "seen").write_text(f"x{TOKEN}x")
    assert files_with_a_secret(tmp_path) == [tmp_path / "seen"]
