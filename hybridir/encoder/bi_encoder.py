"""The bi-encoder: one transformer for questions and passages, pooled and L2-normalised.

Notation: B texts, T tokens in all, L tokens of the longest text, D dimensions.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from hybridir.encoder.backbone import Pooling, unpacked_attention
from hybridir.encoder.packed import attention
from hybridir.encoder.packed.cpu import Linear, LinearThenGelu, Lookup
from hybridir.encoder.packed.dropout import Noise, TextDropout
from hybridir.encoder.packed.packing import Packed, pack

_LOG = logging.getLogger(__name__)
# Texts of the comparison of packed with padded; of lengths that show a wrong position or mask.
_COMPARED = (2, 3, 3, 5)
_TOLERANCE = 1e-4

Kind = TypeVar("Kind", bound=nn.Module)


class BiEncoder(nn.Module):
    """Any transformer encoder with pooling and normalisation.

    Texts go through it packed. Whether an architecture can do that is found out by comparing
    embeddings of some texts with those of the padded forward pass; one that cannot gets texts
    padded, in groups of similar length, and says so in the log.

    Args:
        backbone: a Hugging Face encoder.
        pooling: how token vectors become one: their mean, the first one, or the pooler's output.
        pad_token: id that fills up shorter texts; attention ignores it.

    Attributes:
        packs: whether texts go through it without padding.
    """

    def __init__(self, backbone: PreTrainedModel, pooling: Pooling, pad_token: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = pooling
        self.pad_token = pad_token
        self.noise = Noise()
        _replace(backbone, nn.Dropout, lambda dropout: TextDropout(dropout.p, self.noise))
        _replace(backbone, nn.Linear, Linear)
        _fuse(backbone)
        self.lookup = _replace_lookup(backbone)
        self._first_position = _first_position(backbone)
        self.packs = self._can_pack()
        if not self.packs:
            _LOG.warning(
                "%s cannot take texts without padding; they are padded in groups of similar "
                "length, which takes longer",
                type(backbone).__name__,
            )

    def clear_gradients(self) -> None:
        """Forget all gradients, and keep the memory of the largest one."""
        for weight in self.parameters():
            if weight is not self.lookup.weight:
                weight.grad = None
        self.lookup.clear_gradient()

    @property
    def dimension(self) -> int:
        """D, the length of an embedding."""
        return int(self.backbone.config.hidden_size)

    def forward(self, packed: Packed) -> Tensor:
        """Embed packed texts.

        Args:
            packed: B texts.

        Returns:
            [B, D] unit vectors in the order of the packing, fp32.
        """
        if self.packs and packed.tokens_T.device.type == "cpu":
            packed = packed.filled()
        self._begin(packed)
        pooled_BD = self._pooled(packed) if self.packs else self._pooled_padded(packed)
        return functional.normalize(pooled_BD, dim=-1)

    def _begin(self, packed: Packed) -> None:
        """Decide the dropout of a forward pass, which the same packing repeats."""
        if not self.training:
            self.noise.begin(None)
        elif self.packs and packed.tokens_T.device.type == "cpu":
            keys_T = packed.keys_T
            if keys_T is None:
                drawn = torch.randint(2**32, packed.tokens_T.shape).numpy()
                keys_T = drawn.astype(np.uint32)
            self.noise.begin(keys_T)
        else:  # torch's own dropout
            self.noise.begin(None)
            if packed.keys_B is not None:
                torch.manual_seed(int(packed.keys_B[0]))

    def _pooled(self, packed: Packed) -> Tensor:
        output = self.backbone(
            input_ids=packed.tokens_T[None],
            position_ids=packed.positions_T[None] + self._first_position,
            packed=packed,
            noise=self.noise,
        )
        hidden_TD = output.last_hidden_state[0]
        parts = hidden_TD.split([texts * length for texts, length in packed.groups])
        by_length = [
            part.view(count, length, -1)
            for part, (count, length) in zip(parts, packed.groups, strict=True)
        ]
        texts = len(packed.rows_B)  # the filling is none
        if self.pooling == "mean":
            return torch.cat([part.float().mean(dim=1) for part in by_length])[:texts]
        first_BD = torch.cat([part[:, 0] for part in by_length])[:texts]
        if self.pooling == "pooler":
            pooler = self.backbone.pooler
            assert isinstance(pooler, nn.Module)
            first_BD = pooler(first_BD[:, None])
        return first_BD.float()

    def _pooled_padded(self, packed: Packed) -> Tensor:
        pooled = []
        for tokens_bL, lengths_b in packed.buckets(self.pad_token):
            positions_L = torch.arange(tokens_bL.shape[1], device=tokens_bL.device)
            mask_bL = positions_L < lengths_b[:, None]
            output = self.backbone(input_ids=tokens_bL, attention_mask=mask_bL.long())
            if self.pooling == "mean":
                hidden_bLD = output.last_hidden_state.float() * mask_bL[:, :, None]
                pooled.append(hidden_bLD.sum(dim=1) / lengths_b[:, None])
            elif self.pooling == "cls":
                pooled.append(output.last_hidden_state[:, 0].float())
            else:
                pooled.append(output.pooler_output.float())
        return torch.cat(pooled)

    def _can_pack(self) -> bool:
        """Try it; the backbone is left with the attention that goes with the answer."""
        random = np.random.default_rng(0)
        vocabulary = int(self.backbone.config.vocab_size)
        ids = np.setdiff1d(np.arange(min(vocabulary, 1000)), [self.pad_token])
        texts = [random.choice(ids, size=length).astype(np.int32) for length in _COMPARED]
        (packed,) = pack(texts)
        if not self.backbone._can_set_attn_implementation():
            return False
        was_training = self.training
        self.eval()
        try:
            self.backbone.set_attn_implementation(unpacked_attention())
            with torch.no_grad():
                expected = self._pooled_padded(packed)
                self.backbone.set_attn_implementation(attention.NAME)
                found = self._pooled(packed)
            packs = torch.allclose(found, expected, atol=_TOLERANCE, rtol=_TOLERANCE)
        except Exception:  # whatever an unknown architecture answers to what it does not know
            packs = False
        finally:
            self.train(was_training)
        if not packs:
            self.backbone.set_attn_implementation(unpacked_attention())
        return packs


def embed(encoder: nn.Module, packings: Sequence[Packed]) -> Tensor:
    """Embed texts.

    Args:
        encoder: a `BiEncoder`, possibly wrapped by accelerate.
        packings: B texts, see `hybridir.encoder.packed.packing.pack`.

    Returns:
        [B, D] unit vectors in the order in which the texts were given to `pack`, on the encoder's
        device.
    """
    device = next(encoder.parameters()).device
    there = [packed.to(device) for packed in packings]
    return torch.cat([encoder(packed) for packed in there])[places(there)]


def places(packings: Sequence[Packed]) -> Tensor:
    """Where each text that was packed went.

    Returns:
        [B] numbers of rows of the embeddings of all packings, one after the other.
    """
    return torch.argsort(torch.cat([packed.rows_B for packed in packings]))


def _replace(module: nn.Module, kind: type[Kind], make: Callable[[Kind], nn.Module]) -> None:
    """Put another module into the place of each of a kind."""
    for name, child in module.named_children():
        if type(child) is kind:
            setattr(module, name, make(child))
        else:
            _replace(child, kind, make)


def _fuse(module: nn.Module) -> None:
    """Put products and activations together where the architecture is known."""
    for name, child in module.named_children():
        if LinearThenGelu.fits(child):
            assert isinstance(child.dense, nn.Linear)
            setattr(module, name, LinearThenGelu(child.dense))
        else:
            _fuse(child)


def _replace_lookup(backbone: PreTrainedModel) -> Lookup:
    embedding = backbone.get_input_embeddings()
    assert isinstance(embedding, nn.Embedding), "texts are given as token ids"
    lookup = embedding if isinstance(embedding, Lookup) else Lookup(embedding)
    backbone.set_input_embeddings(lookup)
    return lookup


def _first_position(backbone: PreTrainedModel) -> int:
    """RoBERTa and its kin count positions from behind that of the padding token."""
    embeddings: Any = getattr(backbone, "embeddings", None)
    if hasattr(embeddings, "create_position_ids_from_input_ids"):
        return int(embeddings.padding_idx) + 1
    return 0
