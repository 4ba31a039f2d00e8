import numpy as np
import pytest
import torch
from torch import nn

from hybridir.encoder.packed.dropout import DropoutKeys, TextDropout, drop, text_keys, token_keys

SITE = np.uint32(77)


def keys(texts: int, tokens: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    rows = text_keys(0, 0, np.arange(texts))
    per_token = token_keys(np.repeat(rows, tokens), np.tile(np.arange(tokens), texts))
    return per_token.reshape(texts, tokens)


def lowbias32(value: int) -> int:
    """The hash in Python's integers."""
    value ^= value >> 16
    value = value * 0x7FEB352D % 2**32
    value ^= value >> 15
    value = value * 0x846CA68B % 2**32
    return value ^ value >> 16


def test_the_hash_of_key_site_head_and_dimension_decides_dropout() -> None:
    golden = 0x9E3779B9
    values = torch.ones(2, 3, 4, 5)
    keys_BW = keys(2, 4)
    dropped = drop(values, keys_BW, SITE, 0.3)
    for b, h, w, d in np.ndindex(2, 3, 4, 5):
        row = lowbias32(int(keys_BW[b, w]) ^ (int(SITE) + h * golden) % 2**32)
        survives = lowbias32((row + d * golden) % 2**32) >= int(0.3 * 2**32)
        assert dropped[b, h, w, d].item() == pytest.approx(survives / 0.7)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_rate_is_dropped_and_neighbours_are_independent(rate: float) -> None:
    values = drop(torch.ones(10, 1, 100, 400), keys(10, 100), SITE, rate).reshape(1000, 400)
    dropped = (values == 0).double() - rate
    spread = np.sqrt(rate * (1 - rate))  # of one draw
    # Five standard errors of independent draws, here and below.
    assert abs(dropped.mean()) < 5 * spread / np.sqrt(dropped.numel())
    for axis in (0, 1):
        means = dropped.mean(dim=axis)
        expected = spread / np.sqrt(dropped.shape[axis])
        # The standard deviation of m independent normal means is known to 1 in sqrt(2 m).
        assert means.std() == pytest.approx(expected, rel=5 / np.sqrt(2 * len(means)))
    for first, second in ((dropped[1:], dropped[:-1]), (dropped[:, 1:], dropped[:, :-1])):
        assert abs((first * second).mean()) < 5 * spread**2 / np.sqrt(first.numel())
    next_site = (
        drop(torch.ones(10, 1, 100, 400), keys(10, 100), SITE + np.uint32(1), rate) == 0
    ) * 1.0
    together = dropped * (next_site.reshape(1000, 400) - rate)
    assert abs(together.mean()) < 5 * spread**2 / np.sqrt(together.numel())
    assert values.max() == pytest.approx(1 / (1 - rate))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_every_format_drops_the_same(dtype: torch.dtype) -> None:
    values = torch.randn(3, 2, 7, 9, generator=torch.Generator().manual_seed(0))
    expected = drop(values, keys(3, 7), SITE, 0.2)
    dropped = drop(values.to(dtype), keys(3, 7), SITE, 0.2)
    assert dropped.dtype is dtype
    assert torch.equal(dropped == 0, expected == 0)
    # bf16 has 8 significant bits, and is rounded twice.
    torch.testing.assert_close(dropped.float(), expected, rtol=2**-7, atol=0)


def test_keys_differ_by_seed_step_and_text() -> None:
    rows = np.arange(1000)
    batches = [text_keys(seed, step, rows) for seed, step in ((0, 0), (0, 1), (1, 0))]
    assert len({int(key) for batch in batches for key in batch}) == 3000
    assert np.array_equal(text_keys(0, 1, rows[500:]), batches[1][500:])


def layer(rate: float) -> tuple[TextDropout, DropoutKeys]:
    dropout_keys = DropoutKeys()
    return TextDropout(rate, dropout_keys), dropout_keys


def test_the_gradient_of_a_layer_is_dropped_like_its_output() -> None:
    dropout, dropout_keys = layer(0.4)
    dropout_keys.begin(keys(1, 6)[0])
    values = torch.randn(1, 6, 50, requires_grad=True)
    dropped = dropout(values)
    dropped.backward(torch.full_like(values, 3.0))
    assert values.grad is not None
    assert torch.equal(values.grad == 0, dropped == 0)
    assert values.grad.max() == pytest.approx(3 / 0.6)


def test_each_site_has_its_own_dropout_which_the_next_pass_repeats() -> None:
    dropout, dropout_keys = layer(0.5)
    values = torch.ones(1, 6, 50)
    passes = []
    for _ in range(2):
        dropout_keys.begin(keys(1, 6)[0])
        passes.append([dropout(values), dropout(values)])
    assert not torch.equal(passes[0][0], passes[0][1])
    assert torch.equal(passes[0][0], passes[1][0])
    assert torch.equal(passes[0][1], passes[1][1])


def test_without_keys_a_layer_is_torch_s_own() -> None:
    dropout, dropout_keys = layer(0.5)
    values = torch.ones(4, 50)
    torch.manual_seed(0)
    dropped = dropout(values)
    torch.manual_seed(0)
    assert torch.equal(dropped, nn.Dropout(0.5)(values))
    dropout_keys.begin(keys(1, 6)[0])  # as many keys as the values have no tokens
    torch.manual_seed(0)
    assert torch.equal(dropped, dropout(values))


@pytest.mark.parametrize(("rate", "training"), [(0.0, True), (0.5, False)])
def test_without_dropout_a_layer_returns_its_input(rate: float, training: bool) -> None:
    dropout, dropout_keys = layer(rate)
    dropout_keys.begin(keys(1, 6)[0])
    values = torch.ones(1, 6, 50)
    assert dropout.train(training)(values) is values
