from pathlib import Path

import pytest

from hybridir.files import replacing


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


def test_the_rest_of_an_earlier_attempt_is_cleared_away(tmp_path: Path) -> None:
    path = tmp_path / "result"
    with replacing(path) as part:
        part.write_text("first")
        name = part.name
    (tmp_path / name).mkdir()
    (tmp_path / name / "half").write_text("left by a process of the same number")
    with replacing(path) as part:
        assert not part.exists()
        part.write_text("second")
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]
