"""The commands that mend what the system refused."""

from pathlib import Path

import pytest

from hybridir.errors import ChangedDataError, InputError, cause_of, is_full, mend
from tests.support.disks import small_disk


@pytest.mark.parametrize(
    ("options", "short"), [("size=1m", "no space left"), ("nr_inodes=3", "no files (df -i) left")]
)
def test_a_full_disk_is_named_with_what_it_lacks(tmp_path: Path, options: str, short: str) -> None:
    with small_disk(tmp_path / "disk", options) as disk:
        with pytest.raises(OSError) as full:
            for number in range(9):
                (disk / f"{number}").write_bytes(bytes(2**18))
        assert is_full(full.value)
        assert mend(full.value, disk / "absent").startswith(f"{disk} has {short}: free some")
        assert "free some" in str(InputError.of_file(full.value))


def test_an_error_that_is_no_matter_of_a_file_stays_what_it_is() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    with pytest.raises(ConnectionRefusedError):
        InputError.of_file(refused)
    assert not is_full(refused)


def test_an_error_is_known_by_any_of_those_that_it_was_raised_from() -> None:
    with pytest.raises(RuntimeError) as raised:
        try:
            try:
                raise ChangedDataError("cause")
            except ChangedDataError:
                raise ValueError("between")  # noqa: B904  # as Ray does
        except ValueError as between:
            raise RuntimeError("last") from between
    assert str(cause_of(raised.value, ChangedDataError)) == "cause"
    assert cause_of(raised.value, KeyError) is None
