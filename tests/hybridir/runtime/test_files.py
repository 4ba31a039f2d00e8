import subprocess
import sys
from pathlib import Path

import pytest

from hybridir.errors import InputError
from hybridir.runtime.files import atomic_write, check_folder, refusal, remove_leftovers
from tests.support.disks import small_disk, write_protected


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_folder_replaces_a_folder_and_all_its_content(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "stale").write_text("old")
    with atomic_write(path) as temporary:
        temporary.mkdir()
        (temporary / "fresh").write_text("new")
    assert [entry.name for entry in path.iterdir()] == ["fresh"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "result"
    path.write_text("old")

    def write_half() -> None:
        with atomic_write(path) as temporary:
            if kind == "folder":
                temporary.mkdir()
                (temporary / "file").write_text("half")
            else:
                temporary.write_text("half")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_use_different_temporary_files(tmp_path: Path) -> None:
    path = tmp_path / "result"
    with atomic_write(path) as first, atomic_write(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # the outer one is renamed last
    assert list(tmp_path.iterdir()) == [path]


def test_files_half_written_by_a_killed_process_are_removed(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from hybridir.runtime.files import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    (tmp_path / "inner").mkdir()
    for path in (tmp_path / "result", tmp_path / "inner" / "result"):
        subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    (tmp_path / "whole").touch()
    assert len([file for file in tmp_path.rglob("*") if file.is_file()]) == 3
    remove_leftovers(tmp_path)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["whole"]


@pytest.mark.parametrize("kind", ["file", "a folder"])
def test_what_is_write_protected_is_named_with_the_command_that_mends_it(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "name"
    path.touch() if kind == "file" else path.mkdir()
    assert refusal(path) == ""
    with write_protected(path) as command:
        assert f"{path}: " in refusal(path)
        assert f"{command} " in refusal(path)
        subprocess.run(command.split(), check=True)
        assert refusal(path) == ""
        assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_mounted_read_only_is_named_with_the_command_that_mends_it(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", "size=1m,ro") as disk:
        with pytest.raises(InputError, match=f"mount -o remount,rw {disk} ") as error:
            check_folder("storage", disk / "new" / "folder")
        assert "storage" in str(error.value)
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        check_folder("storage", disk / "new" / "folder")


def test_a_folder_that_is_mounted_read_only_on_its_own_disk_is_the_mount_that_is_named(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path, "size=1m") as disk:
        folder = disk / "folder"
        folder.mkdir()
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
            with pytest.raises(InputError, match=f"mount -o remount,rw {folder} "):
                check_folder("storage", folder)
            subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
            check_folder("storage", folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
