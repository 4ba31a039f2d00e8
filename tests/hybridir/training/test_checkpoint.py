import re
from pathlib import Path

import pytest
import torch
from torch import nn

from hybridir.errors import ChangedDataError
from hybridir.training.checkpoint import LoopState


def state(seed: int) -> LoopState:
    torch.manual_seed(seed)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return LoopState(model, optimizer, step=7, seconds=1.5, losses=[0.5, 0.25], chunk_tokens=4096)


def test_the_whole_state_of_the_loop_is_restored(tmp_path: Path) -> None:
    saved = state(1)
    saved.save(tmp_path / "c.pt", "print")

    loaded = state(2)
    loaded.step, loaded.seconds, loaded.losses, loaded.chunk_tokens = 0, 0.0, [], 0
    assert loaded.load(tmp_path / "c.pt", "print")
    assert (loaded.step, loaded.seconds, loaded.losses) == (7, 1.5, [0.5, 0.25])
    assert loaded.chunk_tokens == 4096
    for name, weight in saved.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], weight)
    moments = loaded.optimizer.state_dict()["state"]
    for key, entry in saved.optimizer.state_dict()["state"].items():
        assert {name: value.tolist() for name, value in entry.items()} == {
            name: value.tolist() for name, value in moments[key].items()
        }


def test_without_a_checkpoint_the_state_stays(tmp_path: Path) -> None:
    fresh = state(1)
    assert not fresh.load(tmp_path / "c.pt", "print")
    assert fresh.step == 7


# A fingerprint of version 0.2 has no digest of the data alone.
@pytest.mark.parametrize("fingerprint", ["print", "print data"])
def test_a_checkpoint_of_other_settings_is_left_alone_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fingerprint: str
) -> None:
    state(1).save(tmp_path / "c.pt", fingerprint)
    untouched = state(2)
    before = untouched.model.state_dict()["weight"].clone()
    untouched.step = 3
    assert not untouched.load(tmp_path / "c.pt", "another data")
    assert "c.pt: is of other settings or of another version" in caplog.text
    assert untouched.step == 3
    assert torch.equal(untouched.model.state_dict()["weight"], before)
    assert (tmp_path / "c.pt").is_file()


def test_a_checkpoint_of_data_that_have_changed_since_is_refused_and_stays(tmp_path: Path) -> None:
    state(1).save(tmp_path / "c.pt", "print data")
    before = (tmp_path / "c.pt").read_bytes()
    untouched = state(2)
    untouched.step = 3
    with pytest.raises(ChangedDataError, match=r"c\.pt: the data have changed since .*; put them"):
        untouched.load(tmp_path / "c.pt", "another changed")
    assert untouched.step == 3
    assert (tmp_path / "c.pt").read_bytes() == before


def test_a_checkpoint_of_version_0_2_is_continued(tmp_path: Path) -> None:
    state(1).save(tmp_path / "c.pt", "print")
    assert state(2).load(tmp_path / "c.pt", "print data")


def test_a_checkpoint_replaces_the_last_one_and_leaves_no_other_file(tmp_path: Path) -> None:
    saved = state(1)
    saved.save(tmp_path / "c.pt", "print")
    saved.step = 8
    saved.save(tmp_path / "c.pt", "print")
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]
    loaded = state(2)
    assert loaded.load(tmp_path / "c.pt", "print")
    assert loaded.step == 8


@pytest.mark.parametrize("position", [40, 700, 3000, -30])
def test_a_damaged_checkpoint_is_named_and_leaves_the_state(
    tmp_path: Path, position: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.pt"
    state(1).save(path, "print")
    body = bytearray(path.read_bytes())
    body[position] ^= 1
    path.write_bytes(body)
    untouched = state(2)
    untouched.step = 3
    before = untouched.model.state_dict()["weight"].clone()
    assert not untouched.load(path, "print")
    assert re.search(r"c\.pt: is damaged \(\w+: .*\); the training starts again", caplog.text)
    assert untouched.step == 3
    assert torch.equal(untouched.model.state_dict()["weight"], before)


def test_a_checkpoint_of_another_optimizer_is_left_before_it_changes_the_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved = state(1)
    saved.optimizer = torch.optim.SGD(saved.model.parameters(), lr=0.1)
    saved.save(tmp_path / "c.pt", "print")
    assert not state(2).load(tmp_path / "c.pt", "print")
    assert "groups of the optimizer, 0: other names" in caplog.text


def test_a_failed_write_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    saved = state(1)
    saved.save(tmp_path / "c.pt", "print")
    saved.losses.append(lambda: 0)  # type: ignore[arg-type]  # cannot be pickled
    with pytest.raises(Exception, match=r"pickle|lambda"):
        saved.save(tmp_path / "c.pt", "print")
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]
    assert state(2).load(tmp_path / "c.pt", "print")
