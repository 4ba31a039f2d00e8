"""Attention of texts of any length in Triton: one program for each text and head.

Most texts are shorter than the 128 tokens that a program of FlashAttention-2 takes at once, half
of them than 32; here a program takes 32 or 64. A program writes its own tokens alone, so that sums
come in a fixed order. Softmax as in Dao 2023 (FlashAttention-2, arXiv 2307.08691), algorithms 1
and 2, with the tiles of one text in one program.

Shapes: T tokens end to end, H heads, E dimensions of a head; a tile has M = N = BLOCK tokens, m of
queries and n of keys, and WIDTH dimensions, the power of two that holds E.
"""

import triton
import triton.language as tl


@triton.jit
def _hash(value):
    """`hybridir.encoder.packed.dropout` hashes in the same way."""
    value = value.to(tl.uint32)
    value = (value ^ (value >> 16)) * 0x7FEB352D
    value = (value ^ (value >> 15)) * 0x846CA68B
    return value ^ (value >> 16)


@triton.jit
def _token_keys(seed, head, tokens_m):
    """[M] what decides the dropout of a token's weights."""
    key = _hash(tl.load(seed).to(tl.uint32) ^ (head.to(tl.uint32) * 0x9E3779B9))
    return _hash(key + tokens_m.to(tl.uint32) * 0x9E3779B9)


@triton.jit
def _kept(keys_m, columns_n, threshold):
    """[M, N] whether a weight is kept."""
    draws = _hash(keys_m[:, None] + (columns_n.to(tl.uint32) * 0x9E3779B9)[None, :])
    return draws >= threshold


@triton.jit
def _tile(
    first,
    length,
    head,
    text_start,
    heads,
    E: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Tokens of a tile within the text, where their numbers lie, and which of these exist."""
    tokens = first + tl.arange(0, BLOCK)
    width = tl.arange(0, WIDTH)
    base = (text_start.to(tl.int64) * heads + head) * E
    places = base + tokens[:, None] * (heads * E) + width[None, :]
    exist = (tokens < length)[:, None] & (width < E)[None, :]
    return tokens, places, exist


@triton.jit
def forward(
    q,
    k,
    v,
    attended,
    logs,
    bounds,
    seed,
    heads,
    scale,
    threshold,
    enlarged,
    E: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    ABOVE: tl.constexpr,
    UP_TO: tl.constexpr,
    DROPS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """softmax(scale Q K^T) V, and the logarithm of the softmax's denominator.

    q, k, v and attended, which is written, are [T, H, E]; logs, written, is [T, H], to the base of
    2; bounds is that of `PackedTexts`, seed [1] that of the dropout, and heads H. scale is the
    factor of the products times log2(e). A weight is dropped whose hash is below threshold, and
    the others are multiplied by enlarged. The call is for texts of more than ABOVE tokens, UP_TO
    at most.
    """
    text = tl.num_programs(0) - 1 - tl.program_id(0)  # the longest first
    head = tl.program_id(1)
    start = tl.load(bounds + text)
    length = tl.load(bounds + text + 1) - start
    if (length <= ABOVE) | (length > UP_TO):
        return
    for m in range(0, length, BLOCK):
        rows, at_m, exist_m = _tile(m, length, head, start, heads, E, WIDTH, BLOCK)
        q_m = tl.load(q + at_m, mask=exist_m, other=0.0)
        top = tl.full((BLOCK,), float("-inf"), tl.float32)
        total = tl.zeros((BLOCK,), tl.float32)
        sums = tl.zeros((BLOCK, WIDTH), tl.float32)
        for n in range(0, length, BLOCK):
            columns, at_n, exist_n = _tile(n, length, head, start, heads, E, WIDTH, BLOCK)
            k_n = tl.load(k + at_n, mask=exist_n, other=0.0)
            v_n = tl.load(v + at_n, mask=exist_n, other=0.0)
            scores = tl.dot(q_m, tl.trans(k_n), input_precision=PRECISION) * scale
            scores = tl.where((columns < length)[None, :], scores, float("-inf"))
            higher = tl.maximum(top, tl.max(scores, 1))
            shrunk = tl.exp2(top - higher)
            weights = tl.exp2(scores - higher[:, None])
            total = total * shrunk + tl.sum(weights, 1)
            if DROPS:
                kept = _kept(_token_keys(seed, head, start + rows), columns, threshold)
                weights = tl.where(kept, weights * enlarged, 0.0)
            products = tl.dot(weights.to(v_n.dtype), v_n, input_precision=PRECISION)
            sums = sums * shrunk[:, None] + products
            top = higher
        result = (sums / total[:, None]).to(attended.dtype.element_ty)
        tl.store(attended + at_m, result, mask=exist_m)
        tl.store(logs + (start + rows) * heads + head, top + tl.log2(total), mask=rows < length)


@triton.jit
def _gradients(
    q_m,
    k_n,
    v_n,
    attended_m,
    grad_m,
    logs_m,
    inside,
    keys_m,
    columns,
    scale,
    threshold,
    enlarged,
    DROPS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """[M, N] weights after dropout, and the gradient of the products before the scale."""
    scores = tl.dot(q_m, tl.trans(k_n), input_precision=PRECISION) * scale
    weights = tl.where(inside, tl.exp2(scores - logs_m[:, None]), 0.0)
    grad = tl.dot(grad_m, tl.trans(v_n), input_precision=PRECISION)
    dropped = weights
    if DROPS:
        kept = _kept(keys_m, columns, threshold)
        grad = tl.where(kept, grad * enlarged, 0.0)
        dropped = tl.where(kept, weights * enlarged, 0.0)
    mean = tl.sum(grad_m.to(tl.float32) * attended_m.to(tl.float32), 1)
    return dropped, weights * (grad - mean[:, None])


@triton.jit
def backward(
    q,
    k,
    v,
    attended,
    grad,
    logs,
    grad_q,
    grad_k,
    grad_v,
    bounds,
    seed,
    heads,
    scale,
    factor,
    threshold,
    enlarged,
    E: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    ABOVE: tl.constexpr,
    UP_TO: tl.constexpr,
    DROPS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Gradients of `forward`, whose weights are computed again.

    q, k, v, attended and logs are as `forward` took and wrote them; grad, [T, H, E], is the
    gradient of what was attended; grad_q, grad_k and grad_v, [T, H, E], are written. factor is
    that of the products without log2(e), the others are those of `forward`.
    """
    text = tl.num_programs(0) - 1 - tl.program_id(0)
    head = tl.program_id(1)
    start = tl.load(bounds + text)
    length = tl.load(bounds + text + 1) - start
    if (length <= ABOVE) | (length > UP_TO):
        return
    keys_m = tl.zeros((BLOCK,), tl.uint32)
    for n in range(0, length, BLOCK):
        columns, at_n, exist_n = _tile(n, length, head, start, heads, E, WIDTH, BLOCK)
        k_n = tl.load(k + at_n, mask=exist_n, other=0.0)
        v_n = tl.load(v + at_n, mask=exist_n, other=0.0)
        to_k = tl.zeros((BLOCK, WIDTH), tl.float32)
        to_v = tl.zeros((BLOCK, WIDTH), tl.float32)
        for m in range(0, length, BLOCK):
            rows, at_m, exist_m = _tile(m, length, head, start, heads, E, WIDTH, BLOCK)
            q_m = tl.load(q + at_m, mask=exist_m, other=0.0)
            grad_m = tl.load(grad + at_m, mask=exist_m, other=0.0)
            attended_m = tl.load(attended + at_m, mask=exist_m, other=0.0)
            logs_m = tl.load(logs + (start + rows) * heads + head, mask=rows < length, other=0.0)
            if DROPS:
                keys_m = _token_keys(seed, head, start + rows)
            inside = (rows < length)[:, None] & (columns < length)[None, :]
            dropped, slopes = _gradients(
                q_m,
                k_n,
                v_n,
                attended_m,
                grad_m,
                logs_m,
                inside,
                keys_m,
                columns,
                scale,
                threshold,
                enlarged,
                DROPS,
                PRECISION,
            )
            slopes = slopes.to(q_m.dtype)
            to_v += tl.dot(tl.trans(dropped.to(grad_m.dtype)), grad_m, input_precision=PRECISION)
            to_k += tl.dot(tl.trans(slopes), q_m, input_precision=PRECISION)
            if length <= BLOCK:
                to_q = tl.dot(slopes, k_n, input_precision=PRECISION) * factor
                tl.store(grad_q + at_m, to_q.to(grad_q.dtype.element_ty), mask=exist_m)
        tl.store(grad_k + at_n, (to_k * factor).to(grad_k.dtype.element_ty), mask=exist_n)
        tl.store(grad_v + at_n, to_v.to(grad_v.dtype.element_ty), mask=exist_n)
    if length <= BLOCK:
        return
    for m in range(0, length, BLOCK):
        rows, at_m, exist_m = _tile(m, length, head, start, heads, E, WIDTH, BLOCK)
        q_m = tl.load(q + at_m, mask=exist_m, other=0.0)
        grad_m = tl.load(grad + at_m, mask=exist_m, other=0.0)
        attended_m = tl.load(attended + at_m, mask=exist_m, other=0.0)
        logs_m = tl.load(logs + (start + rows) * heads + head, mask=rows < length, other=0.0)
        if DROPS:
            keys_m = _token_keys(seed, head, start + rows)
        sums = tl.zeros((BLOCK, WIDTH), tl.float32)
        for n in range(0, length, BLOCK):
            columns, at_n, exist_n = _tile(n, length, head, start, heads, E, WIDTH, BLOCK)
            k_n = tl.load(k + at_n, mask=exist_n, other=0.0)
            v_n = tl.load(v + at_n, mask=exist_n, other=0.0)
            inside = (rows < length)[:, None] & (columns < length)[None, :]
            _, slopes = _gradients(
                q_m,
                k_n,
                v_n,
                attended_m,
                grad_m,
                logs_m,
                inside,
                keys_m,
                columns,
                scale,
                threshold,
                enlarged,
                DROPS,
                PRECISION,
            )
            sums += tl.dot(slopes.to(q_m.dtype), k_n, input_precision=PRECISION)
        tl.store(grad_q + at_m, (sums * factor).to(grad_q.dtype.element_ty), mask=exist_m)
