from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import (
    BartConfig,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)

from hybridir.encoder.backbone import load_backbone, most_tokens
from hybridir.encoder.bi_encoder import BiEncoder, embed
from hybridir.encoder.packed.packing import pack
from hybridir.errors import InputError
from tests.support.encoders import MODELS, SMALL, TINY, backbone, texts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    BertModel(SMALL).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def load(source: Path, dropout: float = 0.0, pooling: str = "mean") -> PreTrainedModel:
    return load_backbone(source, dropout=dropout, pooling=pooling)


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    weights = second.state_dict()
    return all(torch.equal(weight, weights[name]) for name, weight in first.state_dict().items())


def test_new_weights_are_decided_by_their_seed_alone() -> None:
    torch.manual_seed(1)
    first = backbone(seed=5)
    before = torch.get_rng_state()
    again = backbone(seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert same_weights(first, again)
    assert not same_weights(first, backbone(seed=6))


@pytest.mark.parametrize("name", MODELS)
def test_the_dropout_given_replaces_every_dropout_of_the_model(name: str, tmp_path: Path) -> None:
    MODELS[name]().save_pretrained(tmp_path)

    def spread(dropout: float) -> float:
        """How far training-time vectors lie from those without any dropout."""
        encoder = BiEncoder.wrap(load(tmp_path, dropout), "mean", pad_token=0)
        with torch.no_grad():
            still = embed(encoder.eval(), pack(texts(8)))
            return float((embed(encoder.train(), pack(texts(8))) - still).abs().max())

    assert spread(0.0) < 1e-6
    assert spread(0.4) > 0.01


def test_weights_come_from_the_folder(folder: Path) -> None:
    model = load(folder)
    original = BertModel.from_pretrained(folder)
    assert same_weights(original, model)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere' cannot be loaded: .*model\.safetensors"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b'{"model_type": "be'),
        ("config.json", b'{"model_type": "nonsense"}'),
        ("config.json", b"{}"),
        ("model.safetensors", b"not weights at all"),
        ("model.safetensors", None),
    ],
)
def test_a_broken_folder_is_refused(folder: Path, file: str, content: bytes | None) -> None:
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InputError, match=r"cannot be loaded: .+; give a Hugging Face folder"):
        load(folder)


def test_pickled_weights_are_loaded_and_pickled_programs_are_not(folder: Path) -> None:
    model = BertModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    assert same_weights(model, load(folder))
    ran = folder / "ran"
    torch.save({"weights": Program(ran)}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be loaded: "):
        load(folder)
    assert not ran.exists()


class Program:
    """An object that would make a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.path,))


def test_pain_34_an_encoder_with_a_decoder_is_refused(tmp_path: Path) -> None:
    BartConfig(vocab_size=50).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="'bart' is an encoder with a decoder, and of these only"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("model", "most"),
    [
        (BertModel(SMALL), 64),
        (MODELS["mpnet"](), 510),  # of 512, and padding has number 1
        (RobertaModel(RobertaConfig(**TINY, max_position_embeddings=66)), 64),
        (T5EncoderModel(T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=8, num_layers=1)), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_pain_35_the_longest_text_is_what_the_forward_pass_takes(
    model: PreTrainedModel, most: int | None
) -> None:
    assert most_tokens(model) == most
    longest = torch.full((1, most or 600), 7)
    with torch.no_grad():
        model(input_ids=longest)
        if most is not None:
            with pytest.raises((IndexError, RuntimeError)):
                model(input_ids=torch.full((1, most + 1), 7))


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    # Two layers, in each the two matrices of the feed-forward part and one of its biases.
    BertConfig(**{**SMALL.to_dict(), "intermediate_size": 48}).save_pretrained(folder)
    with pytest.raises(InputError, match="6 weights of BertModel are missing or of another"):
        load(folder)


def test_weights_of_another_architecture_are_refused(folder: Path, tmp_path: Path) -> None:
    MODELS["distilbert"]().save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(InputError, match="must belong together"):
        load(folder)


def test_a_missing_pooler_matters_only_where_it_is_used(tmp_path: Path) -> None:
    BertForMaskedLM(SMALL).save_pretrained(tmp_path)
    assert same_weights(load(tmp_path), load(tmp_path))  # what is drawn is drawn alike
    with pytest.raises(InputError, match=r"2 weights .* e\.g\. 'pooler\.dense\.bias'"):
        load(tmp_path, pooling="pooler")


def test_a_model_without_a_pooler_cannot_be_pooled_by_it(tmp_path: Path) -> None:
    MODELS["distilbert"]().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"DistilBertModel has no pooler; set encoder\.pooling"):
        load(tmp_path, pooling="pooler")
