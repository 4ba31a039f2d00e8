import os
import subprocess
import sys
from pathlib import Path

import pytest

from hybridir.errors import InputError
from hybridir.export.push import check_repository, push_folder
from tests.support.hub import TOKEN, hub
from tests.support.tiny import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out" / "1_Pooling").mkdir(parents=True)
    (tmp_path / "out" / "README.md").write_text("---\nlicense: mit\n---\nA card.\n")
    (tmp_path / "out" / "1_Pooling" / "config.json").write_text("{}")
    (tmp_path / "out" / "model.safetensors").write_bytes(bytes(range(256)))
    return tmp_path / "out"


def test_all_files_arrive_in_a_private_repository(folder: Path) -> None:
    with hub() as server:
        for _ in range(2):  # the second time the repository exists
            address = push_folder(
                folder, "me/mine", private=True, endpoint=server.url, token=TOKEN
            )
            assert address.startswith(f"{server.url}/me/mine/commit/")
    assert server.repositories == {"me/mine": True}
    assert server.files["me/mine"] == {
        "README.md": (folder / "README.md").read_bytes(),
        "1_Pooling/config.json": b"{}",
        "model.safetensors": bytes(range(256)),
    }


def test_a_token_without_write_access_and_an_unreachable_hub_give_errors_of_one_line(
    folder: Path,
) -> None:
    with hub() as server:
        with pytest.raises(InputError, match="this token may not write") as refused:
            push_folder(folder, "me/mine", private=False, endpoint=server.url, token="hf_wrong")
        assert "give a token that may write there" in str(refused.value)
        assert server.repositories == {}
    with pytest.raises(InputError, match="cannot be reached") as unreachable:
        push_folder(folder, "me/mine", private=False, endpoint="http://127.0.0.1:9", token=TOKEN)
    for error in (refused, unreachable):
        assert "\n" not in str(error.value)
        assert f"or: hf upload me/mine {folder}" in str(error.value)


def test_without_a_token_nothing_is_sent(folder: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    code = (
        "import pathlib, sys; from hybridir.export.push import push_folder\n"
        "push_folder(pathlib.Path(sys.argv[1]), 'me/mine', private=False)"
    )
    # In its own process, since the place of the token is read once.
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env={
            **environment,
            "HF_HOME": str(folder.parent / "home"),
            "HF_ENDPOINT": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no token was found" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["mine", "a/b/c", "me/my encoder"])
def test_an_illegal_repository_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"--push {name}: "):
        check_repository(name)
