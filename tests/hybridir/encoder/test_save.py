import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from hybridir.config.trial import EncoderConfig
from hybridir.encoder.backbone import load_backbone
from hybridir.encoder.bi_encoder import BiEncoder
from hybridir.encoder.load import load_bi_encoder, load_tokenizer
from hybridir.encoder.save import save_encoder
from hybridir.encoder.token_table import prepare_tokens
from hybridir.encoder.vocabulary import train_tokenizer
from hybridir.retrieval.encode import encode
from tests.hybridir.encoder.test_vocabulary import corpus

QUERIES, PASSAGES = corpus()[:12], corpus()[-12:]


def configuration(pooling: str, **changes: object) -> EncoderConfig:
    settings = {
        "from_scratch": {"layers": 1, "hidden_size": 32, "intermediate_size": 64},
        "query_prefix": "query: ",
        "passage_prefix": "passage: ",
        "query_length": 64,
        "passage_length": 64,
        **changes,
    }
    return EncoderConfig.model_validate({"pooling": pooling, **settings})


def saved(
    folder: Path, config: EncoderConfig
) -> tuple[BiEncoder, PreTrainedTokenizerFast, NDArray[np.float32], NDArray[np.float32]]:
    """Save a new encoder; return it with its embeddings of queries and passages."""
    tokenizer = train_tokenizer(corpus(), 400)
    encoder = load_bi_encoder(config, tokenizer, seed=3).eval()
    with torch.no_grad():  # new weights hardly tell texts apart
        for weight in encoder.parameters():
            weight.mul_(5)
    embeddings = [
        encode(
            encoder,
            prepare_tokens(
                texts, tokenizer, prefix=prefix, max_length=64, cache=folder.parent / "cache"
            ),
            batch_tokens=4096,
        )
        for texts, prefix in (
            (QUERIES, "query: "),
            (PASSAGES, "passage: "),
        )
    ]
    save_encoder(encoder, tokenizer, config, folder)
    return encoder, tokenizer, embeddings[0], embeddings[1]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.filterwarnings("ignore")
def test_sentence_transformers_gives_the_same_vectors(tmp_path: Path, pooling: str) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    _, _, queries, passages = saved(tmp_path / "encoder", configuration(pooling))
    model = sentence_transformers.SentenceTransformer(str(tmp_path / "encoder"), device="cpu")
    np.testing.assert_allclose(model.encode_query(QUERIES), queries, atol=1e-6)
    np.testing.assert_allclose(model.encode_document(PASSAGES), passages, atol=1e-6)
    assert model.max_seq_length == 64
    # The prefixes are part of it: without them the vectors are others.
    assert np.abs(model.encode(QUERIES) - queries).max() > 1e-3
    similarity = model.similarity(queries, passages).numpy()
    np.testing.assert_allclose(similarity, queries @ passages.T, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_a_saved_encoder_can_be_loaded_as_encoder_path(tmp_path: Path, pooling: str) -> None:
    encoder, tokenizer, _, _ = saved(tmp_path / "encoder", configuration(pooling))
    config = EncoderConfig(path=tmp_path / "encoder", pooling=pooling, query_length=64,
                           passage_length=64)  # fmt: skip
    again = load_tokenizer(config, [], "unused", tmp_path)
    assert again(QUERIES)["input_ids"] == tokenizer(QUERIES)["input_ids"]
    loaded = load_bi_encoder(config, again, seed=0)
    assert loaded.pad_token == encoder.pad_token
    weights = loaded.state_dict()
    assert all(torch.equal(weights[name], old) for name, old in encoder.state_dict().items())


def test_a_saved_encoder_describes_itself(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    saved(folder, configuration("cls"))
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"modules.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    assert not {name for name in names if name.endswith((".bin", ".pt", ".pkl"))}
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    assert [name for name, value in pooling.items() if value is True] == ["pooling_mode_cls_token"]
    assert "Pooling: cls. Longest text: 64 tokens." in (folder / "README.md").read_text()


def test_an_encoder_with_a_pooler_is_saved_for_transformers_alone(tmp_path: Path) -> None:
    encoder, _, _, _ = saved(tmp_path / "encoder", configuration("pooler"))
    assert not (tmp_path / "encoder" / "modules.json").exists()
    again = load_backbone(tmp_path / "encoder", dropout=0, pooling="pooler")
    assert encoder.backbone.config.hidden_size == again.config.hidden_size


def test_saving_twice_replaces_the_folder(tmp_path: Path) -> None:
    saved(tmp_path / "encoder", configuration("mean"))
    saved(tmp_path / "encoder", configuration("pooler"))
    assert not (tmp_path / "encoder" / "1_Pooling").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "encoder"}
