from pathlib import Path

import pytest

from hybridir.encoder.third_party import folder_digest, local_folder
from hybridir.errors import InputError
from tests.hybridir.encoder.test_folder_settings import folder_of


def test_the_digest_changes_with_the_files_that_decide_vectors(tmp_path: Path) -> None:
    before = folder_digest(folder_of(tmp_path))
    (tmp_path / "README.md").write_text("a document")
    assert folder_digest(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(b"1")
    with_weights = folder_digest(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "other.safetensors")
    assert len({before, with_weights, folder_digest(tmp_path)}) == 3


def test_a_hub_id_needs_its_commit_and_a_folder_has_none(tmp_path: Path) -> None:
    assert local_folder(str(tmp_path), None) == tmp_path
    with pytest.raises(InputError, match="is a folder, which has none"):
        local_folder(str(tmp_path), "main")
    with pytest.raises(InputError, match="no such folder; a hub id needs its revision"):
        local_folder("owner/name", None)


def test_a_failed_fetch_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"^owner/name at abc cannot be fetched: [^\n]+$"):
        local_folder("owner/name", "abc")
