"""Readers of files between runs: caches, checkpoints, embeddings, encoders."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hybridir.config.trial import EncoderConfig
from hybridir.encoder.bi_encoder import BiEncoder
from hybridir.encoder.folder_settings import DenseFile
from hybridir.encoder.head import Dense, Head
from hybridir.encoder.load import load_bi_encoder, load_tokenizer
from hybridir.encoder.save import save_encoder
from hybridir.encoder.third_party import resolve
from hybridir.encoder.token_table import prepare_tokens
from hybridir.encoder.vocabulary import cached_tokenizer, train_tokenizer
from hybridir.errors import InputError, TrialError
from hybridir.retrieval.vector_store import Shard, StoredVectors, store_vectors
from hybridir.training.checkpoint import LoopState
from tests.fuzz.loader import Loader, Unfinished
from tune.folders import RunFolder
from tune.record.address import address_of, record_of
from tune.study.file import DEMO, read_study_file
from tune.study.recorded import read_recorded, record_settings

TEXTS = ["a stone is a stone", "the river is cold and wide", "é"]
_VECTORS = np.arange(30, dtype=np.float32).reshape(10, 3)

_tokenizer = cache(lambda: train_tokenizer(TEXTS, 80))


def _tokens(folder: Path) -> None:
    expected = [_tokenizer()(text)["input_ids"] for text in TEXTS]
    table = prepare_tokens(TEXTS, _tokenizer(), prefix="", max_length=16, cache=folder)
    rows = [row.tolist() for row in table.take(np.arange(len(table)))]
    if list(map(len, rows)) != list(map(len, expected)):
        raise Unfinished("tokens of other texts")


def _vocabulary(folder: Path) -> None:
    words = cached_tokenizer(TEXTS, 80, folder, "0" * 64).get_vocab()
    if sorted(words.values()) != list(range(len(words))) or "[PAD]" not in words:
        raise Unfinished("a vocabulary with gaps")


def _state(seed: int) -> LoopState:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return LoopState(model, optimizer, step=2, seconds=1.5, losses=[0.5, 0.25], chunk_tokens=4096)


def _checkpoint(folder: Path) -> None:
    _state(0).save(folder / "checkpoint.pt", "print")


def _continue(folder: Path, out: Path) -> None:
    state = _state(1)
    if not state.load(folder / "checkpoint.pt", "print"):
        return
    state.model(torch.ones(1, 3)).sum().backward()
    state.optimizer.step()


def _encoder(folder: Path) -> None:
    given = {"from_scratch": {"layers": 1, "hidden_size": 16, "intermediate_size": 16, "heads": 2}}
    config = EncoderConfig.model_validate({**given, "query_length": 16, "passage_length": 16})
    encoder: BiEncoder = load_bi_encoder(config, _tokenizer(), seed=0)
    encoder.head = Head(Dense(DenseFile(in_features=16, out_features=4), nn.Tanh()))
    save_encoder(encoder, _tokenizer(), config, folder / "encoder")


def _load_encoder(folder: Path, out: Path) -> None:
    config = resolve(EncoderConfig(path=folder / "encoder"))
    tokenizer = load_tokenizer(config, [], "unused", out)
    encoder = load_bi_encoder(config, tokenizer, seed=0)
    if not encoder.dimension > 0:
        raise Unfinished("an encoder without dimensions")


def _make(shard: int) -> Shard:
    rows = np.arange(5 * shard, 5 * shard + 5)
    return rows, _VECTORS[rows]


def _vectors(folder: Path, shards: int = 2) -> StoredVectors:
    return store_vectors(folder, 10, 3, digest="d", shards=shards, make=_make)


def _read_vectors(folder: Path, out: Path) -> None:
    if _vectors(folder).rows(0, 10).shape != (10, 3):
        raise Unfinished("vectors are missing")


def _run(folder: Path) -> RunFolder:
    run = RunFolder(folder / "results" / "demo" / "run-001")
    if not run.study_file.is_file():
        record_settings(read_study_file(DEMO, []), run)
    return run


def _read_settings(folder: Path, out: Path) -> None:
    study, _ = read_recorded(RunFolder(folder / "results" / "demo" / "run-001"))
    if study.name != "demo":
        raise Unfinished("another study")


def _tracked(folder: Path) -> None:
    run, uri = _run(folder), f"sqlite:///{folder.resolve() / 'mlflow.db'}"
    record = {**record_of(uri, run), "run_id": "0" * 32, "sent": ["search-000"], "view": "/"}
    run.tracking.write_text(json.dumps(record))


def _read_tracked(folder: Path, out: Path) -> None:
    run = RunFolder(folder / "results" / "demo" / "run-001")
    address = address_of(run, "http://server:5000")
    if not address.uri:
        raise Unfinished("no address")
    address.note(run)


STORED: tuple[Loader, ...] = (
    Loader("prepared tokens", _tokens, lambda folder, out: _tokens(folder), 4, keeps=False),
    Loader("vocabulary", _vocabulary, lambda folder, out: _vocabulary(folder), 2, keeps=False),
    Loader("checkpoint", _checkpoint, _continue, 4, refuses=(TrialError,)),
    Loader("encoder", _encoder, _load_encoder, 4),
    Loader("settings of a run", _run, _read_settings, 2),
    Loader("record of the tracking", _tracked, _read_tracked, 2),
    Loader("embeddings", _vectors, _read_vectors, 2, refuses=(InputError, TrialError),
           keeps=False),
)  # fmt: skip
