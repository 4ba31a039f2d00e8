"""The loss of `hybridir.training` for sentence-transformers' trainer.

Negatives come from the whole batch, whichever process embeds it, and passages of one passage group
are none of each other's: a plan's batches with another loss are another training.

Shapes: B pairs of this process, N pairs of the whole batch, D dimensions.
"""

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from types import MappingProxyType
from typing import Any

import torch
import torch.distributed as dist
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from torch import Tensor, nn
from torch.nn import functional

from hybridir.errors import InputError
from hybridir.integrations.hybrid_batches import GROUP, PASSAGE, QUESTION
from hybridir.runtime.distributed import SINGLE_PROCESS, Distributed
from hybridir.training.loss import info_nce

Features = Mapping[str, Any]


def processes() -> Distributed:
    """The processes that train together, as their launcher connected them."""
    if not (dist.is_available() and dist.is_initialized()):
        return SINGLE_PROCESS
    return Distributed(dist.get_rank(), dist.get_world_size())


def checked_similarity(model: SentenceTransformer) -> str:
    """The model's similarity, ``cosine`` or ``dot``.

    Raises:
        InputError: if it is another one, or the model is not loaded.
    """
    if isinstance(model, (str, PathLike)):
        raise InputError(f"model={model!r}: load it: SentenceTransformer({str(model)!r})")
    similarity = str(model.similarity_fn_name)
    if similarity not in ("cosine", "dot"):
        raise InputError(
            f"model.similarity_fn_name={similarity!r}: legal are cosine and dot; set "
            "model.similarity_fn_name = 'cosine', which ranks otherwise"
        )
    return similarity


class HybridLoss(CachedLossMixin, nn.Module):  # type: ignore[misc]
    """InfoNCE over the batch of all processes, with the same passage group masked.

    `HybridTraining` makes one with all checks; by itself it fits any loop whose batches have a
    passage group for each pair.

    Its gradient is this process's share, times the number of processes, since
    DistributedDataParallel takes the mean over them.

    Args:
        model: embeds the texts; its similarity and ``truncate_dim`` are obeyed.
        temperature: divides the similarity.
        symmetric: take the mean with the loss of finding the questions.
        mini_batch_size: texts embedded at once. A larger batch is embedded twice (GradCache,
            arXiv 2101.06983): the same gradient in less memory. None embeds all texts at once.
        check: called with the number of pairs of all processes, before they are embedded.
        batches: settings of the batches, for the model card.

    Raises:
        InputError: if the similarity is neither cosine nor dot product.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        temperature: float = 0.05,
        symmetric: bool = False,
        mini_batch_size: int | None = None,
        check: Callable[[int], None] = lambda pairs: None,
        batches: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise InputError(f"temperature={temperature}: must be above 0, such as 0.05")
        if mini_batch_size is not None and mini_batch_size < 1:
            raise InputError(f"mini_batch_size={mini_batch_size}: must be 1 or more, or None")
        self.model = model
        self.temperature, self.symmetric = temperature, symmetric
        self.mini_batch_size = mini_batch_size
        self.uses_gradient_cache = mini_batch_size is not None
        self._similarity = checked_similarity(model)
        self._dimensions = model.truncate_dim
        self._check, self._batches = check, batches

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None) -> Tensor:
        """Compute the loss of the whole batch, the same number in every process.

        Args:
            sentence_features: tokens of the questions, and of the passages.
            labels: [B] passage groups.

        Returns:
            Scalar mean over the N questions, in nats.

        Raises:
            InputError: if there are other columns, or no passage groups.
        """
        features = list(sentence_features)
        if len(features) != 2 or labels is None:
            raise InputError(
                f"the data set: {len(features)} columns of texts and "
                f"{'no' if labels is None else 'one'} column of numbers given; the loss takes "
                f"{QUESTION}, {PASSAGE} and {GROUP} (the passage group), as HybridBatches.dataset "
                "has them"
            )
        self._check(len(labels) * processes().world_size)
        if self.uses_gradient_cache:
            loss: Tensor = CachedLossMixin.forward_cached(self, features, labels)
            return loss
        model: Any = self.model  # wrapped by the trainer
        questions_BD, passages_BD = (model(one)["sentence_embedding"] for one in features)
        return self.of_vectors(questions_BD, passages_BD, labels)

    def of_vectors(self, questions_BD: Tensor, passages_BD: Tensor, groups_B: Tensor) -> Tensor:
        """The loss of the whole batch, from this process's vectors and passage groups."""
        together = processes()
        groups_N = together.all_gather(groups_B)
        loss = info_nce(
            together.all_gather(self._compared(questions_BD)),
            together.all_gather(self._compared(passages_BD)),
            query_groups_B=groups_N,
            passage_groups_N=groups_N,
            positive_B=torch.arange(len(groups_N), device=groups_N.device),
            temperature=self.temperature,
            symmetric=self.symmetric,
        )
        # The value stays that of the batch, for the log.
        return loss.detach() + together.world_size * (loss - loss.detach())

    def _compared(self, vectors_BD: Tensor) -> Tensor:
        """[B, D] vectors whose dot product is the similarity; fp32."""
        vectors_BD = vectors_BD[:, : self._dimensions].float()
        return functional.normalize(vectors_BD, dim=-1) if self._is_cosine else vectors_BD

    @property
    def _is_cosine(self) -> bool:
        return self._similarity == "cosine"

    def calculate_loss(
        self,
        reps: list[list[Tensor]],
        labels: Tensor | None = None,
        *,
        with_backward: bool = False,
    ) -> Tensor:
        """The loss of vectors in chunks, which `CachedLossMixin` calls."""
        assert labels is not None, "forward has looked"
        questions_BD, passages_BD = map(torch.cat, reps)
        loss = self.of_vectors(questions_BD, passages_BD, labels)
        if with_backward:
            loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def get_config_dict(self) -> dict[str, Any]:
        """The settings that a model card shows, those of the batches included."""
        return {
            **self._batches,
            "temperature": self.temperature,
            "symmetric": self.symmetric,
            "mini_batch_size": self.mini_batch_size,
        }

    @property
    def citation(self) -> str:
        """The method's paper, for a model card."""
        return _CITATION


_CITATION = """
@misc{elmahdy2024synergistic,
    title={Synergistic Approach for Simultaneous Optimization of Monolingual, Cross-lingual, and \
Multilingual Information Retrieval},
    author={Adel Elmahdy and Sheng-Chieh Lin and Amin Ahmad},
    year={2024},
    eprint={2408.10536},
    archivePrefix={arXiv},
    primaryClass={cs.IR},
    url={https://arxiv.org/abs/2408.10536},
}
"""
