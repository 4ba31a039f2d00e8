import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from transformers import AutoTokenizer
from typer.testing import CliRunner, Result

from benchmarks import memory, training
from benchmarks.growth import exponent
from benchmarks.parts.cases import flops, make_encoder
from benchmarks.parts.texts import draw_texts, lengths_of, vocabulary
from hybridir.runtime.precision import choose_precision

ROOT = Path(__file__).parents[2]


SMALL = ["--repeats", "1", "--shrink", "12"]


def called(main: Callable[..., None], *arguments: str) -> Result:
    """Call a script's command here, where torch is loaded already."""
    app = typer.Typer()
    app.command()(main)
    threads = torch.get_num_threads()
    try:
        return CliRunner().invoke(app, arguments)
    finally:
        torch.set_num_threads(threads)


def check_figures(figures: Path, name: str, said: str) -> None:
    (record,) = json.loads(figures.read_text())
    assert record["name"].startswith(name)
    assert record["n"] == 1
    assert record["ratio"] == pytest.approx(record["ours"] / record["peer"])
    assert min(record[key] for key in ("ours", "floor_share", "ours_mb", "peer_mb")) > 0
    assert record["unit"] in said


@pytest.mark.skipif(
    choose_precision("auto", hidden_size=768) != "bf16",
    reason="without bf16 in the processor it takes more than ten minutes",
)
@pytest.mark.long
def test_the_benchmark_of_encoding_runs_at_a_small_size_and_writes_its_figures(
    tmp_path: Path,
) -> None:
    figures = tmp_path / "figures.json"
    arguments = ["--only", "encode-bf16", *SMALL, "--json", str(figures)]
    done = subprocess.run(
        [sys.executable, "benchmarks/training.py", *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    check_figures(figures, "encode-bf16", done.stdout)


@pytest.mark.long
def test_the_benchmark_of_training_runs_at_a_small_size_and_writes_its_figures(
    tmp_path: Path,
) -> None:
    figures = tmp_path / "figures.json"
    name = "train-2x128-fp32-b64"
    arguments = ["--only", name, "--dropout", "0", *SMALL, "--json", str(figures)]
    done = called(training.main, *arguments)
    assert done.exit_code == 0, done.output
    check_figures(figures, name, done.output)


def test_growth_is_the_slope_of_logarithms() -> None:
    assert exponent([10, 100, 1000], [2.0, 20.0, 200.0]) == pytest.approx(1)
    assert exponent([1, 4, 16], [1.0, 8.0, 64.0]) == pytest.approx(1.5)


def test_a_name_that_is_not_known_is_answered_with_those_that_are() -> None:
    done = called(training.main, "--only", "nothing")
    assert done.exit_code == 2
    assert "train-12x768-bf16-b64" in done.stderr
    assert isinstance(done.exception, SystemExit)


def test_texts_are_as_long_as_those_that_they_stand_for() -> None:
    lengths = lengths_of(draw_texts(20_000, seed=1))
    questions, answers = lengths[:20_000], lengths[20_000:]
    assert questions.mean() == pytest.approx(18, abs=0.5)
    assert answers.mean() == pytest.approx(55, abs=1)
    assert np.median(answers) == pytest.approx(49, abs=1)
    assert answers.max() == 256


def test_languages_share_no_word_and_have_the_widths_that_were_measured() -> None:
    words = vocabulary()
    assert len({word for language in words for word in language}) == 11 * 2727
    widths = [np.mean([len(word) for word in language]) for language in words]
    # Arabic 2.99 characters a token, the space included, German 3.9; Chinese has no spaces.
    assert widths[0] == pytest.approx(1.99, abs=0.02)
    assert widths[1] == pytest.approx(2.9, abs=0.02)
    assert widths[-1] == 1


def test_the_tokenizer_of_an_encoder_knows_the_words_and_counts_as_the_texts_say(
    tmp_path: Path,
) -> None:
    texts = draw_texts(200, seed=2)
    tokenizer = AutoTokenizer.from_pretrained(make_encoder(tmp_path, 1, 64, 0.0))
    found = tokenizer(list(texts))["input_ids"]
    assert [len(ids) for ids in found] == lengths_of(texts).tolist()
    assert not any(tokenizer.unk_token_id in ids for ids in found)


def test_operations_are_those_of_the_products() -> None:
    # One layer of 4 dimensions, texts of 2 and 3 tokens. Query, key, value and output: 4 products
    # of 5 x 4 by 4 x 4; feed-forward: 5 x 4 by 4 x 16 and back; 2 m k n each. Attention of a text
    # of l: l x 4 by 4 x l and l x l by l x 4.
    dense = 4 * 2 * 5 * 4 * 4 + 2 * 2 * 5 * 4 * 16
    attention = sum(2 * 2 * length * length * 4 for length in (2, 3))
    assert flops(np.array([2, 3]), layers=1, hidden=4) == dense + attention


@pytest.mark.long
def test_memory_is_that_of_the_weights_and_more(tmp_path: Path) -> None:
    figures = tmp_path / "memory.json"
    done = called(memory.main, "--shrink", "16", "--json", str(figures))
    assert done.exit_code == 0, done.output
    rows = json.loads(figures.read_text())
    assert len(rows) == sum(map(len, memory.ROWS.values())) == 10
    for row in rows:
        # A table of 30,004 words or more, 64 wide, its gradient and AdamW's moments.
        assert row["weights"] > 30_000 * 64
        assert row["mb"] > 16 * 30_000 * 64 / 2**20
    assert done.output.count("of which weights, gradients and optimizer") == len(rows)
