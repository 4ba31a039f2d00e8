"""docs/sentence_transformers.md as a reader follows it: its code and commands, one by one."""

import csv
import re
import shlex
import subprocess
import sys
from os import environ
from pathlib import Path

import pytest

from tests.support.sentence_trainer import table, write_encoder
from tests.support.tiny import ROOT

pytestmark = pytest.mark.long

PAGE = (ROOT / "docs" / "sentence_transformers.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "docs" / "examples" / "three_ratios.py"
_BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CODE = [block for kind, block in _BLOCKS if kind == "python"]
COMMANDS = [
    line.partition("#")[0].strip()
    for kind, block in _BLOCKS
    if not kind
    for line in block.splitlines()
]
PROGRAMS = {
    "python": [sys.executable],
    "torchrun": [sys.executable, "-m", "torch.distributed.run"],
    "hybridir": [sys.executable, "-m", "hybridir"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder: an encoder, three tables without a common question, the page's code."""
    folder = tmp_path_factory.mktemp("reader")
    write_encoder(folder / "encoder")
    pairs = table()
    heads = ("question_id", "language", "question", "passage")
    rows = list(zip(*(getattr(pairs, head) for head in heads), strict=True))
    questions = sorted({row[0] for row in rows})
    files = dict.fromkeys(questions, "pairs.csv")
    files |= dict.fromkeys(questions[::4], "test.csv") | dict.fromkeys(questions[1::8], "dev.csv")
    for name in ("pairs.csv", "dev.csv", "test.csv"):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            chosen = [row for row in rows if files[row[0]] == name]
            csv.writer(file).writerows([heads, *chosen])
    training, loader = CODE
    (folder / "train.py").write_text(training)
    before, _, _ = training.partition("\nmodel = ")
    (folder / "loader.py").write_text(f"{before}\n{loader}")
    (folder / EXAMPLE.name).write_text(EXAMPLE.read_text())
    return folder


def run(command: str, folder: Path) -> str:
    program, *arguments = shlex.split(command)
    done = subprocess.run(
        [*PROGRAMS[program], *arguments],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_every_command_runs_in_the_order_of_the_page(folder: Path) -> None:
    install, *commands = COMMANDS
    assert install.startswith("pip install")
    assert len(commands) == 5
    output = {command: run(command, folder) for command in commands}
    assert "dev_map_multilingual" in output["python train.py"]
    assert "eval_dev_map_multilingual" not in output["python train.py --resume"], "all was done"
    assert "multilingual" in output["hybridir evaluate trained --benchmark mine --table test.csv"]
    judged = output[commands[-1]]
    assert len(re.findall(r"ratio (?:0\.0|0\.5|1\.0), seed [012]: 0\.\d{4}", judged)) == 9
    assert "hybrid" in judged.split("seed 2")[-1], "hybridir infer has the last word"
    assert (folder / "scores.parquet").is_file()


def test_the_loader_of_torch_yields_texts(folder: Path) -> None:
    words = run("python loader.py", folder)
    assert "tensor(" in words


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 40
