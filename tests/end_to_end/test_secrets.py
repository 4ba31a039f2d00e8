"""A password and a token that a user plants are in nothing that a study leaves."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PASSWORD, TOKEN = "planted-password-4711", "planted-token-4712"
RAY = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray"


def files_with_a_secret(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and any(secret.encode() in path.read_bytes() for secret in (PASSWORD, TOKEN))
    ]


@pytest.mark.long
def test_neither_password_nor_token_is_left_by_a_study_and_its_report(
    start_study: Any, study_text: str, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    address = f"http://me:{PASSWORD}@127.0.0.1:{port}"
    (tmp_path / "small.yaml").write_text(study_text)
    sessions = set(RAY.glob("session_*"))
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
        study = start_study(tmp_path, "small.yaml", **secrets)
        assert study.finish() == 0, study.output
        assert f"http://127.0.0.1:{port}" in study.output
        refused = start_study(tmp_path, "small.yaml", "--set", f"tracking_uri={address}")
        assert refused.finish() == 2
        assert "MLFLOW_TRACKING_PASSWORD" in refused.output
    finally:
        server.terminate()
        server.wait(timeout=60)
    assert (tmp_path / "mlflow.db").is_file()
    assert files_with_a_secret(tmp_path) == []
    ours = {path for path in RAY.glob("session_*") if path.is_dir()} - sessions
    assert [path for session in ours for path in files_with_a_secret(session)] == []
    # The search itself sees what it looks for.
    (tmp_path / "seen").write_text(f"x{TOKEN}x")
    assert files_with_a_secret(tmp_path) == [tmp_path / "seen"]
