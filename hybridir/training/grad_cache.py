"""GradCache: gradients of a contrastive loss over batches of any size, at bounded memory.

The loss couples all texts of a batch, but only through their embeddings.
So embeddings are computed first, without the activations that a backward pass needs; the loss
gives the gradient at each embedding, which is the cache; then each chunk of texts is embedded once
more and its part of the cache sent backwards through it.
That costs one forward pass more, except for the last chunk, whose activations are still there.

Source: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"
(GradCache), arXiv 2101.06983, section 3.

Shapes: B texts, D dimensions.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hybridir.encoder import BiEncoder, embed
from hybridir.encoder.packed.packing import PackedTexts, inverse_permutation, pack
from hybridir.runtime.memory import trim_heap

# Share of the free memory, rounded down to a power of two, that the activations of a chunk may
# take. Its backward pass needs some more for a moment, and so do the embeddings and the loss.
_SHARE = 0.6
# Texts of the smaller probe that measures the bytes of a token.
_PROBE_TEXTS = 8


def backward(
    encoder: BiEncoder, chunks: Sequence[PackedTexts], loss_fn: Callable[[Tensor], Tensor]
) -> Tensor:
    """Add the gradient of a loss over all chunks to the weights.

    Args:
        encoder: the encoder; accelerate may have wrapped its forward pass.
        chunks: B texts, see `hybridir.encoder.packed.packing.pack`.
        loss_fn: maps [B, D] embeddings, in the order of the texts passed to `pack`, to the scalar
            loss.

    Returns:
        The loss, detached.
    """
    if len(chunks) == 1:
        loss = loss_fn(embed(encoder, chunks))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()
    device = next(encoder.parameters()).device
    chunks = [chunk.to(device) for chunk in chunks]
    # Embeddings of all chunks; the last one keeps its activations.
    with torch.no_grad():
        embedded = [encoder(chunk) for chunk in chunks[:-1]]
    last = encoder(chunks[-1])
    embedded_BD = torch.cat([*embedded, last.detach()]).requires_grad_()
    # The cache: the gradient at each embedding.
    loss = loss_fn(embedded_BD[inverse_permutation(chunks)])
    loss.backward()  # type: ignore[no-untyped-call]
    assert embedded_BD.grad is not None
    cache = torch.split(embedded_BD.grad, [len(chunk.rows_B) for chunk in chunks])
    # Each chunk again, with its part of the cache.
    torch.autograd.backward(last, cache[-1])
    del last, embedded, embedded_BD
    if encoder.cpu_kernels and device.type == "cpu":
        # Once a step: 17 ms for 100 MB, which would otherwise grow with the number of chunks.
        trim_heap()
    for chunk, gradient in zip(chunks[:-1], cache[:-1], strict=True):
        torch.autograd.backward(encoder(chunk), gradient)
    return loss.detach()


def max_chunk_tokens(encoder: BiEncoder, packings: Sequence[PackedTexts], free_mb: float) -> int:
    """Most tokens of a chunk whose backward pass fits into memory.

    Args:
        encoder: in training mode, before gradients and the optimizer's state exist.
        packings: a batch like those to come. Its longest texts are measured, since attention takes
            more memory for one long text than for short ones of as many tokens.
        free_mb: free memory. What gradients and optimizer leave of it is rounded down to a power
            of two, so that two runs on one machine choose the same chunks, whose sizes move the
            last digits.
    """
    longest = packings[-1]
    texts = [text.numpy() for text in torch.split(longest.tokens_T, longest.lengths)]
    # Bytes that do not depend on the tokens, such as those of bf16 weights, cancel in the slope.
    few, few_bytes = _saved_bytes(encoder, texts[-_PROBE_TEXTS:])
    many, many_bytes = _saved_bytes(encoder, texts[-2 * _PROBE_TEXTS :])
    bytes_per_token = (many_bytes - few_bytes) / (many - few) if many > few else many_bytes / many
    constant = max(0.0, many_bytes - many * bytes_per_token)
    storages = [weight.untyped_storage() for weight in encoder.parameters()]
    weights = sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
    free = max(1.0, free_mb - (3 * weights + constant) / 1e6)
    budget = _SHARE * 2.0 ** math.floor(math.log2(free)) * 1e6
    return max(1, math.floor(budget / bytes_per_token))


def _saved_bytes(encoder: BiEncoder, texts: Sequence[NDArray[np.int32]]) -> tuple[int, int]:
    """Tokens of texts, filler included, and bytes that a forward pass saves for the backward pass.

    A storage is told by its address. So all of them stay alive until the count is over: a branch
    without use, such as a pooler, is freed during the forward pass, and whether its addresses are
    used again depends on what the process did before.
    """
    weights = {weight.untyped_storage().data_ptr() for weight in encoder.parameters()}
    saved: dict[int, torch.UntypedStorage] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved.setdefault(storage.data_ptr(), storage)
        # An output that its own node saved would hold that node, and with it encoder and
        # activations, for as long as the process lives.
        return tensor.detach()

    (packed,) = pack(texts)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        embed(encoder, [packed])
    packed = packed.to(next(encoder.parameters()).device)
    tokens = len(packed.with_filler().tokens_T)
    return tokens, sum(storage.nbytes() for storage in saved.values())
