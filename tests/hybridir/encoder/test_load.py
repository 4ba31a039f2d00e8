from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from hybridir.config.trial import EncoderConfig
from hybridir.encoder.load import load_encoder, load_tokenizer
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


def given(folder: Path, length: int = 32) -> EncoderConfig:
    return EncoderConfig(path=folder, query_length=length, passage_length=length)


def test_a_folder_gives_its_tokenizer_and_its_weights(folder: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(given(folder), [], "unused", tmp_path / "cache")
    assert tokenizer(TEXTS)["input_ids"] == train_tokenizer(TEXTS, 200)(TEXTS)["input_ids"]
    encoder = load_encoder(given(folder), tokenizer, seed=9)
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
    first, again, other = (load_encoder(config, tokenizer, seed) for seed in (1, 1, 2))
    weight = [encoder.backbone.state_dict()[WORDS] for encoder in (first, again, other)]
    assert torch.equal(weight[0], weight[1])
    assert not torch.equal(weight[0], weight[2])
    assert first.backbone.config.hidden_dropout_prob == 0.25
    assert first.backbone.config.max_position_embeddings == 256  # the longer of both lengths


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_refused(folder: Path, tmp_path: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(InputError, match=f"no Hugging Face encoder \\({missing} missing\\)"):
        load_tokenizer(given(folder), [], "unused", tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json and tokenizer\.json missing"):
        load_tokenizer(given(tmp_path / "nowhere"), [], "unused", tmp_path)


def test_a_broken_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"its tokenizer cannot be loaded: .+tokenizer\.json"):
        load_tokenizer(given(folder), [], "unused", tmp_path)


def test_longer_texts_than_the_weights_have_positions_for_are_refused(folder: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, 200)
    with pytest.raises(InputError, match=r"48 tokens asked for, but .* takes at most 32"):
        load_encoder(given(folder, 48), tokenizer, seed=0)


def test_a_tokenizer_with_more_tokens_than_the_weights_is_refused(folder: Path) -> None:
    tokenizer = train_tokenizer([chr(0x61 + n) * 2 for n in range(26)] * 2, 200)
    assert len(tokenizer) > 60
    with pytest.raises(InputError, match=f"tokenizer has {len(tokenizer)} tokens, .* for 60"):
        load_encoder(given(folder), tokenizer, seed=0)
