import logging

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from hybridir.encoder.backbone import Pooling
from hybridir.encoder.bi_encoder import BiEncoder, embed
from hybridir.encoder.packed.packing import pack
from tests.support.encoders import MODELS, backbone, texts

POOLINGS: tuple[Pooling, ...] = ("mean", "cls", "pooler")
PACKED = ("bert", "xlm-roberta", "electra", "distilbert")
PADDED = ("mpnet", "modernbert")


def alone(model: PreTrainedModel, pooling: Pooling, text: NDArray[np.int32]) -> Tensor:
    """A text's embedding by the Hugging Face model as it is, no padding being needed."""
    output = model(input_ids=torch.from_numpy(text.astype(np.int64))[None])
    pooled = {
        "mean": lambda: output.last_hidden_state.mean(dim=1),
        "cls": lambda: output.last_hidden_state[:, 0],
        "pooler": lambda: output.pooler_output,
    }[pooling]()
    return functional.normalize(pooled[0], dim=-1)


@pytest.mark.parametrize("name", MODELS)
def test_packed_texts_are_embedded_as_the_model_of_hugging_face_embeds_each(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    torch.manual_seed(0)
    original = MODELS[name]().eval()
    encoder = BiEncoder(model, "mean", pad_token=0).eval()
    assert encoder.packs == (name in PACKED)
    given = texts(40)
    found = embed(encoder, pack(given))
    expected = torch.stack([alone(original, "mean", text) for text in given])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    # Some direction of each embedding, so that every weight has a gradient.
    towards = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (found * towards).sum().backward()  # type: ignore[no-untyped-call]
    (expected * towards).sum().backward()  # type: ignore[no-untyped-call]
    theirs = {name: weight.grad for name, weight in original.named_parameters()}
    compared = 0
    for weight_name, weight in model.named_parameters():
        expected_gradient = theirs[weight_name]
        if expected_gradient is not None:
            assert weight.grad is not None
            torch.testing.assert_close(weight.grad, expected_gradient, atol=2e-5, rtol=1e-4)
            compared += 1
    assert compared > 10


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooling_is_what_its_name_says(pooling: Pooling) -> None:
    given = texts(7)
    with torch.no_grad():
        found = embed(BiEncoder(backbone(), pooling, pad_token=0).eval(), pack(given))
        expected = [alone(backbone().eval(), pooling, text) for text in given]
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", PADDED)
def test_an_architecture_that_cannot_be_packed_is_named_in_the_log(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="hybridir"):
        BiEncoder(MODELS[name](), "mean", pad_token=0)
    (record,) = [entry for entry in caplog.records if entry.name.startswith("hybridir")]
    assert record.getMessage().startswith(type(MODELS[name]()).__name__)
    assert "cannot take texts without padding" in record.getMessage()


def test_an_architecture_that_can_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    BiEncoder(backbone(), "mean", pad_token=0)
    assert not caplog.records


def test_embeddings_come_in_the_order_given_however_texts_are_cut_into_chunks() -> None:
    encoder = BiEncoder(backbone(), "mean", pad_token=0).eval()
    given = texts(30)
    with torch.no_grad():
        whole = embed(encoder, pack(given))
        parts = embed(encoder, pack(given, chunk_tokens=100))
    assert len(pack(given, chunk_tokens=100)) > 5
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["bert", "mpnet"])
def test_embeddings_are_unit_vectors_of_fp32_also_under_bf16(name: str) -> None:
    encoder = BiEncoder(MODELS[name](), "mean", pad_token=0).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = embed(encoder, pack(texts(9)))
    assert found.dtype is torch.float32
    assert found.shape == (9, encoder.dimension) == (9, 16)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(9))


@pytest.mark.parametrize("name", ["bert", "electra", "mpnet"])
def test_a_second_pass_over_a_packing_drops_what_the_first_one_dropped(name: str) -> None:
    torch.manual_seed(0)
    encoder = BiEncoder(MODELS[name](), "mean", pad_token=0).train()
    given, keys = texts(9), np.arange(9, dtype=np.uint32)
    with torch.no_grad():
        first, again = (embed(encoder, pack(given, keys)) for _ in range(2))
        other = embed(encoder, pack(given, keys + np.uint32(1)))
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 0.01


def test_what_a_text_drops_does_not_depend_on_the_others_of_its_batch() -> None:
    encoder = BiEncoder(backbone(dropout=0.3), "mean", pad_token=0).train()
    given, keys = texts(9), np.arange(9, dtype=np.uint32)
    with torch.no_grad():
        together = embed(encoder, pack(given, keys))
        single = [embed(encoder, pack([given[n]], keys[n : n + 1]))[0] for n in range(9)]
    torch.testing.assert_close(together, torch.stack(single), atol=1e-6, rtol=0)


def test_without_keys_dropout_is_drawn_anew_each_time() -> None:
    encoder = BiEncoder(backbone(dropout=0.3), "mean", pad_token=0).train()
    with torch.no_grad():
        first, second = (embed(encoder, pack(texts(4))) for _ in range(2))
    assert (first - second).abs().max() > 0.01
