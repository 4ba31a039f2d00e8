import pytest
import torch
from torch import Tensor, nn

from hybridir.linear import Linear


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
