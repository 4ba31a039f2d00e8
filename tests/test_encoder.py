from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ModernBertConfig,
    ModernBertModel,
    PreTrainedModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from hybridir.encoder import BiEncoder, Pooling, embed, load_backbone, new_backbone, pad
from hybridir.errors import InputError

POOLINGS: tuple[Pooling, ...] = ("mean", "cls", "pooler")
SMALL = BertConfig(
    vocab_size=50,
    num_hidden_layers=2,
    hidden_size=16,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=64,
)


def backbone(seed: int = 0, dropout: float = 0.0) -> PreTrainedModel:
    return new_backbone(
        vocabulary=50,
        layers=2,
        hidden_size=16,
        intermediate_size=32,
        heads=2,
        max_length=64,
        pad_token=0,
        dropout=dropout,
        seed=seed,
    )


def texts(n: int, longest: int = 60) -> list[NDArray[np.int32]]:
    rng = np.random.default_rng(3)
    return [rng.integers(5, 50, size=rng.integers(2, longest), dtype=np.int32) for _ in range(n)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    BertModel(SMALL).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def load(source: Path, dropout: float = 0.0, pooling: Pooling = "mean") -> PreTrainedModel:
    return load_backbone(source, revision=None, dropout=dropout, pooling=pooling)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_embedding_in_buckets_is_embedding_one_by_one_in_the_order_given(pooling: Pooling) -> None:
    encoder = BiEncoder(backbone(), pooling, pad_token=0).eval()
    given = texts(40)
    with torch.no_grad():
        together = embed(encoder, given, pad_token=0)
        alone = [
            encoder(torch.from_numpy(text.astype(np.int64))[None], torch.tensor([len(text)]))[0]
            for text in given
        ]
    assert len({(len(text) + 15) // 16 for text in given}) == 4  # several buckets are in play
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooling_is_what_its_name_says(pooling: Pooling) -> None:
    model = backbone().eval()
    text = texts(1)[0]
    with torch.no_grad():
        found = embed(BiEncoder(model, pooling, pad_token=0), [text], pad_token=0)[0].numpy()
        output = model(input_ids=torch.from_numpy(text.astype(np.int64))[None])
    hidden = output.last_hidden_state[0].double().numpy()
    by_hand = {
        "mean": sum(hidden) / len(hidden),
        "cls": hidden[0],
        "pooler": output.pooler_output[0].double().numpy(),
    }[pooling]
    np.testing.assert_allclose(found, by_hand / np.sqrt((by_hand**2).sum()), atol=1e-6)


def test_embeddings_are_unit_vectors_of_fp32_also_under_bf16() -> None:
    encoder = BiEncoder(backbone(), "mean", pad_token=0).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = embed(encoder, texts(9), pad_token=0)
    assert found.dtype is torch.float32
    assert found.shape == (9, encoder.dimension) == (9, 16)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(9))


def test_gradients_reach_the_weights_through_the_buckets() -> None:
    encoder = BiEncoder(backbone(), "mean", pad_token=0)
    embed(encoder, texts(9), pad_token=0)[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    grad = encoder.backbone.get_input_embeddings().weight.grad
    assert isinstance(grad, Tensor)
    assert grad.any()


def test_padding_fills_up_behind_the_text() -> None:
    tokens, lengths = pad([np.array([5, 6], np.int32), np.array([7], np.int32)], pad_token=9)
    assert tokens.tolist() == [[5, 6], [7, 9]]
    assert lengths.tolist() == [2, 1]


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    other = second.state_dict()
    return all(torch.equal(weight, other[name]) for name, weight in first.state_dict().items())


def test_new_weights_are_decided_by_their_seed_alone() -> None:
    torch.manual_seed(1)
    first = backbone(seed=5)
    before = torch.get_rng_state()
    again = backbone(seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert same_weights(first, again)
    assert not same_weights(first, backbone(seed=6))


TINY: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
}
MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "bert": lambda: BertModel(SMALL),
    "xlm-roberta": lambda: XLMRobertaModel(XLMRobertaConfig(**TINY, intermediate_size=32)),
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(vocab_size=50, dim=16, n_heads=2, n_layers=1, hidden_dim=32)
    ),
    "modernbert": lambda: ModernBertModel(
        ModernBertConfig(**TINY, intermediate_size=32, pad_token_id=0, embedding_dropout=0.1)
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_dropout_given_replaces_every_dropout_of_the_model(name: str, tmp_path: Path) -> None:
    MODELS[name]().save_pretrained(tmp_path)

    def spread(dropout: float) -> float:
        """How far training-time vectors lie from those without any dropout."""
        encoder = BiEncoder(load(tmp_path, dropout), "mean", pad_token=0)
        with torch.no_grad():
            still = embed(encoder.eval(), texts(8), pad_token=0)
            return float((embed(encoder.train(), texts(8), pad_token=0) - still).abs().max())

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


def test_weights_that_are_not_safetensors_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(BertModel(SMALL).state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"no file named model\.safetensors"):
        load(folder)


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
