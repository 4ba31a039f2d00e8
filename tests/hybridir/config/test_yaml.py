from pathlib import Path

import pytest
import yaml

from hybridir.config.yaml import read_trial, read_yaml
from hybridir.errors import InputError
from tests.support.tiny import settings, trial


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(settings()))
    return path


def test_a_trial_file_becomes_a_configuration(config: Path) -> None:
    assert read_trial(config) == trial()


def test_a_study_s_file_is_no_trial_s_and_the_message_says_how_it_is_run(config: Path) -> None:
    config.write_text(yaml.safe_dump({"name": "mine", **settings()["data"]}))
    with pytest.raises(InputError, match=f"python tune/run_sweep.py {config} in a checkout"):
        read_trial(config)


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
        (b"", "no settings; expected lines of the form 'name: value'"),
        (b"data: !!python/object:os.system {}", "not YAML"),
    ],
)
def test_a_file_that_is_no_yaml_mapping_is_refused(
    config: Path, content: bytes, message: str
) -> None:
    config.write_bytes(content)
    with pytest.raises(InputError, match=f"trial.yaml: .*{message}"):
        read_trial(config)


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ("seed: 1\nseed: 2", ["seed: is there twice (lines 1 and 2)"]),
        ("a: {b: 1, b: 2}", ["b: is there twice (line 1)"]),
        ("a:\n  - b: 1\n    'b': 2\na: 3", ["a: is there", "b: is there twice (lines 2 and 3)"]),
        ("a: &x {b: 1}\nc: {<<: *x, b: 2}\nd: [*x, *x]", []),  # a merged key may be changed
    ],
)
def test_a_key_that_is_there_twice_is_an_error_at_any_depth(text: str, twice: list[str]) -> None:
    repeated: list[str] = []
    read_yaml(text, "file", repeated)
    assert [message in line for message, line in zip(twice, sorted(repeated), strict=True)] == [
        True for _ in twice
    ]
    if twice:
        with pytest.raises(InputError, match=r"^file(.|\n)*: is there twice"):
            read_yaml(text, "file")


def test_a_number_that_yaml_reads_to_another_base_is_an_error() -> None:
    assert read_yaml("[0, 10, 1.5, -3, '010', 0x10, 1e3]", "f") == [
        0,
        10,
        1.5,
        -3,
        "010",
        16,
        "1e3",
    ]
    for text in ("010", "1:30", "-0_7", "1:30.5"):
        with pytest.raises(InputError, match="is another number in YAML; write it out, or quote"):
            read_yaml(f"a: [{text}]", "f")


def test_mistakes_of_yaml_and_of_settings_come_in_one_message(config: Path) -> None:
    content = settings(batch={"mixing_ratio": 2}, training={"pairs": True})
    config.write_text(f"{yaml.safe_dump(content)}seed: 1\nseed: 2\n")
    with pytest.raises(InputError) as caught:
        read_trial(config)
    message = str(caught.value)
    assert "trial.yaml has 3 problems" in message
    assert "seed: is there twice" in message
    assert "batch.mixing_ratio=2" in message
    assert "training.pairs: True is no number: YAML reads yes and on as true" in message


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("training", {"betas": [False, 0.9]}, "betas: False is no number"),
        ("training", {"precision": False}, "precision: False is no text: .*quote the word"),
        ("encoder", {"hub": {"id": 12, "revision": "1"}}, "hub.id: 12 is no text; quote it: '12'"),
        ("encoder", {"path": True}, "path: True is no text"),
        ("batch", {"kind": "x-x", "mixing_ratio": 0.5}, "mixing_ratio: has no effect: it belongs"),
        (
            "batch",
            {"kind": "en-en", "language_exponent": 0.5},
            "language_exponent: has no .*: it has no choice with",
        ),
        ("batch", {"language_exponent": 0.5}, "language_exponent: has no effect: it belongs to"),
    ],
)
def test_a_setting_that_would_be_taken_for_another_or_dropped_is_refused(
    config: Path, section: str, value: dict[str, object], message: str
) -> None:
    config.write_text(yaml.safe_dump(settings() | {section: value}))
    with pytest.raises(InputError, match=f"{section}.{message}"):
        read_trial(config)


def test_a_configuration_that_was_written_out_is_read_again(config: Path) -> None:
    whole = trial(batch={"kind": "x-x", "batch_size": 4})
    config.write_text(whole.model_dump_json())
    assert read_trial(config) == whole


def test_a_path_may_begin_with_the_home(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    content = settings()
    content["encoder"] = {"path": "~/encoder"}
    content["data"]["train"] = {"hub": {"id": "~/table", "revision": "1"}}
    content["data"]["report_on"] = [{"name": "mine", "folder": "~", "language": "pl"}]
    config.write_text(yaml.safe_dump(content))
    read = read_trial(config)
    assert read.encoder.path == Path("/home/me/encoder")
    assert read.data.train.hub is not None
    assert read.data.train.hub.id == "/home/me/table"
    assert read.data.report_on[0].folder == Path("/home/me")


def test_a_missing_trial_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\)"):
        read_trial(tmp_path / "nowhere.yaml")
