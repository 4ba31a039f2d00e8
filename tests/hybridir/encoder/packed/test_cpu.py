import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from hybridir.encoder.packed.cpu import Linear, LinearThenGelu, Lookup


def both(inputs: int, outputs: int, *, bias: bool = True) -> tuple[nn.Linear, Linear]:
    torch.manual_seed(0)
    original = nn.Linear(inputs, outputs, bias=bias)
    copy = nn.Linear(inputs, outputs, bias=bias)
    copy.load_state_dict(original.state_dict())
    return original, Linear(copy)


def test_it_holds_the_weights_of_the_layer_whose_place_it_takes() -> None:
    layer = nn.Linear(3, 5)
    linear = Linear(layer)
    assert linear.weight is layer.weight
    assert linear.bias is layer.bias
    assert linear.state_dict().keys() == layer.state_dict().keys()


# A weight that is wider than high, and one that is higher than wide, take two ways backwards.
@pytest.mark.parametrize(("inputs", "outputs"), [(24, 40), (40, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_are_those_of_exact_products(
    inputs: int, outputs: int, bias: bool
) -> None:
    _, linear = both(inputs, outputs, bias=bias)
    generator = torch.Generator().manual_seed(1)
    given = torch.randn(2, 70, inputs, generator=generator, requires_grad=True)
    towards = torch.randn(2, 70, outputs, generator=generator)
    found = linear(given)
    (found * towards).sum().backward()

    rows, weight, gradient = (x.detach().double() for x in (given, linear.weight, towards))
    expected = rows @ weight.T
    if bias:
        expected = expected + linear.bias.detach().double()
    close(found, expected)
    close(given.grad, gradient @ weight)
    flat = gradient.reshape(-1, outputs)
    close(linear.weight.grad, flat.T @ rows.reshape(-1, inputs))
    if bias:
        close(linear.bias.grad, flat.sum(0))


def close(found: Tensor | None, expected: Tensor) -> None:
    """Equal but for the rounding of fp32 in sums of up to 140 products."""
    assert found is not None
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, atol=2e-5, rtol=1e-5)


def test_a_weight_that_is_not_trained_gets_no_gradient() -> None:
    _, linear = both(8, 8)
    linear.requires_grad_(False)
    given = torch.ones(3, 8, requires_grad=True)
    linear(given).sum().backward()
    assert linear.weight.grad is None
    torch.testing.assert_close(given.grad, linear.weight.sum(0).expand(3, 8))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_formats_are_left_to_torch(dtype: torch.dtype) -> None:
    original, linear = (layer.to(dtype) for layer in both(8, 4))
    given = torch.randn(3, 8, dtype=dtype)
    assert torch.equal(linear(given), original(given))


def test_autocast_computes_in_bf16() -> None:
    original, linear = both(8, 4)
    given = torch.randn(3, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = linear(given)
        assert found.dtype == torch.bfloat16
        assert torch.equal(found, original(given))


def halves(activation: nn.Module) -> nn.Module:
    module = nn.Module()
    module.dense, module.intermediate_act_fn = nn.Linear(24, 40), activation
    return module


@pytest.mark.parametrize(
    ("kind", "autocast"),
    [(torch.float32, False), (torch.bfloat16, False), (torch.bfloat16, True)],
)
def test_product_and_activation_together_are_those_apart(
    kind: torch.dtype, autocast: bool
) -> None:
    torch.manual_seed(0)
    layer = LinearThenGelu(nn.Linear(24, 40))
    given = torch.randn(2, 70, 24)
    if not autocast:
        layer, given = layer.to(kind), given.to(kind)
    dense = layer.dense
    exact = functional.gelu(
        given.to(kind).double() @ dense.weight.to(kind).double().T + dense.bias.to(kind).double()
    )
    with torch.no_grad(), torch.autocast("cpu", dtype=kind, enabled=autocast):
        found = layer(given)
    assert found.shape == (2, 70, 40)
    assert found.dtype == kind
    tolerance = 1e-5 if kind == torch.float32 else 2**-7
    torch.testing.assert_close(found.double(), exact, atol=tolerance, rtol=tolerance)


def test_with_gradients_the_activation_has_its_own() -> None:
    torch.manual_seed(0)
    layer = LinearThenGelu(nn.Linear(8, 12)).double()
    given = torch.randn(5, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, given)


def test_it_fits_the_halves_of_bert_and_its_kin_with_the_exact_gelu_alone() -> None:
    layer = BertLayer(BertConfig(hidden_size=8, num_attention_heads=1, intermediate_size=16))
    assert LinearThenGelu.fits(layer.intermediate)
    assert not LinearThenGelu.fits(layer.output)
    assert LinearThenGelu.fits(halves(nn.GELU()))
    assert not LinearThenGelu.fits(halves(nn.GELU(approximate="tanh")))
    assert not LinearThenGelu.fits(halves(nn.ReLU()))
    names = LinearThenGelu(layer.intermediate.dense).state_dict().keys()
    assert names == {"dense.weight", "dense.bias"}


TOKENS = torch.tensor([[3, 1, 3], [7, 7, 0]])


def embedding_pair() -> tuple[nn.Embedding, Lookup]:
    torch.manual_seed(0)
    original = nn.Embedding(9, 4)
    copy = nn.Embedding(9, 4)
    copy.load_state_dict(original.state_dict())
    return original, Lookup(copy)


def test_vectors_and_gradient_are_those_of_torch_s_embedding() -> None:
    original, lookup = embedding_pair()
    for _ in range(2):  # gradients add up
        for embedding in (original, lookup):
            found = embedding(TOKENS)
            assert torch.equal(found, original.weight[TOKENS])
            (found * torch.arange(24.0).view(2, 3, 4)).sum().backward()
    assert original.weight.grad is not None
    torch.testing.assert_close(lookup.weight.grad, original.weight.grad)


def test_a_cleared_gradient_keeps_its_memory() -> None:
    _, lookup = embedding_pair()
    lookup.clear_gradient()
    assert lookup.weight.grad is None
    lookup(TOKENS).sum().backward()
    assert lookup.weight.grad is not None
    before = lookup.weight.grad.data_ptr()
    lookup.clear_gradient()
    assert not lookup.weight.grad.any()
    lookup(TOKENS).sum().backward()
    assert lookup.weight.grad.data_ptr() == before
    assert lookup.weight.grad[3].tolist() == [2.0] * 4


def test_the_weight_is_the_one_of_the_embedding_it_replaces() -> None:
    embedding = nn.Embedding(9, 4)
    lookup = Lookup(embedding)
    assert lookup.weight is embedding.weight
    assert lookup.state_dict().keys() == embedding.state_dict().keys()


def test_without_gradients_none_is_kept() -> None:
    _, lookup = embedding_pair()
    with torch.no_grad():
        assert not lookup(TOKENS).requires_grad
    lookup.weight.requires_grad_(False)
    assert not lookup(TOKENS).requires_grad
