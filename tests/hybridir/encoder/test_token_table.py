import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from hybridir.encoder.token_table import TokenTable, prepare_tokens
from hybridir.encoder.vocabulary import train_tokenizer
from tests.support.tiny import ROOT

TEXTS = ["a stone", "the river is cold and wide and deep", "é", "a stone", "x" * 200]


def tokenizer_of(size: int = 200) -> PreTrainedTokenizerFast:
    return train_tokenizer([*TEXTS, "many other words are here"], size)


def prepare(
    cache: Path, texts: list[str] = TEXTS, prefix: str = "", max_length: int = 16, size: int = 200
) -> TokenTable:
    return prepare_tokens(
        texts, tokenizer_of(size), prefix=prefix, max_length=max_length, cache=cache
    )


def folders(cache: Path) -> list[Path]:
    return sorted(path for path in cache.iterdir() if path.is_dir())


def test_tokens_are_those_of_the_tokenizer_with_prefix_and_cut(tmp_path: Path) -> None:
    table = prepare(tmp_path, prefix="the ", max_length=8)
    tokenizer = tokenizer_of()
    assert len(table) == len(TEXTS)
    for text, tokens in zip(TEXTS, table.take(np.arange(len(TEXTS))), strict=True):
        whole = tokenizer("the " + text)["input_ids"]
        # A text that is cut keeps its last token, [SEP].
        expected = whole if len(whole) <= 8 else [*whole[:7], whole[-1]]
        assert tokens.tolist() == expected
    assert max(len(table[row]) for row in range(len(table))) == 8


def test_a_second_call_opens_the_file_and_does_not_write_it_again(tmp_path: Path) -> None:
    first = prepare(tmp_path)
    (folder,) = folders(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    second = prepare(tmp_path)
    assert isinstance(second.tokens, np.memmap)
    assert np.array_equal(first.tokens, second.tokens)
    assert np.array_equal(first.offsets, second.offsets)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_passed_digest_stands_for_the_texts(tmp_path: Path) -> None:
    tokenizer = tokenizer_of()

    def under(digest: str) -> TokenTable:
        options = {"prefix": "", "max_length": 16, "cache": tmp_path, "digest": digest}
        return prepare_tokens(TEXTS, tokenizer, **options)  # type: ignore[arg-type]

    first, again, renamed = under("one"), under("one"), under("two")
    assert len(folders(tmp_path)) == 2
    assert np.array_equal(first.tokens, again.tokens)
    assert np.array_equal(first.tokens, renamed.tokens)


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("tokens.npy", lambda body: body[:-4]),  # one token less
        ("tokens.npy", lambda body: b""),
        ("tokens.npy", lambda body: body.replace(b"<i4", b"<f4")),
        ("offsets.npy", lambda body: body[:60]),
        ("offsets.npy", lambda body: body[:-8] + bytes(8)),  # ends at 0
    ],
)
def test_a_damaged_preparation_is_done_again(
    tmp_path: Path, name: str, damaged: Callable[[bytes], bytes]
) -> None:
    expected = prepare(tmp_path)
    tokens, offsets = expected.tokens.tolist(), expected.offsets.tolist()
    (folder,) = folders(tmp_path)
    (folder / name).write_bytes(damaged((folder / name).read_bytes()))
    again = prepare(tmp_path)
    assert (again.tokens.tolist(), again.offsets.tolist()) == (tokens, offsets)


def test_a_preparation_without_a_manifest_is_done_again(tmp_path: Path) -> None:
    expected = np.array(prepare(tmp_path).tokens)
    (folder,) = folders(tmp_path)
    (folder / "manifest.json").unlink()
    (folder / "tokens.npy").write_bytes(b"half a file")
    (folder / "stray").write_text("of an interrupted process")
    assert np.array_equal(prepare(tmp_path).tokens, expected)
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "offsets.npy",
        "tokens.npy",
    }


def test_an_earlier_truncation_of_the_tokenizer_changes_nothing(tmp_path: Path) -> None:
    tokenizer = tokenizer_of()
    short = prepare_tokens(TEXTS, tokenizer, prefix="", max_length=8, cache=tmp_path)
    long = prepare_tokens(TEXTS, tokenizer, prefix="", max_length=64, cache=tmp_path)
    again = prepare_tokens(TEXTS, tokenizer, prefix="", max_length=8, cache=tmp_path)
    assert len(short.tokens) < len(long.tokens)
    assert np.array_equal(short.tokens, again.tokens)
    assert len(folders(tmp_path)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"prefix": "query: "},
        {"max_length": 17},
        {"size": 60},
        {"texts": [*TEXTS, "one more"]},
        {"texts": [TEXTS[0] + TEXTS[1], "", *TEXTS[2:]]},
    ],
)
def test_each_input_that_decides_the_result_changes_the_folder(
    tmp_path: Path, change: dict[str, object]
) -> None:
    prepare(tmp_path)
    prepare(tmp_path, **change)  # type: ignore[arg-type]
    assert len(folders(tmp_path)) == 2


AT_THE_SAME_TIME = """
import sys
from pathlib import Path
from hybridir.encoder.token_table import prepare_tokens
from hybridir.encoder.vocabulary import train_tokenizer
tokenizer = train_tokenizer(["a b c d"], 200)
texts = ["a b c d " * 20 + str(n) for n in range(6_000)]
print("ready", flush=True)
sys.stdin.readline()
table = prepare_tokens(texts, tokenizer, prefix="", max_length=64, cache=Path(sys.argv[1]))
(folder,) = (path for path in Path(sys.argv[1]).iterdir() if path.is_dir())
print((folder / "tokens.npy").stat().st_ino, len(table), flush=True)
"""


@pytest.mark.long
def test_pain_14_of_two_processes_one_does_the_work(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", AT_THE_SAME_TIME, str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    answers = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    # Doing it again would have put another file in the place of the first one.
    (folder,) = folders(tmp_path)
    assert answers == [f"{(folder / 'tokens.npy').stat().st_ino} 6000\n"] * 2
