import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from hybridir.encoder.bi_encoder import BiEncoder, embed
from hybridir.encoder.packed.cpu import LinearThenGelu, OneDnnLinear, TokenEmbedding
from hybridir.encoder.packed.packing import pack
from tests.support.encoders import backbone, texts
from tests.support.tiny import python


def layer_pair(inputs: int, outputs: int, *, bias: bool = True) -> tuple[nn.Linear, OneDnnLinear]:
    torch.manual_seed(0)
    original = nn.Linear(inputs, outputs, bias=bias)
    copy = nn.Linear(inputs, outputs, bias=bias)
    copy.load_state_dict(original.state_dict())
    return original, OneDnnLinear(copy)


def test_a_linear_layer_keeps_weight_and_bias_of_the_layer_it_replaces() -> None:
    layer = nn.Linear(3, 5)
    linear = OneDnnLinear(layer)
    assert linear.weight is layer.weight
    assert linear.bias is layer.bias
    assert linear.state_dict().keys() == layer.state_dict().keys()


# Wide and tall weights take different branches in the backward pass.
@pytest.mark.parametrize(("inputs", "outputs"), [(24, 40), (40, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_are_those_of_exact_products(
    inputs: int, outputs: int, bias: bool
) -> None:
    _, linear = layer_pair(inputs, outputs, bias=bias)
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(2, 70, inputs, generator=generator, requires_grad=True)
    towards = torch.randn(2, 70, outputs, generator=generator)
    output = linear(hidden)
    (output * towards).sum().backward()

    rows, weight, gradient = (x.detach().double() for x in (hidden, linear.weight, towards))
    expected = rows @ weight.T
    if bias:
        expected = expected + linear.bias.detach().double()
    assert_close_in_fp32(output, expected)
    assert_close_in_fp32(hidden.grad, gradient @ weight)
    flat = gradient.reshape(-1, outputs)
    assert_close_in_fp32(linear.weight.grad, flat.T @ rows.reshape(-1, inputs))
    if bias:
        assert_close_in_fp32(linear.bias.grad, flat.sum(0))


def assert_close_in_fp32(actual: Tensor | None, expected: Tensor) -> None:
    """Equal except for fp32 rounding in sums of up to 140 products."""
    assert actual is not None
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual.double(), expected, atol=2e-5, rtol=1e-5)


def test_a_frozen_weight_gets_no_gradient() -> None:
    _, linear = layer_pair(8, 8)
    linear.requires_grad_(False)
    hidden = torch.ones(3, 8, requires_grad=True)
    linear(hidden).sum().backward()
    assert linear.weight.grad is None
    torch.testing.assert_close(hidden.grad, linear.weight.sum(0).expand(3, 8))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_torch_computes_other_formats(dtype: torch.dtype) -> None:
    original, linear = (layer.to(dtype) for layer in layer_pair(8, 4))
    hidden = torch.randn(3, 8, dtype=dtype)
    assert torch.equal(linear(hidden), original(hidden))


def test_autocast_computes_in_bf16() -> None:
    original, linear = layer_pair(8, 4)
    hidden = torch.randn(3, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = linear(hidden)
        assert output.dtype == torch.bfloat16
        assert torch.equal(output, original(hidden))


def feed_forward_half(activation: nn.Module) -> nn.Module:
    module = nn.Module()
    module.dense, module.intermediate_act_fn = nn.Linear(24, 40), activation
    return module


@pytest.mark.parametrize(
    ("dtype", "autocast"),
    [(torch.float32, False), (torch.bfloat16, False), (torch.bfloat16, True)],
)
def test_the_fused_activation_equals_the_separate_one(dtype: torch.dtype, autocast: bool) -> None:
    torch.manual_seed(0)
    layer = LinearThenGelu(nn.Linear(24, 40))
    hidden = torch.randn(2, 70, 24)
    if not autocast:
        layer, hidden = layer.to(dtype), hidden.to(dtype)
    dense = layer.dense
    exact = functional.gelu(
        hidden.to(dtype).double() @ dense.weight.to(dtype).double().T
        + dense.bias.to(dtype).double()
    )
    with torch.no_grad(), torch.autocast("cpu", dtype=dtype, enabled=autocast):
        output = layer(hidden)
    assert output.shape == (2, 70, 40)
    assert output.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 2**-7
    torch.testing.assert_close(output.double(), exact, atol=tolerance, rtol=tolerance)


def test_the_activation_has_the_right_gradient() -> None:
    torch.manual_seed(0)
    layer = LinearThenGelu(nn.Linear(8, 12)).double()
    hidden = torch.randn(5, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, hidden)


def test_only_halves_like_those_of_bert_with_the_exact_gelu_are_fused() -> None:
    layer = BertLayer(BertConfig(hidden_size=8, num_attention_heads=1, intermediate_size=16))
    assert LinearThenGelu.fits(layer.intermediate)
    assert not LinearThenGelu.fits(layer.output)
    assert LinearThenGelu.fits(feed_forward_half(nn.GELU()))
    assert not LinearThenGelu.fits(feed_forward_half(nn.GELU(approximate="tanh")))
    assert not LinearThenGelu.fits(feed_forward_half(nn.ReLU()))
    names = LinearThenGelu(layer.intermediate.dense).state_dict().keys()
    assert names == {"dense.weight", "dense.bias"}


TOKENS = torch.tensor([[3, 1, 3], [7, 7, 0]])


def embedding_pair() -> tuple[nn.Embedding, TokenEmbedding]:
    torch.manual_seed(0)
    original = nn.Embedding(9, 4)
    copy = nn.Embedding(9, 4)
    copy.load_state_dict(original.state_dict())
    return original, TokenEmbedding(copy)


def test_vectors_and_gradient_equal_those_of_torch_s_embedding() -> None:
    original, token_embedding = embedding_pair()
    for _ in range(2):  # gradients add up
        for embedding in (original, token_embedding):
            output = embedding(TOKENS)
            assert torch.equal(output, original.weight[TOKENS])
            (output * torch.arange(24.0).view(2, 3, 4)).sum().backward()
    assert original.weight.grad is not None
    torch.testing.assert_close(token_embedding.weight.grad, original.weight.grad)


def test_a_cleared_gradient_keeps_its_memory() -> None:
    _, token_embedding = embedding_pair()
    token_embedding.clear_gradient()
    assert token_embedding.weight.grad is None
    token_embedding(TOKENS).sum().backward()
    assert token_embedding.weight.grad is not None
    before = token_embedding.weight.grad.data_ptr()
    token_embedding.clear_gradient()
    assert not token_embedding.weight.grad.any()
    token_embedding(TOKENS).sum().backward()
    assert token_embedding.weight.grad.data_ptr() == before
    assert token_embedding.weight.grad[3].tolist() == [2.0] * 4


def test_a_token_embedding_keeps_the_weight_of_the_embedding_it_replaces() -> None:
    embedding = nn.Embedding(9, 4)
    token_embedding = TokenEmbedding(embedding)
    assert token_embedding.weight is embedding.weight
    assert token_embedding.state_dict().keys() == embedding.state_dict().keys()


def test_without_gradients_no_graph_is_built() -> None:
    _, token_embedding = embedding_pair()
    with torch.no_grad():
        assert not token_embedding(TOKENS).requires_grad
    token_embedding.weight.requires_grad_(False)
    assert not token_embedding(TOKENS).requires_grad


def test_without_cpu_kernels_embeddings_and_gradients_agree() -> None:
    encoders = [
        BiEncoder.wrap(backbone(dropout=0.1), "mean", pad_token=0, cpu_kernels=switch)
        for switch in (True, False)
    ]
    kernels = (LinearThenGelu, OneDnnLinear, TokenEmbedding)
    counts = [sum(isinstance(m, kernels) for m in encoder.modules()) for encoder in encoders]
    # In each of 2 layers 4 products of the attention, the two halves of the feed-forward part and
    # the product inside the first half; the pooler; the tokens.
    assert counts == [2 * 7 + 2, 0]
    assert encoders[0].state_dict().keys() == encoders[1].state_dict().keys()

    rows, keys = texts(20), np.arange(20, dtype=np.uint32)
    towards = torch.randn(20, 16, generator=torch.Generator().manual_seed(1))
    results = []
    for encoder in encoders:
        with torch.no_grad():
            evaluated = embed(encoder.eval(), pack(rows))
        for _ in range(2):  # a cleared gradient starts from zero
            encoder.clear_gradients()
            trained = embed(encoder.train(), pack(rows, keys))
            (trained * towards).sum().backward()  # type: ignore[no-untyped-call]
        gradients = {
            name: weight.grad
            for name, weight in encoder.named_parameters()
            if weight.grad is not None
        }
        assert "backbone.embeddings.word_embeddings.weight" in gradients
        results.append((evaluated, trained.detach(), gradients))
    torch.testing.assert_close(results[0], results[1], atol=2e-5, rtol=1e-4)


@pytest.mark.long
def test_the_environment_switches_cpu_kernels_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDIR_CPU_KERNELS", "0")
    code = "from hybridir.encoder.packed.cpu import CPU_KERNELS; print(CPU_KERNELS)"
    assert python(code) == "False\n"
