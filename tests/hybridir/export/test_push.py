import os
import subprocess
import sys
from pathlib import Path

import pytest

from hybridir.errors import InputError
from hybridir.export.push import check_name, push_folder
from tests.support.hub import TOKEN, hub
from tests.support.tiny import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out" / "1_Pooling").mkdir(parents=True)
    (tmp_path / "out" / "README.md").write_text("---\nlicense: mit\n---\nA card.\n")
    (tmp_path / "out" / "1_Pooling" / "config.json").write_text("{}")
    (tmp_path / "out" / "model.safetensors").write_bytes(bytes(range(256)))
    return tmp_path / "out"


def test_all_files_arrive_in_a_repository_as_private_as_asked(folder: Path) -> None:
    with hub() as server:
        for _ in range(2):  # the second time the repository is there
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


def test_a_token_that_may_not_write_and_a_hub_that_is_away_are_told_in_one_line(
    folder: Path,
) -> None:
    with hub() as server:
        with pytest.raises(InputError, match="this token may not write") as refused:
            push_folder(folder, "me/mine", private=False, endpoint=server.url, token="hf_wrong")
        assert "give a token that may write there" in str(refused.value)
        assert server.repositories == {}
    with pytest.raises(InputError, match="cannot be reached") as away:
        push_folder(folder, "me/mine", private=False, endpoint="http://127.0.0.1:9", token=TOKEN)
    for told in (refused, away):
        assert "\n" not in str(told.value)
        assert f"or: hf upload me/mine {folder}" in str(told.value)


def test_without_a_token_nothing_is_sent(folder: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    code = (
        "import pathlib, sys; from hybridir.export.push import push_folder\n"
        "push_folder(pathlib.Path(sys.argv[1]), 'me/mine', private=False)"
    )
    # A process of its own: where a token is kept is read once.
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env={**kept, "HF_HOME": str(folder.parent / "home"), "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no token was found" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["mine", "a/b/c", "me/my encoder"])
def test_a_name_that_no_repository_can_have_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"--push {name}: "):
        check_name(name)
