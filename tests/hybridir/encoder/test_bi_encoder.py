import logging

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, ReformerConfig, ReformerModel

from hybridir.encoder.bi_encoder import BiEncoder, embed
from hybridir.encoder.packed.packing import pack
from hybridir.errors import InputError
from tests.support.encoders import MODELS, backbone, texts

POOLINGS: tuple[str, ...] = ("mean", "cls", "pooler")
PACKED = ("bert", "xlm-roberta", "electra", "distilbert")
OBSTACLES = {
    "t5": "ValueError: its attention has a mask or a bias of its own",
    "mpnet": "its attention cannot be replaced",
    "modernbert": "ValueError: packed texts are attended to in both directions and as a whole",
}


def alone(model: PreTrainedModel, pooling: str, text: NDArray[np.int32]) -> Tensor:
    """The embedding of a single text by the unchanged Hugging Face model, without padding."""
    output = model(input_ids=torch.from_numpy(text.astype(np.int64))[None])
    pooled = {
        "mean": lambda: output.last_hidden_state.mean(dim=1),
        "cls": lambda: output.last_hidden_state[:, 0],
        "pooler": lambda: output.pooler_output,
    }[pooling]()
    return functional.normalize(pooled[0], dim=-1)


@pytest.mark.parametrize("name", MODELS)
def test_packed_embeddings_and_gradients_equal_those_of_hugging_face_s_model(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    torch.manual_seed(0)
    original = MODELS[name]().eval()
    encoder = BiEncoder.wrap(model, "mean", pad_token=0).eval()
    assert encoder.packs == (name in PACKED)
    rows = texts(40)
    embedded = embed(encoder, pack(rows))
    expected = torch.stack([alone(original, "mean", text) for text in rows])
    torch.testing.assert_close(embedded, expected, atol=1e-5, rtol=0)
    # Some direction of each embedding, so that every weight has a gradient.
    towards = torch.randn(embedded.shape, generator=torch.Generator().manual_seed(1))
    (embedded * towards).sum().backward()  # type: ignore[no-untyped-call]
    (expected * towards).sum().backward()  # type: ignore[no-untyped-call]
    gradients = {name: weight.grad for name, weight in original.named_parameters()}
    compared = 0
    for weight_name, weight in model.named_parameters():
        expected_gradient = gradients[weight_name]
        if expected_gradient is not None:
            assert weight.grad is not None
            torch.testing.assert_close(weight.grad, expected_gradient, atol=2e-5, rtol=1e-4)
            compared += 1
    assert compared > 10


@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_pooling_does_what_its_name_says(pooling: str) -> None:
    rows = texts(7)
    with torch.no_grad():
        embedded = embed(BiEncoder.wrap(backbone(), pooling, pad_token=0).eval(), pack(rows))
        expected = [alone(backbone().eval(), pooling, text) for text in rows]
    torch.testing.assert_close(embedded, torch.stack(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("name", "reason"), OBSTACLES.items())
def test_an_architecture_that_cannot_pack_is_logged_with_the_reason(
    name: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="hybridir"):
        BiEncoder.wrap(MODELS[name](), "mean", pad_token=0)
    (record,) = [entry for entry in caplog.records if entry.name.startswith("hybridir")]
    assert record.getMessage().startswith(type(MODELS[name]()).__name__)
    assert f"cannot take texts without padding ({reason})" in record.getMessage()


def test_texts_are_encoded_by_equal_length_where_padding_changes_their_vectors(
    caplog: pytest.LogCaptureFixture,
) -> None:
    encoder = BiEncoder.wrap(MODELS["fnet"](), "mean", pad_token=0).eval()
    assert "padding changes its vectors; texts are encoded in groups of equal" in caplog.text
    with torch.no_grad():
        whole = embed(encoder, pack(texts(9)))
        single = torch.cat([embed(encoder, pack([text])) for text in texts(9)])
        encoder.multiple = 16
        padded = embed(encoder, pack(texts(9)))
    torch.testing.assert_close(whole, single, atol=1e-6, rtol=0)
    assert (padded - single).abs().max() > 0.01


def test_an_encoder_that_gives_a_text_other_vectors_each_time_is_refused() -> None:
    config = ReformerConfig(
        vocab_size=50,
        hidden_size=16,
        num_attention_heads=2,
        attention_head_size=8,
        feed_forward_size=32,
        attn_layers=["lsh", "local"],
        lsh_attn_chunk_length=4,
        local_attn_chunk_length=4,
        num_buckets=2,
        axial_pos_embds=False,
        max_position_embeddings=64,
        is_decoder=False,
    )
    with pytest.raises(InputError, match=r"ReformerModel is not supported: the vector of a text"):
        BiEncoder.wrap(ReformerModel(config), "mean", pad_token=0)


def test_an_architecture_that_can_pack_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    BiEncoder.wrap(backbone(), "mean", pad_token=0)
    assert not caplog.records


def test_chunks_change_neither_embeddings_nor_their_order() -> None:
    encoder = BiEncoder.wrap(backbone(), "mean", pad_token=0).eval()
    rows = texts(30)
    with torch.no_grad():
        whole = embed(encoder, pack(rows))
        chunked = embed(encoder, pack(rows, chunk_tokens=100))
    assert len(pack(rows, chunk_tokens=100)) > 5
    torch.testing.assert_close(chunked, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["bert", "mpnet"])
def test_embeddings_are_unit_vectors_of_fp32_also_under_bf16(name: str) -> None:
    encoder = BiEncoder.wrap(MODELS[name](), "mean", pad_token=0).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        embedded = embed(encoder, pack(texts(9)))
    assert embedded.dtype is torch.float32
    assert embedded.shape == (9, encoder.dimension) == (9, 16)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(9))


@pytest.mark.parametrize("name", ["bert", "electra", "mpnet"])
def test_a_second_pass_repeats_the_dropout_of_the_first(name: str) -> None:
    torch.manual_seed(0)
    encoder = BiEncoder.wrap(MODELS[name](), "mean", pad_token=0).train()
    rows, keys = texts(9), np.arange(9, dtype=np.uint32)
    with torch.no_grad():
        first, again = (embed(encoder, pack(rows, keys)) for _ in range(2))
        changed = embed(encoder, pack(rows, keys + np.uint32(1)))
    assert torch.equal(first, again)
    assert (first - changed).abs().max() > 0.01


def test_the_dropout_of_a_text_does_not_depend_on_its_batch() -> None:
    encoder = BiEncoder.wrap(backbone(dropout=0.3), "mean", pad_token=0).train()
    rows, keys = texts(9), np.arange(9, dtype=np.uint32)
    with torch.no_grad():
        together = embed(encoder, pack(rows, keys))
        single = [embed(encoder, pack([rows[n]], keys[n : n + 1]))[0] for n in range(9)]
    torch.testing.assert_close(together, torch.stack(single), atol=1e-6, rtol=0)


def test_without_keys_dropout_is_drawn_anew_each_time() -> None:
    encoder = BiEncoder.wrap(backbone(dropout=0.3), "mean", pad_token=0).train()
    with torch.no_grad():
        first, second = (embed(encoder, pack(texts(4))) for _ in range(2))
    assert (first - second).abs().max() > 0.01
