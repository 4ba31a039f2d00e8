"""Gradients of a contrastive loss over batches of any size, at bounded memory.

The loss couples all texts of a batch, but only through their embeddings. So embeddings are
computed first, without what backpropagation needs; the loss gives the gradient at each embedding;
then each chunk of texts is embedded once more and its part of the gradient sent through it. That
costs one forward pass more, but for the last chunk, which is kept from the first time.

Source: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"
(GradCache), arXiv 2101.06983, section 3.

Notation: B texts, D dimensions.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hybridir.encoder import embed
from hybridir.encoder.bi_encoder import places
from hybridir.encoder.packed.packing import Packed, pack
from hybridir.runtime.memory import trim_heap

# Of a power of two that is free, what a chunk may keep for its backward pass. That pass needs some
# more for a moment, and so do the embeddings and the loss.
_SHARE = 0.6
# Texts that a token's share of memory is measured on.
_MEASURED_TEXTS = 8


def backpropagate(
    encoder: nn.Module, chunks: Sequence[Packed], loss_of: Callable[[Tensor], Tensor]
) -> Tensor:
    """Add the gradient of a loss over all chunks to the weights.

    Args:
        encoder: a `BiEncoder`, possibly wrapped by accelerate.
        chunks: B texts, see `hybridir.encoder.packed.packing.pack`.
        loss_of: maps [B, D] embeddings, in the order in which the texts were given to `pack`, to
            the scalar loss.

    Returns:
        The loss, detached.
    """
    if len(chunks) == 1:
        loss = loss_of(embed(encoder, chunks))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()
    device = next(encoder.parameters()).device
    there = [chunk.to(device) for chunk in chunks]
    with torch.no_grad():
        parts = [encoder(chunk) for chunk in there[:-1]]
    last = encoder(there[-1])
    sorted_BD = torch.cat([*parts, last.detach()]).requires_grad_()
    loss = loss_of(sorted_BD[places(there)])
    loss.backward()  # type: ignore[no-untyped-call]
    assert sorted_BD.grad is not None
    gradients = torch.split(sorted_BD.grad, [len(chunk.rows_B) for chunk in chunks])
    torch.autograd.backward(last, gradients[-1])
    del last, parts, sorted_BD
    # Once a step: 17 ms for 100 MB, which would otherwise grow with the number of chunks.
    trim_heap()
    for chunk, gradient in zip(there[:-1], gradients[:-1], strict=True):
        torch.autograd.backward(encoder(chunk), gradient)
    return loss.detach()


def tokens_that_fit(encoder: nn.Module, packings: Sequence[Packed], free_mb: float) -> int:
    """How many tokens a chunk may have so that its backward pass fits into memory.

    Args:
        encoder: in training mode, its gradients and the optimizer's state not yet there.
        packings: a batch like those to come; its longest texts are measured, for attention takes
            more for a long text than for short ones of as many tokens.
        free_mb: memory that is free. Of what gradients and optimizer leave of it only the power of
            two counts, so that two runs on one machine come to the same chunks, whose sizes decide
            the last digits.
    """
    longest = packings[-1]
    texts = [text.numpy() for text in torch.split(longest.tokens_T, longest.lengths)]
    # What is kept once for all tokens, such as weights in bf16, shows in the difference of two.
    few, few_bytes = _kept(encoder, texts[-_MEASURED_TEXTS:])
    many, many_bytes = _kept(encoder, texts[-2 * _MEASURED_TEXTS :])
    bytes_per_token = (many_bytes - few_bytes) / (many - few) if many > few else many_bytes / many
    once = max(0.0, many_bytes - many * bytes_per_token)
    weights = sum(size for _, size in _storages(encoder.parameters()))
    free = max(1.0, free_mb - (3 * weights + once) / 1e6)
    budget = _SHARE * 2.0 ** math.floor(math.log2(free)) * 1e6
    return max(1, math.floor(budget / bytes_per_token))


def _kept(encoder: nn.Module, texts: Sequence[NDArray[np.int32]]) -> tuple[int, int]:
    """Tokens of texts and what a backward pass through them needs, in bytes."""
    weights = dict(_storages(encoder.parameters()))
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        kept.update(entry for entry in _storages([tensor]) if entry[0] not in weights)
        # An output that its own node kept would hold that node, and with it encoder and
        # activations, for as long as the process lives.
        return tensor.detach()

    (packed,) = pack(texts)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        embedded = embed(encoder, [packed])
    del embedded  # not before: it holds what is counted, and its place could be given anew
    return len(packed.filled().tokens_T), sum(kept.values())


def _storages(tensors: Iterable[Tensor]) -> set[tuple[int, int]]:
    """Where tensors lie, each place once, and how many bytes they take there."""
    storages = [tensor.untyped_storage() for tensor in tensors]
    return {(storage.data_ptr(), storage.nbytes()) for storage in storages}
