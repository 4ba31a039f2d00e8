"""A user's mistake ends with a message, without a traceback or an unfinished file."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybridir.cli.main import main
from tests.support.tiny import ROOT, settings

Change = Callable[[Path, dict[str, Any]], None]
LANGUAGES = ("de", "en")


def write_lareqa(folder: Path) -> None:
    """MLQA-R in miniature: 12 paragraphs of two sentences in each language."""
    folder.mkdir(parents=True)
    for code in LANGUAGES:
        paragraphs = []
        for number in range(12):
            first, second = f"{code} sentence {number} is here.", f"{code} other {number} follows."
            bounds = [[0, len(first)], [len(first) + 1, len(first) + 1 + len(second)]]
            answer = {"text": second, "answer_start": len(first) + 1}
            paragraphs.append(
                {
                    "context": f"{first} {second}",
                    "sentence_breaks": bounds,
                    "qas": [
                        {
                            "id": f"q{number}",
                            "question": f"{code} what {number}?",
                            "answers": [answer],
                        }
                    ],
                }
            )
        content = {"data": [{"title": "t", "paragraphs": paragraphs}]}
        (folder / f"{code}.json").write_text(json.dumps(content))


def lareqa_settings(root: Path) -> dict[str, Any]:
    write_lareqa(root / "mlqa-r")
    base = settings(batch={"batch_size": 4}, training={"pairs": 16})
    data = {"train": {"lareqa": {"name": "mlqa-r"}}, "data_root": str(root), "dev_share": 0.25}
    return {**base, "data": data}


def truncated(root: Path, config: dict[str, Any]) -> None:
    path = root / "mlqa-r" / "en.json"
    path.write_text(path.read_text()[:500])


def empty(root: Path, config: dict[str, Any]) -> None:
    (root / "mlqa-r" / "en.json").write_text("")


def outside(root: Path, config: dict[str, Any]) -> None:
    path = root / "mlqa-r" / "en.json"
    content = json.loads(path.read_text())
    content["data"][0]["paragraphs"][3]["qas"][0]["answers"][0]["answer_start"] = 9999
    path.write_text(json.dumps(content))


def unknown_language(root: Path, config: dict[str, Any]) -> None:
    config["data"]["train"]["lareqa"]["languages"] = ["en", "tlh"]


def unknown_language_file(root: Path, config: dict[str, Any]) -> None:
    (root / "mlqa-r" / "en.json").rename(root / "mlqa-r" / "en (1).json")


def absent_language(root: Path, config: dict[str, Any]) -> None:
    config["data"]["train"]["lareqa"]["languages"] = ["en", "fr"]


def missing_folder(root: Path, config: dict[str, Any]) -> None:
    config["data"]["data_root"] = str(root / "elsewhere")


def missing_encoder(root: Path, config: dict[str, Any]) -> None:
    config["encoder"] = {"path": str(root / "no-encoder")}


def large_batch(root: Path, config: dict[str, Any]) -> None:
    config["batch"]["batch_size"] = 10


def high_ratio(root: Path, config: dict[str, Any]) -> None:
    config["batch"]["mixing_ratio"] = 1.2


def no_translations(root: Path, config: dict[str, Any]) -> None:
    config["data"]["train"]["lareqa"]["languages"] = ["en"]


def everything_held_out(root: Path, config: dict[str, Any]) -> None:
    config["data"]["dev_share"] = 0.99


def two_mistakes(root: Path, config: dict[str, Any]) -> None:
    config["batch"]["mixing_ratio"] = 1.2
    config["training"]["epochs"] = 3


MISTAKES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "truncated JSON": (truncated, ("en.json, line 1, column", "may be truncated")),
    "empty file": (empty, ("en.json: the file is empty",)),
    "offset outside": (outside, ("question 'q3'", "answer_start=9999", "outside the context")),
    "unknown language": (unknown_language, ("nothing in tlh; languages that are there: de en",)),
    "unknown file": (unknown_language_file, ("'en (1)' is no language code",)),
    "absent language": (absent_language, ("nothing in fr", "there: de en")),
    "missing folder": (missing_folder, ("elsewhere", "there is no such folder")),
    "missing encoder": (missing_encoder, ("no-encoder", "config.json")),
    # 12 questions a language, of which a quarter is held out: 9 are left.
    "large batch": (large_batch, ("batch_size=10, but 'de' has only 9 training pairs", "'en'")),
    "high ratio": (high_ratio, ("batch.mixing_ratio=1.2: input should be less than or equal",)),
    "no translations": (no_translations, ("have 0 cross-lingual pairs", "set mixing_ratio to 1")),
    "all held out": (everything_held_out, ("dev_share=0.99: of 12 groups of passages 12",)),
    "two mistakes": (two_mistakes, ("2 problems", "mixing_ratio=1.2", "training.epochs")),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_train_with_a_message_and_code_2_and_leaves_nothing(
    mistake: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change, expected = MISTAKES[mistake]
    config = lareqa_settings(tmp_path / "data")
    change(tmp_path / "data", config)
    (tmp_path / "trial.yaml").write_text(yaml.safe_dump(config))
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hybridir", "train", "trial.yaml", "run"])
    # Any other error would be raised as itself.
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    output = capsys.readouterr()
    assert not output.out
    assert output.err.startswith("error: ")
    assert "Traceback" not in output.err
    for phrase in expected:
        assert phrase in output.err
    assert sorted(tmp_path.rglob("*")) == before


def test_the_same_input_without_a_mistake_is_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = lareqa_settings(tmp_path / "data")
    (tmp_path / "trial.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hybridir", "train", "trial.yaml", "run"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert (tmp_path / "run" / "result.json").is_file()
    assert "dev/map_mean" in capsys.readouterr().out


def test_a_real_process_prints_one_line_and_no_traceback(tmp_path: Path) -> None:
    config = lareqa_settings(tmp_path / "data")
    truncated(tmp_path / "data", config)
    (tmp_path / "trial.yaml").write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [sys.executable, "-m", "hybridir", "data", "show", "trial.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert not done.stdout
    assert done.stderr.count("\n") == 1
    assert "may be truncated" in done.stderr


@pytest.mark.parametrize("name", ["missing.yaml", "broken.yaml", "folder.yaml", "empty.yaml"])
def test_an_unusable_trial_file_ends_with_code_2(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "broken.yaml").write_text("data: [1,\nbatch: {")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "empty.yaml").write_text("")
    monkeypatch.setattr(sys, "argv", ["hybridir", "data", "show", str(tmp_path / name)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert name in capsys.readouterr().err
