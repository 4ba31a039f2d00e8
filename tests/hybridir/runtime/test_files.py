import subprocess
import sys
from pathlib import Path

import pytest

from hybridir.runtime.files import remove_leftovers, replacing


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    with replacing(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_what_was_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_folder_replaces_a_folder_with_everything_in_it(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "stale").write_text("old")
    with replacing(path) as part:
        part.mkdir()
        (part / "fresh").write_text("new")
    assert [entry.name for entry in path.iterdir()] == ["fresh"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "result"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as part:
            if kind == "folder":
                part.mkdir()
                (part / "file").write_text("half")
            else:
                part.write_text("half")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_share_a_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "result"
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # the outer one is renamed last
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from hybridir.runtime.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    (tmp_path / "inner").mkdir()
    for path in (tmp_path / "result", tmp_path / "inner" / "result"):
        subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    (tmp_path / "whole").touch()
    assert len([file for file in tmp_path.rglob("*") if file.is_file()]) == 3
    remove_leftovers(tmp_path)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["whole"]
