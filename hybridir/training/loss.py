"""The contrastive loss.

Notation: B questions, N passages to choose from, D dimensions. With several processes these are
the questions and passages of all of them; see `hybridir.runtime.distributed.Processes.gather`.
"""

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

# Logits that are kept at once, but that a block has some rows at least.
_LOGITS = 512 * 512
_ROWS = 64


def info_nce(
    queries_BD: Tensor,
    passages_ND: Tensor,
    *,
    query_groups_B: Tensor,
    passage_groups_N: Tensor,
    positive_B: Tensor,
    temperature: float,
    symmetric: bool = False,
) -> Tensor:
    """InfoNCE over in-batch negatives, with false negatives masked.

    A passage of the question's own passage group (a translation of the positive, or a passage that
    answers the same question) is no negative: its logit is removed. The similarity is computed in
    fp32 whatever the autocast, since bf16 has three digits and a temperature of .01 needs five.

    Args:
        queries_BD: L2-normalised question embeddings.
        passages_ND: L2-normalised passage embeddings.
        query_groups_B: passage group of each question's positive.
        passage_groups_N: passage group of each passage.
        positive_B: index of each question's positive among the N passages.
        temperature: divides the cosine similarity.
        symmetric: also ask for the question given the passage, over the B questions, and take the
            mean of both losses.

    Returns:
        Scalar mean over the B questions, in nats.

    Source:
        van den Oord et al. 2018, arXiv 1807.03748, equation 4; in-batch form as in Karpukhin et
        al. 2020, arXiv 2004.04906, section 3.2.
    """
    with torch.autocast(queries_BD.device.type, enabled=False):
        queries_BD, passages_ND = queries_BD.float(), passages_ND.float()
        loss = _cross_entropy(
            queries_BD, passages_ND, query_groups_B, passage_groups_N, positive_B, temperature
        )
        if symmetric:
            # The positives are as many as the questions, the one of question b in place b.
            own = torch.arange(len(positive_B), device=positive_B.device)
            positives_BD, groups_B = passages_ND[positive_B], passage_groups_N[positive_B]
            other = _cross_entropy(
                positives_BD, queries_BD, groups_B, query_groups_B, own, temperature
            )
            loss = (loss + other) / 2
        return loss


def _cross_entropy(
    asking_BD: Tensor,
    asked_ND: Tensor,
    asking_groups_B: Tensor,
    asked_groups_N: Tensor,
    target_B: Tensor,
    temperature: float,
) -> Tensor:
    """The mean over all that ask, in blocks of rows whose logits are not kept but computed again.

    So memory grows with the batch, not with its square.
    """
    rows = max(_ROWS, _LOGITS // len(asked_ND))
    blocks = [torch.split(x, rows) for x in (asking_BD, asking_groups_B, target_B)]
    if len(blocks[0]) == 1:
        given = (asking_BD, asked_ND, asking_groups_B, asked_groups_N, target_B)
        return _summed(*given, temperature) / len(target_B)
    parts = [
        checkpoint(
            _summed,
            asking,
            asked_ND,
            groups,
            asked_groups_N,
            target,
            temperature,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for asking, groups, target in zip(*blocks, strict=True)
    ]
    return torch.stack(parts).sum() / len(target_B)


def _summed(
    asking_BD: Tensor,
    asked_ND: Tensor,
    asking_groups_B: Tensor,
    asked_groups_N: Tensor,
    target_B: Tensor,
    temperature: float,
) -> Tensor:
    logits_BN = asking_BD @ asked_ND.T / temperature
    same_BN = asking_groups_B[:, None] == asked_groups_N[None, :]
    same_BN[torch.arange(len(target_B), device=same_BN.device), target_B] = False
    logits_BN = logits_BN.masked_fill(same_BN, float("-inf"))
    return functional.cross_entropy(logits_BN, target_B, reduction="sum")


def effective_negatives(query_groups_B: Tensor, passage_groups_N: Tensor) -> float:
    """Mean number of passages per question that really are negatives, masked ones left out."""
    different_BN = query_groups_B[:, None] != passage_groups_N[None, :]
    return float(different_BN.sum() / len(query_groups_B))
