import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    int(number)
    for number in re.findall(
        r"^\| (\d+) \|", (ROOT / "docs" / "pains.md").read_text(), re.MULTILINE
    )
]


def test_rows_are_numbered_once_and_in_order() -> None:
    assert ROWS == sorted(set(ROWS))
    assert set(range(1, 26)) <= set(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_test_named_after_it(row: int) -> None:
    name = re.compile(rf"^\s*def test_pain_{row:02d}_\w+\(", re.MULTILINE)
    found = [file for file in (ROOT / "tests").rglob("test_*.py") if name.search(file.read_text())]
    assert found


def test_no_test_is_named_after_a_row_that_is_not_there() -> None:
    named = {
        int(number)
        for file in (ROOT / "tests").rglob("test_*.py")
        for number in re.findall(r"def test_pain_(\d+)_", file.read_text())
    }
    assert named <= set(ROWS)
