"""The bi-encoder: one transformer for questions and passages, pooled and L2-normalised.

Shapes: B texts, T tokens end to end, D dimensions; b texts of w tokens each.
"""

import logging
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from hybridir.encoder.backbone import Pooling, unpacked_attention
from hybridir.encoder.packed import attention
from hybridir.encoder.packed.cpu import CPU_KERNELS, TokenEmbedding, use_cpu_kernels
from hybridir.encoder.packed.dropout import DropoutKeys, replace_dropout
from hybridir.encoder.packed.packing import PackedTexts, inverse_permutation, pack

_LOG = logging.getLogger(__name__)
# Lengths used by the packed-vs-padded self-check; mixed so that a wrong position or mask shows.
_CHECKED_LENGTHS = (2, 3, 3, 5)
_TOLERANCE = 1e-4
# What an architecture raises that does not know packed texts: an argument too many, a layer with
# another name, a tensor of another shape, attention of another kind.
_UNKNOWN_ARCHITECTURE = (
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


class BiEncoder(nn.Module):
    """A transformer encoder with pooling and normalisation; `wrap` makes one.

    Args:
        backbone: a Hugging Face encoder, prepared by `wrap`.
        pooling: how token vectors become one: their mean, the first one, or the pooler's output.
        pad_token: id that fills shorter texts; attention ignores it.
        dropout_keys: shared by the dropout layers of the backbone.
        cpu_kernels: whether the backbone computes with `hybridir.encoder.packed.cpu`.

    Attributes:
        packs: whether texts go through it without padding.
    """

    def __init__(
        self,
        backbone: PreTrainedModel,
        pooling: Pooling,
        pad_token: int,
        *,
        dropout_keys: DropoutKeys,
        cpu_kernels: bool,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = pooling
        self.pad_token = pad_token
        self.dropout_keys = dropout_keys
        self.cpu_kernels = cpu_kernels
        self.packs = False
        self.add_module("lookup", backbone.get_input_embeddings())  # its name in checkpoints
        self._first_position = _first_position(backbone)

    @classmethod
    def wrap(
        cls,
        backbone: PreTrainedModel,
        pooling: Pooling,
        pad_token: int,
        *,
        cpu_kernels: bool = CPU_KERNELS,
    ) -> Self:
        """Make a bi-encoder of a Hugging Face encoder, which is modified in place.

        Dropout layers are replaced by ones that depend on the text alone, linear layers and the
        token embedding by faster ones for CPUs, and attention by that of packed texts. Weights
        stay the same objects under the same names. `packing_obstacle` tells whether the
        architecture can pack; one that cannot gets texts padded in buckets, and the log says why.

        Args:
            backbone: a Hugging Face encoder; its weights are trained in place.
            pooling: how token vectors become one: their mean, the first one, or the pooler's
                output.
            pad_token: id that fills shorter texts; attention ignores it.
            cpu_kernels: see `hybridir.encoder.packed.cpu`.
        """
        dropout_keys = DropoutKeys()
        replace_dropout(backbone, dropout_keys)
        if cpu_kernels:
            use_cpu_kernels(backbone)
        encoder = cls(
            backbone, pooling, pad_token, dropout_keys=dropout_keys, cpu_kernels=cpu_kernels
        )
        obstacle = packing_obstacle(encoder)
        if obstacle is None:
            encoder.packs = True
            backbone.set_attn_implementation(attention.NAME)
        else:
            _LOG.warning(
                "%s cannot take texts without padding (%s); they are padded in groups of similar "
                "length, which takes longer",
                type(backbone).__name__,
                obstacle,
            )
        return encoder

    @property
    def dimension(self) -> int:
        """D, the length of an embedding."""
        return int(self.backbone.config.hidden_size)

    @property
    def token_embedding(self) -> nn.Module:
        """The layer that turns token ids into vectors."""
        return self.get_submodule("lookup")

    def clear_gradients(self) -> None:
        """Forget all gradients; with CPU kernels the largest one keeps its memory."""
        embedding = self.token_embedding
        keeps_memory = isinstance(embedding, TokenEmbedding)
        for weight in self.parameters():
            if not (keeps_memory and weight is embedding.weight):
                weight.grad = None
        if isinstance(embedding, TokenEmbedding):
            embedding.clear_gradient()

    def forward(self, packed: PackedTexts) -> Tensor:
        """Embed packed texts.

        Args:
            packed: B texts.

        Returns:
            [B, D] unit vectors in the order of the packing, fp32.
        """
        if self.packs and packed.tokens_T.device.type == "cpu":
            packed = packed.with_filler()
        self._begin_dropout(packed)
        pooled_BD = self.pool_packed(packed) if self.packs else self.pool_padded(packed)
        return functional.normalize(pooled_BD, dim=-1)

    def _begin_dropout(self, packed: PackedTexts) -> None:
        """Choose the dropout of a forward pass; the same packing repeats it."""
        if not self.training:
            self.dropout_keys.begin(None)
        elif self.packs and packed.tokens_T.device.type == "cpu":
            keys_T = packed.keys_T
            if keys_T is None:
                drawn_T = torch.randint(2**32, packed.tokens_T.shape).numpy()
                keys_T = drawn_T.astype(np.uint32)
            self.dropout_keys.begin(keys_T)
        else:  # torch's own dropout
            self.dropout_keys.begin(None)
            if packed.keys_B is not None:
                torch.manual_seed(int(packed.keys_B[0]))

    def pool_packed(self, packed: PackedTexts) -> Tensor:
        """[B, D] pooled texts, computed without padding; fp32."""
        output = self.backbone(
            input_ids=packed.tokens_T[None],
            position_ids=packed.positions_T[None] + self._first_position,
            packed=packed,
            dropout_keys=self.dropout_keys,
        )
        hidden_TD = output.last_hidden_state[0]
        runs = hidden_TD.split([texts * length for texts, length in packed.length_runs])
        runs_bwD = [
            run.view(texts, length, -1)
            for run, (texts, length) in zip(runs, packed.length_runs, strict=True)
        ]
        n_texts = len(packed.rows_B)  # without the filler
        if self.pooling == "mean":
            return torch.cat([run_bwD.float().mean(dim=1) for run_bwD in runs_bwD])[:n_texts]
        first_BD = torch.cat([run_bwD[:, 0] for run_bwD in runs_bwD])[:n_texts]
        if self.pooling == "pooler":
            pooler = self.backbone.pooler
            assert isinstance(pooler, nn.Module)
            first_BD = pooler(first_BD[:, None])
        return first_BD.float()

    def pool_padded(self, packed: PackedTexts) -> Tensor:
        """[B, D] pooled texts, computed with padding in buckets of similar length; fp32."""
        pooled = []
        for tokens_bw, lengths_b in packed.buckets(self.pad_token):
            positions_w = torch.arange(tokens_bw.shape[1], device=tokens_bw.device)
            mask_bw = positions_w < lengths_b[:, None]
            output = self.backbone(input_ids=tokens_bw, attention_mask=mask_bw.long())
            if self.pooling == "mean":
                hidden_bwD = output.last_hidden_state.float() * mask_bw[:, :, None]
                pooled.append(hidden_bwD.sum(dim=1) / lengths_b[:, None])
            elif self.pooling == "cls":
                pooled.append(output.last_hidden_state[:, 0].float())
            else:
                pooled.append(output.pooler_output.float())
        return torch.cat(pooled)


def packing_obstacle(encoder: BiEncoder) -> str | None:
    """Compare a few packed texts with the same ones padded.

    Args:
        encoder: its backbone is left with the attention of padded texts.

    Returns:
        None if the architecture can pack, otherwise the reason why it cannot.
    """
    backbone = encoder.backbone
    if not backbone._can_set_attn_implementation():
        return "its attention cannot be replaced"
    rng = np.random.default_rng(0)
    n_tokens = min(int(backbone.config.vocab_size), 1000)
    ids = np.setdiff1d(np.arange(n_tokens), [encoder.pad_token])
    (packed,) = pack(
        [rng.choice(ids, size=length).astype(np.int32) for length in _CHECKED_LENGTHS]
    )
    was_training = encoder.training
    encoder.eval()
    try:
        backbone.set_attn_implementation(unpacked_attention())
        with torch.no_grad():
            padded_BD = encoder.pool_padded(packed)
            backbone.set_attn_implementation(attention.NAME)
            packed_BD = encoder.pool_packed(packed)
        if not torch.allclose(packed_BD, padded_BD, atol=_TOLERANCE, rtol=_TOLERANCE):
            difference = float((packed_BD - padded_BD).abs().max())
            return f"packed and padded embeddings differ by {difference:.2g}"
    except _UNKNOWN_ARCHITECTURE as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    finally:
        encoder.train(was_training)
        backbone.set_attn_implementation(unpacked_attention())
    return None


def embed(encoder: nn.Module, packings: Sequence[PackedTexts]) -> Tensor:
    """Embed packed texts.

    Args:
        encoder: a `BiEncoder`, possibly wrapped by accelerate.
        packings: B texts, see `hybridir.encoder.packed.packing.pack`.

    Returns:
        [B, D] unit vectors in the order of the texts passed to `pack`, on the encoder's device.
    """
    device = next(encoder.parameters()).device
    packings = [packed.to(device) for packed in packings]
    return torch.cat([encoder(packed) for packed in packings])[inverse_permutation(packings)]


def _first_position(backbone: PreTrainedModel) -> int:
    """RoBERTa and its kin count positions from behind that of the padding token."""
    embeddings: Any = getattr(backbone, "embeddings", None)
    if hasattr(embeddings, "create_position_ids_from_input_ids"):
        return int(embeddings.padding_idx) + 1
    return 0
