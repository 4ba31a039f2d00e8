import os
from pathlib import Path

from hybridir.data.stamps import stamps


def test_a_stamp_changes_with_the_content_of_a_file_and_not_without(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("one")
    before = stamps([file])
    assert stamps([file]) == before
    file.write_text("four")
    assert stamps([file]) != before


def test_a_stamp_changes_when_the_same_length_is_written_later(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("one")
    before = stamps([file])
    file.write_text("two")
    os.utime(file, ns=(before[0][1] + 1, before[0][1] + 1))
    assert stamps([file]) != before


def test_a_folder_is_stamped_by_all_files_below_it(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "b.json").write_text("b")
    (tmp_path / "inner" / "a.json").write_text("a")
    names = [Path(name).name for name, _, _ in stamps([tmp_path])]
    assert names == ["b.json", "a.json"]


def test_what_is_not_there_has_no_stamp(tmp_path: Path) -> None:
    assert stamps([tmp_path / "absent"]) == ()
