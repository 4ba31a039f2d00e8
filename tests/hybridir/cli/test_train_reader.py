from pathlib import Path

import pytest

from hybridir import names
from hybridir.cli.main import app
from hybridir.errors import InputError
from tests.support.reading import write_colours, write_encoder


def train_reader(*arguments: object) -> None:
    app(["train-reader", *map(str, arguments)], standalone_mode=False)


@pytest.mark.slow
def test_a_reader_is_made_and_what_it_reads_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    write_colours(tmp_path, "mlqa-r", questions=12, seed=1)
    write_colours(tmp_path, "xquad-r", questions=5, seed=2)
    where = ("--data-root", tmp_path, "--out", tmp_path / "reader", "--cache", tmp_path / "cache")
    options = (encoder, "--data", "mlqa-r", "--benchmark", "xquad-r", *where)
    train_reader(*options, "--languages", "de", "--epochs", 1)
    assert (tmp_path / "reader" / names.READER_RECORD).is_file()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "mlqa-r: 12 questions with their paragraphs in de; none of them is in xquad-r"
    )
    assert lines[1:3] == [
        "training: 1 of 1, 0 min left",
        "reading the gold paragraphs of xquad-r: 10 of 10, 0 min left",
    ]
    assert "10 questions" in "".join(lines[3:])
    with pytest.raises(InputError, match=r"--out .*reader: is there already"):
        train_reader(*options)


def test_mistakes_name_options_and_leave_nothing(tmp_path: Path) -> None:
    known = ("--data", "mlqa-r", "--benchmark", "xquad-r")
    where = ("--data-root", tmp_path, "--out", tmp_path / "out", "--cache", tmp_path / "cache")
    with pytest.raises(InputError, match=r"--data squad: choose xquad-r or mlqa-r"):
        train_reader("e5", "--data", "squad", "--benchmark", "xquad-r", *where)
    with pytest.raises(InputError) as caught:
        train_reader("e5", *known, *where, "--learning-rate", 0, "--epochs", 0)
    assert "--learning-rate 0.0: expected more than 0" in str(caught.value)
    assert "--epochs 0: expected 1 or more" in str(caught.value)
    with pytest.raises(InputError, match=r"e5: no such folder; .*--revision"):
        train_reader("e5", *known, *where)
    with pytest.raises(InputError, match=r"mlqa-r: there is no such folder"):
        train_reader(tmp_path, *known, *where)
    assert not list(tmp_path.iterdir())
