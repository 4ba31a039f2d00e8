"""The contrastive loss.

Shapes: B questions, N candidate passages, D dimensions; b questions of a block.
With several processes these are the questions and passages of all of them; see
`hybridir.runtime.distributed.Distributed`.
"""

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

# Max logits held at once (at least _ROWS rows per block), and on a GPU, where a block of the size
# that suits a CPU's cache would take longer to start than to compute.
_LOGITS = 512 * 512
_GPU_LOGITS = 4096 * 4096
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

    A passage of the question's own passage group (a translation of the positive, or another
    passage that answers the question) is no negative: its logit is removed. Similarities are
    computed in fp32 even under autocast, since bf16 has three digits and a temperature of 0.01
    needs five.

    Args:
        queries_BD: question embeddings; L2-normalised if cosines compare them.
        passages_ND: passage embeddings, likewise.
        query_groups_B: passage group of each question's positive.
        passage_groups_N: passage group of each passage.
        positive_B: index of each question's positive among the N passages.
        temperature: divides the similarity.
        symmetric: take the mean with the loss of finding the question of each positive among the
            B questions.

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
            # As many positives as questions; that of question b in row b.
            own_B = torch.arange(len(positive_B), device=positive_B.device)
            positives_BD, groups_B = passages_ND[positive_B], passage_groups_N[positive_B]
            backward = _cross_entropy(
                positives_BD, queries_BD, groups_B, query_groups_B, own_B, temperature
            )
            loss = (loss + backward) / 2
        return loss


def _cross_entropy(
    anchors_BD: Tensor,
    candidates_ND: Tensor,
    anchor_groups_B: Tensor,
    candidate_groups_N: Tensor,
    target_B: Tensor,
    temperature: float,
) -> Tensor:
    """The mean over all anchors, in blocks of rows whose logits are computed again, not kept.

    So memory grows with the batch, not with its square.
    """
    logits = _LOGITS if anchors_BD.device.type == "cpu" else _GPU_LOGITS
    rows = max(_ROWS, logits // len(candidates_ND))
    blocks = [torch.split(x, rows) for x in (anchors_BD, anchor_groups_B, target_B)]
    if len(blocks[0]) == 1:
        total = _summed_cross_entropy(
            anchors_BD, candidates_ND, anchor_groups_B, candidate_groups_N, target_B, temperature
        )
        return total / len(target_B)
    sums = [
        checkpoint(
            _summed_cross_entropy,
            anchors_bD,
            candidates_ND,
            groups_b,
            candidate_groups_N,
            target_b,
            temperature,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for anchors_bD, groups_b, target_b in zip(*blocks, strict=True)
    ]
    return torch.stack(sums).sum() / len(target_B)


def _summed_cross_entropy(
    anchors_BD: Tensor,
    candidates_ND: Tensor,
    anchor_groups_B: Tensor,
    candidate_groups_N: Tensor,
    target_B: Tensor,
    temperature: float,
) -> Tensor:
    logits_BN = anchors_BD @ candidates_ND.T / temperature
    masked_BN = anchor_groups_B[:, None] == candidate_groups_N[None, :]
    masked_BN[torch.arange(len(target_B), device=masked_BN.device), target_B] = False
    logits_BN = logits_BN.masked_fill(masked_BN, float("-inf"))
    return functional.cross_entropy(logits_BN, target_B, reduction="sum")


def effective_negatives(query_groups_B: Tensor, passage_groups_N: Tensor) -> float:
    """Mean number of negatives per question, without masked passages."""
    different_BN = query_groups_B[:, None] != passage_groups_N[None, :]
    return float(different_BN.sum() / len(query_groups_B))
