"""Options of the commands that cannot be obeyed, and folders that cannot be used."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hybridir.cli.main import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the benchmark ``mine``, the file ``file`` and the trial ``trial``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "qrels").mkdir(parents=True)
    (tmp_path / "mine" / "corpus.jsonl").write_text('{"_id": "d", "title": "", "text": "Tak."}')
    (tmp_path / "mine" / "queries.jsonl").write_text('{"_id": "q", "text": "Tak?"}')
    (tmp_path / "mine" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1")
    (tmp_path / "file").touch()
    (tmp_path / "trial" / "encoder").mkdir(parents=True)
    for name in ("config.json", "result.json"):
        (tmp_path / "trial" / name).write_text("{}")
    (tmp_path / "run" / "trials").mkdir(parents=True)
    (tmp_path / "empty.yaml").touch()
    return tmp_path


def errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: Any
) -> str:
    """What a command says that ends with code 2; it leaves nothing."""
    before = sorted(Path().rglob("*"))
    monkeypatch.setattr(sys, "argv", ["hybridir", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr().err
    assert ended.value.code == 2, printed
    assert printed.startswith("error: ")
    assert "Traceback" not in printed
    assert sorted(Path().rglob("*")) == before
    return printed


MINE = ("--benchmark", "mine", "--folder", "mine", "--language", "pl")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pooling", "mean"], "--pooling: belongs to an encoder, and bm25 is none"),
        (["--precision", "fp32"], "--precision: belongs to an encoder"),
        (["--query-prefix", "q: "], "--query-prefix: belongs to an encoder"),
        (["--passage-length", "9"], "--passage-length: belongs to an encoder"),
        (["--revision", "abc"], "--revision: belongs to an encoder"),
        (["--depth", "10"], "--depth: belongs to --trec or --mteb; add it, or leave --depth out"),
        (["--reader-revision", "abc"], "--reader-revision: belongs to --reader"),
        (["--data-root", "data"], "--data-root: belongs to xquad-r and mlqa-r, not to --folder"),
        (["--depth", "1", "--pooling", "cls"], "command line has 2 problems"),
        (["--seen", "xx"], "--seen xx: the languages of mine are pl"),
        (["--seen", "pl,xx"], "--seen xx: the languages of mine are pl"),
        (["--parallel", "--parallel-questions"], "leave one of them out"),
        (["--seen", "de"], "--seen de: the languages of mine are pl"),
        (["--seen", "p/l"], "'p/l' is no language code"),
        (["--json", "file/a.json"], "--json 'file/a.json': its folder"),
        (["--json", "mine"], "--json 'mine': is a folder"),
        (["--out", "file/out"], "file' is not a folder"),
        (["--trec", "file"], "--trec 'file': "),
        (["--mteb", "file"], "--mteb 'file': "),
        (["--cache", "file/cache"], "--cache 'file/cache': "),
    ],
)
def test_an_option_of_evaluate_is_obeyed_or_refused(
    options: list[str],
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert message in errors(monkeypatch, capsys, "evaluate", "bm25", *MINE, *options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "bm25", "--benchmark", "xquad-r"], "--data-root: xquad-r needs the folder"),
        (["evaluate", "trial", *MINE], f"its encoder is {Path('trial', 'encoder')}"),
        (["evaluate", "run", *MINE], "hybridir export run --out FOLDER gives its best encoder"),
        (["train", "empty.yaml", "w"], "empty.yaml: no settings; expected lines of the form"),
        (["train", "file/a.yaml", "w"], "file/a.yaml: cannot be read (Not a directory)"),
        (["export", "trial", "--out", "file/o"], "--out file/o: its folder"),
        (["infer", "a.parquet", "--json", "file/a"], "--json 'file/a': its folder"),
        (["infer", "a.parquet", "--out", "file/a"], "--out 'file/a': "),
    ],
)
def test_a_path_that_is_of_no_use_is_named_with_the_way_out(
    arguments: list[str],
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert message in errors(monkeypatch, capsys, *arguments)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", b"[1]", "config.json: is damaged (Input should be an object)"),
        ("config.json", b"\xff", "config.json: is damaged (Invalid JSON"),
        ("config.json", b"{}", "config.json has 2 problems"),
        (
            "result.json",
            b'{"dev/map_mean": "high"}',
            "result.json: is damaged (dev/map_mean.int: Input",
        ),
        ("result.json", b'{"dev/map_mean": 0.5', "result.json: is damaged (Invalid JSON"),
    ],
)
def test_a_damaged_file_of_a_trial_is_named(
    file: str,
    content: bytes,
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trial = Path("run", "trials", "confirm-a0.5-s0")
    (trial / "encoder").mkdir(parents=True)
    synthetic = {"synthetic": {"languages": 2, "entities": 30}}
    config = {"data": {"train": synthetic}, "encoder": {"from_scratch": {"layers": 1}}}
    (trial / "config.json").write_text(json.dumps(config))
    (trial / "result.json").write_text('{"dev/map_mean": 0.5}')
    (trial / file).write_bytes(content)
    assert message in errors(monkeypatch, capsys, "export", "run", "--out", "o")
