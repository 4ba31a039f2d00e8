import json
import sys
from pathlib import Path

import pytest
import yaml

from hybridir.cli.main import main
from hybridir.data.published.catalogue import DECLARED, SWIM_IR
from hybridir.data.published.prepare import prepare
from hybridir.data.readers.table import load_table
from tests.support.miniatures import contents, write
from tests.support.serving import serving
from tests.support.tiny import settings


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run ``hybridir data`` as its entry point does and return the exit code."""
    monkeypatch.setattr(sys, "argv", ["hybridir", "data", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_show_counts_training_and_evaluation_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "trial.yaml"
    config.write_text(yaml.safe_dump(settings()))
    assert command(monkeypatch, "show", config) == 0
    printed = capsys.readouterr().out
    # 30 entities with 4 facts in 2 languages; each question crosses the languages both ways.
    assert "240 training pairs, 240 cross-lingual" in printed
    cells = [[cell.strip() for cell in line.split("│")] for line in printed.splitlines()]
    rows = [row[1:6] for row in cells if len(row) > 5]
    assert ["training", "qa", "120", "120", "30"] in rows
    # 60 entities are held out for each benchmark, with 4 facts each.
    assert ["dev", "qb", "240", "240", "60"] in rows
    assert ["synthetic-test", "qa", "240", "240", "60"] in rows


def test_show_counts_the_data_of_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = settings()["data"]
    study = tmp_path / "my study.yaml"
    study.write_text(yaml.safe_dump({"name": "mine", **data, "confirm": {"mixing_ratio": [0, 1]}}))
    assert command(monkeypatch, "show", study) == 0
    printed = capsys.readouterr().out
    assert "240 training pairs, 240 cross-lingual" in printed
    assert f"python tune/run_sweep.py '{study}' --plan" in printed.replace("\n", " ")
    # Mistakes of the data are named; what else is wrong is the study's affair.
    study.write_text(yaml.safe_dump({"train": {"synthetic": {"languages": 9}}, "pears": 1}))
    assert command(monkeypatch, "show", study) == 2
    assert "train.synthetic.languages=9" in capsys.readouterr().err


def test_show_of_a_table_says_which_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("question,passage\nQ?,A.\n")
    assert command(monkeypatch, "show", table) == 2
    message = capsys.readouterr().err
    assert "hybridir config --trial prints a trial's file, which names tables of data" in message


def test_show_counts_each_data_set_of_a_mixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mix = []
    for name in ("squad", "swim-ir"):
        declaration, languages = write(name, tmp_path / name)
        prepare(declaration, tmp_path, languages=languages, from_folder=tmp_path / name)
        mix.append({"table": {"path": str(tmp_path / f"{declaration.name}.parquet")}})
    config = settings(data={"train": {"mix": mix}, "report_on": [], "tune_on": None})
    (tmp_path / "trial.yaml").write_text(yaml.safe_dump(config))
    assert command(monkeypatch, "show", tmp_path / "trial.yaml") == 0
    printed = capsys.readouterr().out
    # Of SQuAD three questions are in three languages and one is in two; SWIM-IR's are in one.
    assert f"{11 + 6} training pairs, {3 * 6 + 2} cross-lingual" in printed
    cells = [[cell.strip() for cell in line.split("│")] for line in printed.splitlines()]
    assert [row[1:4] for row in cells if len(row) > 4] == [
        ["training, set 1", "de", "3"],
        ["training, set 1", "en", "4"],
        ["training, set 1", "zh", "4"],
        ["training, set 2", "de", "3"],
        ["training, set 2", "yo", "3"],
    ]


def test_list_shows_all_data_sets_with_licence_source_and_remarks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.setattr("hybridir.cli.data.console.width", 500)
    assert command(monkeypatch, "list") == 0
    printed = capsys.readouterr().out
    rows = [line.split("│") for line in printed.splitlines() if line.startswith("│")]
    cells = {row[1].strip(): [cell.strip() for cell in row] for row in rows if row[1].strip()}
    assert cells.keys() == DECLARED.keys()
    for name, declaration in DECLARED.items():
        assert declaration.licence in cells[name]
        assert " ".join(declaration.languages) in cells[name]
        for source in declaration.sources:
            assert f"{source.repository} {source.revision[:10]}" in printed
    assert "Its passages are English whatever the language of the question" in printed
    assert "mkqa: a question and the first of its short answers" in printed


def test_prepare_makes_a_table_of_the_files_in_a_folder_and_prints_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write("swim-ir", tmp_path / "raw")
    options = ("--out", tmp_path / "out", "--from", tmp_path / "raw", "--languages", "yo,de")
    assert command(monkeypatch, "prepare", "swim-ir-monolingual", *options) == 0
    manifest = tmp_path / "out" / "swim-ir-monolingual.manifest.json"
    assert f"{manifest}: 6 rows" in capsys.readouterr().out
    assert load_table(tmp_path / "out" / "swim-ir-monolingual.parquet").languages == ("de", "yo")

    assert command(monkeypatch, "prepare", "swim-ir-monolingual", *options) == 0
    assert capsys.readouterr().out.strip() == f"{manifest}: already there"

    revised = (*options, "--revision", "main")
    assert command(monkeypatch, "prepare", "swim-ir-monolingual", *revised) == 0
    assert json.loads(manifest.read_text())["source"][0]["revision"] == "main"


def test_prepare_downloads_missing_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    write("swim-ir", tmp_path / "raw")
    root = f"/datasets/{SWIM_IR.sources[0].repository}/resolve/{SWIM_IR.sources[0].revision}"
    files = {f"{root}/{name}": body for name, body in contents(tmp_path / "raw").items()}
    with serving(files) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        options = ("swim-ir-monolingual", "--out", tmp_path / "out", "--languages", "de")
        assert command(monkeypatch, "prepare", *options) == 0
        url = f"{site.url}{root}/de/train-00000-of-00001.parquet"
    assert capsys.readouterr().out.splitlines() == [
        f"fetching {url}",
        "reading 1 file",
        f"{tmp_path / 'out' / 'swim-ir-monolingual.manifest.json'}: 3 rows",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["squad", "--out", "x"],
            "'squad' is not a known data set; choose one of xquad-r, mlq",
        ),
        (["mkqa", "--out", "x", "--languages", "tlh"], "mkqa: nothing in tlh"),
        (["mkqa", "--out", "x", "--from", "nowhere"], "nowhere: there is no such folder"),
        (["xquad-r", "--out", "x", "--revision", "main"], "leave --revision out"),
    ],
)
def test_a_mistake_is_one_message_with_code_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "prepare", *arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert message in printed
    assert "Traceback" not in printed
