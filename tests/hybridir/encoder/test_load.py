from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from hybridir.config.trial import EncoderConfig
from hybridir.encoder.bi_encoder import embed
from hybridir.encoder.load import load_bi_encoder, load_encoder, load_tokenizer
from hybridir.encoder.packed.packing import pack
from hybridir.encoder.save import save_encoder
from hybridir.encoder.vocabulary import train_tokenizer
from hybridir.errors import InputError

WORDS = "embeddings.word_embeddings.weight"
TEXTS = ["a stone is a stone", "the river is cold"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Hugging Face folder with a tokenizer of 60 tokens or fewer and 32 positions."""
    config = BertConfig(
        vocab_size=60,
        num_hidden_layers=1,
        hidden_size=16,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(tmp_path / "model")
    train_tokenizer(TEXTS, 200).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def config_of(folder: Path, length: int = 32) -> EncoderConfig:
    return EncoderConfig(path=folder, query_length=length, passage_length=length)


def test_a_folder_gives_its_tokenizer_and_its_weights(folder: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(config_of(folder), [], "unused", tmp_path / "cache")
    assert tokenizer(TEXTS)["input_ids"] == train_tokenizer(TEXTS, 200)(TEXTS)["input_ids"]
    encoder = load_bi_encoder(config_of(folder), tokenizer, seed=9)
    original = BertModel.from_pretrained(folder).state_dict()
    assert torch.equal(encoder.backbone.state_dict()[WORDS], original[WORDS])
    assert not (tmp_path / "cache").exists()


def test_from_scratch_the_vocabulary_is_learned_and_the_seed_decides_the_weights(
    tmp_path: Path,
) -> None:
    config = EncoderConfig.model_validate(
        {"from_scratch": {"layers": 1, "hidden_size": 16, "vocabulary": 200}, "dropout": 0.25}
    )
    tokenizer = load_tokenizer(config, TEXTS, "digest", tmp_path)
    assert tokenizer.get_vocab() == train_tokenizer(TEXTS, 200).get_vocab()
    first, again, changed = (load_bi_encoder(config, tokenizer, seed) for seed in (1, 1, 2))
    weight = [encoder.backbone.state_dict()[WORDS] for encoder in (first, again, changed)]
    assert torch.equal(weight[0], weight[1])
    assert not torch.equal(weight[0], weight[2])
    assert first.backbone.config.hidden_dropout_prob == 0.25
    assert first.backbone.config.max_position_embeddings == 256  # the longer of both lengths


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json"])
def test_a_folder_with_a_missing_file_is_refused(
    folder: Path, tmp_path: Path, missing: str
) -> None:
    (folder / missing).unlink()
    with pytest.raises(InputError, match=f"no Hugging Face encoder \\({missing} missing\\)"):
        load_tokenizer(config_of(folder), [], "unused", tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json and tokenizer\.json missing"):
        load_tokenizer(config_of(tmp_path / "nowhere"), [], "unused", tmp_path)


def test_a_broken_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"its tokenizer cannot be loaded: .+tokenizer\.json"):
        load_tokenizer(config_of(folder), [], "unused", tmp_path)


def test_texts_longer_than_the_positions_of_the_weights_are_refused(folder: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, 200)
    with pytest.raises(InputError, match=r"48 tokens asked for, but .* takes at most 32"):
        load_bi_encoder(config_of(folder, 48), tokenizer, seed=0)


def test_a_tokenizer_with_more_tokens_than_the_weights_is_refused(folder: Path) -> None:
    tokenizer = train_tokenizer([chr(0x61 + n) * 2 for n in range(26)] * 2, 200)
    assert len(tokenizer) > 60
    with pytest.raises(InputError, match=f"tokenizer has {len(tokenizer)} tokens, .* for 60"):
        load_bi_encoder(config_of(folder), tokenizer, seed=0)


SCRATCH = EncoderConfig.model_validate(
    {
        "from_scratch": {"layers": 1, "hidden_size": 16, "vocabulary": 200},
        "pooling": "cls",
        "query_prefix": "query: ",
        "query_length": 16,
        "passage_length": 16,
    }
)


def test_a_loaded_encoder_embeds_texts_with_the_prefix_and_length_of_their_role() -> None:
    encoder = load_encoder(SCRATCH, texts=[*TEXTS, "query: "], seed=3)
    long = "the river is cold " * 9
    for prefix, vectors in (
        ("query: ", encoder.embed_queries([TEXTS[0], long])),
        ("", encoder.embed_passages([TEXTS[0], long])),
    ):
        for text, vector in zip([TEXTS[0], long], vectors, strict=True):
            ids = encoder.tokenizer(prefix + text, truncation=True, max_length=16)["input_ids"]
            (alone,) = embed(encoder.model.eval(), pack([np.array(ids, dtype=np.int32)]))
            np.testing.assert_allclose(vector, alone.detach().numpy(), atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert encoder.embed_queries([]).shape == (0, 16)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_saved_encoder_is_loaded_by_its_folder_alone(tmp_path: Path, kind: type) -> None:
    encoder = load_encoder(SCRATCH, texts=TEXTS, seed=3)
    save_encoder(encoder.model, encoder.tokenizer, SCRATCH, tmp_path / "encoder")
    again = load_encoder(kind(tmp_path / "encoder"))
    assert (again.config.pooling, again.config.query_prefix) == ("cls", "query: ")
    assert np.array_equal(again.embed_queries(TEXTS), encoder.embed_queries(TEXTS))


def test_an_encoder_from_scratch_needs_texts_and_a_hub_id_its_revision() -> None:
    with pytest.raises(InputError, match="learns its vocabulary from texts"):
        load_encoder(SCRATCH)
    with pytest.raises(InputError, match="a hub id needs its revision"):
        load_encoder("owner/name")
    with pytest.raises(InputError, match="names its own"):
        load_encoder(SCRATCH, revision="abc", texts=TEXTS)
