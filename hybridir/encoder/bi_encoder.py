"""The bi-encoder: one transformer for questions and passages, pooled to a vector each.

Shapes: B texts, T tokens end to end, D dimensions; b texts of w tokens each.
"""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from hybridir.config.trial import POOLER, Similarity
from hybridir.encoder.backbone import most_tokens
from hybridir.encoder.head import Head
from hybridir.encoder.packed import attention
from hybridir.encoder.packed.cpu import CPU_KERNELS, TokenEmbedding, use_cpu_kernels
from hybridir.encoder.packed.dropout import DropoutKeys, replace_dropout
from hybridir.encoder.packed.packing import BUCKET, PackedTexts, inverse_permutation, pack
from hybridir.encoder.pooling import pool, pool_ragged
from hybridir.errors import InputError

_LOG = logging.getLogger(__name__)
# Lengths of the texts of the self-check; mixed so that a wrong position, mask or window shows.
_CHECKED_LENGTHS = (2, 3, 3, 5, 17, 29)
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


class Projection(NamedTuple):
    """The way from a text's tokens to its vector.

    Attributes:
        pooling: see `hybridir.config.EncoderConfig`.
        similarity: the vectors' own; for the cosine they are L2-normalised.
        head: layers behind the pooling; None for none.
    """

    pooling: str
    similarity: Similarity = "cosine"
    head: Head | None = None


class BiEncoder(nn.Module):
    """A transformer encoder with pooling and normalisation; `wrap` makes one.

    Args:
        backbone: a Hugging Face encoder, prepared by `wrap`.
        projection: pooling, head and similarity; a pooling alone stands for cosines without head.
        pad_token: id that fills shorter texts; attention ignores it.
        dropout_keys: shared by the dropout layers of the backbone.
        cpu_kernels: whether the backbone computes with `hybridir.encoder.packed.cpu`.

    Attributes:
        packs: whether texts go through it without padding.
        multiple: lengths of texts that are padded together round up to the same multiple of it.
    """

    def __init__(
        self,
        backbone: PreTrainedModel,
        projection: Projection | str,
        pad_token: int,
        *,
        dropout_keys: DropoutKeys,
        cpu_kernels: bool,
    ) -> None:
        super().__init__()
        if isinstance(projection, str):
            projection = Projection(projection)
        self.backbone = backbone
        self.pooling, self.similarity = projection.pooling, projection.similarity
        self.head = projection.head or Head()
        self.pad_token = pad_token
        self.dropout_keys = dropout_keys
        self.cpu_kernels = cpu_kernels
        self.packs = False
        self.multiple = BUCKET
        self.add_module("lookup", backbone.get_input_embeddings())  # its name in checkpoints
        self._first_position = _first_position(backbone)
        self._dimension = 0

    @classmethod
    def wrap(
        cls,
        backbone: PreTrainedModel,
        projection: Projection | str,
        pad_token: int,
        *,
        cpu_kernels: bool = CPU_KERNELS,
    ) -> Self:
        """Make a bi-encoder of a Hugging Face encoder, which is modified in place.

        Dropout layers are replaced by ones that depend on the text alone, linear layers and the
        token embedding by faster ones for CPUs, and attention by that of packed texts. Weights
        stay the same objects under the same names. A few texts decide how the encoder takes
        texts, see `choose_path`.

        Args:
            backbone: a Hugging Face encoder; its weights are trained in place.
            projection: pooling, head and similarity; a pooling alone stands for cosines without
                head.
            pad_token: id that fills shorter texts; attention ignores it.
            cpu_kernels: see `hybridir.encoder.packed.cpu`.

        Raises:
            InputError: if the encoder cannot embed texts, or the same text differently each time.
        """
        try:
            dropout_keys = DropoutKeys()
            replace_dropout(backbone, dropout_keys)
            if cpu_kernels:
                use_cpu_kernels(backbone)
            encoder = cls(
                backbone, projection, pad_token, dropout_keys=dropout_keys, cpu_kernels=cpu_kernels
            )
        except _UNKNOWN_ARCHITECTURE as error:
            raise InputError(f"{type(backbone).__name__} is not supported: {error}") from None
        choose_path(encoder)
        return encoder

    @property
    def dimension(self) -> int:
        """D, the length of an embedding."""
        return self._dimension

    @property
    def width(self) -> int:
        """Length of the vector of a token."""
        return int(getattr(self.backbone.config, "hidden_size", self.dimension))

    @property
    def description(self) -> str:
        """Everything that decides vectors beside weights and tokens."""
        return f"{self.pooling} {self.similarity} {self.packs} {self.multiple} {self.head!r}"

    @property
    def token_embedding(self) -> nn.Module:
        """The layer that turns token ids into vectors."""
        return self.get_submodule("lookup")

    def compile_layers(self) -> None:
        """Let torch fuse the operations of each layer, once for all numbers of tokens."""
        inside: set[nn.Module] = set()
        for module in self.backbone.modules():
            if isinstance(module, nn.ModuleList) and module not in inside:
                inside.update(module.modules())
                for layer in module:
                    layer.compile(dynamic=True)

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
            [B, D] vectors in the order of the packing, fp32; unit vectors if cosines compare them.
        """
        if self.packs:
            packed = packed.with_filler()
        self._begin_dropout(packed)
        pooled_BD = self.pool_packed(packed) if self.packs else self.pool_padded(packed)
        vectors_BD: Tensor = self.head(pooled_BD)
        return functional.normalize(vectors_BD, dim=-1) if self._is_cosine else vectors_BD

    @property
    def _is_cosine(self) -> bool:
        return self.similarity == "cosine"

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
        hidden_TD = output.last_hidden_state.squeeze(0)
        if packed.bounds is not None:
            bounds = packed.bounds[: len(packed.rows_B) + 1].long()
            if self.pooling != POOLER:
                return pool_ragged(self.pooling, hidden_TD, packed.positions_T, bounds)
            return self._pooler(hidden_TD[bounds[:-1]])
        runs = hidden_TD.split([texts * length for texts, length in packed.length_runs])
        runs_bwD = [
            run.view(texts, length, -1)
            for run, (texts, length) in zip(runs, packed.length_runs, strict=True)
        ]
        n_texts = len(packed.rows_B)  # without the filler
        if self.pooling != POOLER:
            return pool(self.pooling, runs_bwD)[:n_texts]
        return self._pooler(torch.cat([run_bwD[:, 0] for run_bwD in runs_bwD])[:n_texts])

    def _pooler(self, first_BD: Tensor) -> Tensor:
        """[B, D] what the encoder's own pooler makes of the first token of each text."""
        pooler = self.backbone.pooler
        assert isinstance(pooler, nn.Module)
        pooled_BD: Tensor = pooler(first_BD[:, None])
        return pooled_BD.float()

    def pool_padded(self, packed: PackedTexts) -> Tensor:
        """[B, D] pooled texts, computed with padding in buckets of similar length; fp32."""
        pooled, runs_bwD = [], []
        for tokens_bw, lengths in packed.buckets(self.pad_token, self.multiple):
            lengths_b = torch.tensor(lengths, device=tokens_bw.device)
            positions_w = torch.arange(tokens_bw.shape[1], device=tokens_bw.device)
            mask_bw = positions_w < lengths_b[:, None]
            output = self.backbone(input_ids=tokens_bw, attention_mask=mask_bw.long())
            if self.pooling == POOLER:
                pooled.append(output.pooler_output.float())
                continue
            hidden_bwD = output.last_hidden_state
            sizes, counts = np.unique(lengths, return_counts=True)
            runs = hidden_bwD.split(counts.tolist())
            runs_bwD += [run[:, :size] for run, size in zip(runs, sizes.tolist(), strict=True)]
        return torch.cat(pooled) if pooled else pool(self.pooling, runs_bwD)


def choose_path(encoder: BiEncoder) -> None:
    """Choose how an encoder takes texts, so that the vector of a text is that of the text alone.

    A few texts, each alone, are compared with the same texts packed; if that fails, with the same
    texts padded together, as the vectors of some families depend on the padding. What gives
    other vectors is not used, and the log says why.

    Args:
        encoder: its path and its dimension are set.

    Raises:
        InputError: if it cannot embed texts, or gives the same text other vectors each time.
    """
    name = type(encoder.backbone).__name__
    packed = _checked_texts(encoder)
    texts = [
        text.numpy().astype(np.int32) for text in torch.split(packed.tokens_T, packed.lengths)
    ]
    was_training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            alone_BD = torch.cat([encoder.pool_padded(*pack([text])) for text in texts])
            encoder._dimension = int(encoder.head(alone_BD[:1]).shape[1])
            obstacle = packing_obstacle(encoder, packed, alone_BD)
            if obstacle is None:
                encoder.packs = True
                encoder.backbone.set_attn_implementation(attention.NAME)
            elif _same(encoder.pool_padded(packed), alone_BD):
                _LOG.warning(
                    "%s cannot take texts without padding (%s); they are padded in groups of "
                    "similar length, which takes longer",
                    name,
                    obstacle,
                )
            else:
                encoder.multiple = 1
                if not _same(encoder.pool_padded(packed), alone_BD):
                    raise InputError(
                        f"{name} is not supported: the vector of a text depends on the texts "
                        "beside it, or is another each time"
                    )
                _LOG.warning(
                    "%s cannot take texts without padding (%s), and padding changes its vectors; "
                    "texts are encoded in groups of equal length, which takes longer",
                    name,
                    obstacle,
                )
    except _UNKNOWN_ARCHITECTURE as error:
        if isinstance(error, InputError):
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{name} is not supported: it cannot embed texts ({reason})") from None
    finally:
        encoder.train(was_training)


def packing_obstacle(encoder: BiEncoder, packed: PackedTexts, alone_BD: Tensor) -> str | None:
    """Compare packed texts with the same ones alone.

    Args:
        encoder: its backbone is left with the attention that it had.
        packed: the texts.
        alone_BD: their pooled vectors.

    Returns:
        None if the architecture can pack, otherwise the reason why it cannot.
    """
    backbone = encoder.backbone
    if not backbone._can_set_attn_implementation():
        return "its attention cannot be replaced"
    before = backbone.config._attn_implementation
    try:
        backbone.set_attn_implementation(attention.NAME)
        packed_BD = encoder.pool_packed(packed)
        if not _same(packed_BD, alone_BD):
            difference = float((packed_BD - alone_BD).abs().max())
            return f"packed embeddings differ by {difference:.2g}"
    except _UNKNOWN_ARCHITECTURE as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    finally:
        backbone.set_attn_implementation(before)
    return None


def _checked_texts(encoder: BiEncoder) -> PackedTexts:
    """Random texts without padding tokens, no longer than the encoder takes."""
    config = encoder.backbone.config
    rng = np.random.default_rng(0)
    padding = {encoder.pad_token, getattr(config, "pad_token_id", None)} - {None}
    ids = np.setdiff1d(np.arange(min(int(config.vocab_size), 1000)), [*padding])
    longest = most_tokens(encoder.backbone) or max(_CHECKED_LENGTHS)
    lengths = [length for length in _CHECKED_LENGTHS if length <= longest]
    (packed,) = pack([rng.choice(ids, size=length).astype(np.int32) for length in lengths])
    return packed


def _same(first_BD: Tensor, second_BD: Tensor) -> bool:
    return torch.allclose(first_BD, second_BD, atol=_TOLERANCE, rtol=_TOLERANCE)


def embed(encoder: nn.Module, packings: Sequence[PackedTexts]) -> Tensor:
    """Embed packed texts.

    Args:
        encoder: a `BiEncoder`, possibly wrapped by accelerate.
        packings: B texts, see `hybridir.encoder.packed.packing.pack`.

    Returns:
        [B, D] vectors in the order of the texts passed to `pack`, on the encoder's device.
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
