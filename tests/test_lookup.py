import torch
from torch import nn

from hybridir.lookup import Lookup

TOKENS = torch.tensor([[3, 1, 3], [7, 7, 0]])


def both() -> tuple[nn.Embedding, Lookup]:
    torch.manual_seed(0)
    original = nn.Embedding(9, 4)
    copy = nn.Embedding(9, 4)
    copy.load_state_dict(original.state_dict())
    return original, Lookup(copy)


def test_vectors_and_gradient_are_those_of_torch_s_embedding() -> None:
    original, lookup = both()
    for _ in range(2):  # gradients add up
        for embedding in (original, lookup):
            found = embedding(TOKENS)
            assert torch.equal(found, original.weight[TOKENS])
            (found * torch.arange(24.0).view(2, 3, 4)).sum().backward()
    assert original.weight.grad is not None
    torch.testing.assert_close(lookup.weight.grad, original.weight.grad)


def test_a_cleared_gradient_keeps_its_memory() -> None:
    _, lookup = both()
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
    _, lookup = both()
    with torch.no_grad():
        assert not lookup(TOKENS).requires_grad
    lookup.weight.requires_grad_(False)
    assert not lookup(TOKENS).requires_grad
