from pathlib import Path

import pytest
import yaml

from hybridir.config.yaml import read_trial
from hybridir.errors import InputError
from tests.support.tiny import settings, trial


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(settings()))
    return path


def test_a_trial_file_becomes_a_configuration(config: Path) -> None:
    assert read_trial(config) == trial()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"data: [1, 2", "not YAML: .*line 1"),
        (b"data: \xff", "not YAML"),
        (b"data: 2020-02-30", "not YAML: a value cannot be read .day is out of range"),
        (b"data: " + b"9" * 5000, "not YAML: a value cannot be read"),
        (b"data: " + b"[" * 3000, "not YAML: maximum recursion depth"),
        (b'encoder: {path: "\\ud800"}', "not YAML: .*surrogates not allowed"),
        (b"", "valid dictionary"),
        (b"data: !!python/object:os.system {}", "not YAML"),
    ],
)
def test_a_file_that_is_no_yaml_mapping_is_refused(
    config: Path, content: bytes, message: str
) -> None:
    config.write_bytes(content)
    with pytest.raises(InputError, match=f"trial.yaml: .*{message}"):
        read_trial(config)


def test_a_missing_trial_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\)"):
        read_trial(tmp_path / "nowhere.yaml")
