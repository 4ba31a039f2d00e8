"""The contrastive loss.

Notation: B questions, N passages to choose from, D dimensions. With several processes these are
the questions and passages of all of them; see `hybridir.processes.Processes.gather`.
"""

import torch
from torch import Tensor
from torch.nn import functional


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
        logits_BN = queries_BD.float() @ passages_ND.float().T / temperature
        same_BN = query_groups_B[:, None] == passage_groups_N[None, :]
        same_BN[torch.arange(len(positive_B), device=same_BN.device), positive_B] = False
        logits_BN = logits_BN.masked_fill(same_BN, float("-inf"))
        loss = functional.cross_entropy(logits_BN, positive_B)
        if symmetric:
            logits_BB = logits_BN[:, positive_B].T
            target_B = torch.arange(len(positive_B), device=logits_BB.device)
            loss = (loss + functional.cross_entropy(logits_BB, target_B)) / 2
        return loss


def effective_negatives(query_groups_B: Tensor, passage_groups_N: Tensor) -> float:
    """Mean number of passages per question that really are negatives, masked ones left out."""
    different_BN = query_groups_B[:, None] != passage_groups_N[None, :]
    return float(different_BN.sum() / len(query_groups_B))
