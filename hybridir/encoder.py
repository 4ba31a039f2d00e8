"""The bi-encoder: one transformer for questions and passages, pooled and L2-normalised.

Notation: B texts, L tokens of the longest of them, D dimensions.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, BertConfig, BertModel, PreTrainedModel

from hybridir.errors import InputError

Pooling = Literal["mean", "cls", "pooler"]

# Texts whose lengths round up to the same multiple are encoded together. Measured with a 6 x 384
# encoder in bf16, 32 pairs of random lengths around 18 and 56 tokens, on one core: 1.5 s a step at
# 16, 1.6 s at 32, 3.3 s with everything padded to the longest.
_BUCKET = 16


class BiEncoder(nn.Module):
    """Any transformer encoder with pooling and normalisation.

    Args:
        backbone: a Hugging Face encoder.
        pooling: how token vectors become one: their mean, the first one, or the pooler's output.
        pad_token: id that fills up shorter texts; attention ignores it.
    """

    def __init__(self, backbone: PreTrainedModel, pooling: Pooling, pad_token: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = pooling
        self.pad_token = pad_token

    @property
    def dimension(self) -> int:
        """D, the length of an embedding."""
        return int(self.backbone.config.hidden_size)

    def forward(self, tokens_BL: Tensor, lengths_B: Tensor) -> Tensor:
        """Embed padded texts.

        Args:
            tokens_BL: token ids, filled up with `pad_token`.
            lengths_B: number of real tokens of each text.

        Returns:
            [B, D] unit vectors, fp32.
        """
        mask_BL = torch.arange(tokens_BL.shape[1], device=tokens_BL.device) < lengths_B[:, None]
        output = self.backbone(input_ids=tokens_BL, attention_mask=mask_BL.long())
        if self.pooling == "mean":
            hidden_BLD = output.last_hidden_state.float() * mask_BL[:, :, None]
            pooled_BD = hidden_BLD.sum(dim=1) / lengths_B[:, None]
        elif self.pooling == "cls":
            pooled_BD = output.last_hidden_state[:, 0].float()
        else:
            pooled_BD = output.pooler_output.float()
        return functional.normalize(pooled_BD, dim=-1)


def embed(encoder: nn.Module, texts: Sequence[NDArray[np.int32]], pad_token: int) -> Tensor:
    """Embed texts of different lengths, those of similar length together.

    Args:
        encoder: a `BiEncoder`, possibly wrapped by accelerate.
        texts: B arrays of token ids, special tokens included.
        pad_token: id that fills up shorter texts.

    Returns:
        [B, D] unit vectors in the order of the texts, on the encoder's device.
    """
    device = next(encoder.parameters()).device
    buckets: dict[int, list[int]] = defaultdict(list)
    for index, text in enumerate(texts):
        buckets[math.ceil(len(text) / _BUCKET)].append(index)
    embedded = []
    for _, members in sorted(buckets.items()):
        tokens_BL, lengths_B = pad([texts[index] for index in members], pad_token)
        embedded.append(encoder(tokens_BL.to(device), lengths_B.to(device)))
    order = np.argsort([index for _, members in sorted(buckets.items()) for index in members])
    return torch.cat(embedded)[torch.from_numpy(order).to(device)]


def pad(texts: Sequence[NDArray[np.int32]], pad_token: int) -> tuple[Tensor, Tensor]:
    """Fill up texts to the longest of them.

    Returns:
        ([B, L] int64 token ids, [B] int64 lengths).
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    tokens = np.full((len(texts), lengths.max()), pad_token, dtype=np.int64)
    tokens[np.arange(tokens.shape[1]) < lengths[:, None]] = np.concatenate(texts)
    return torch.from_numpy(tokens), torch.from_numpy(lengths)


def new_backbone(
    *,
    vocabulary: int,
    layers: int,
    hidden_size: int,
    intermediate_size: int,
    heads: int,
    max_length: int,
    pad_token: int,
    dropout: float,
    seed: int,
) -> PreTrainedModel:
    """Initialise a BERT at random.

    Args:
        vocabulary: number of tokens.
        layers: number of layers.
        hidden_size: D.
        intermediate_size: width of the feed-forward layers.
        heads: attention heads.
        max_length: longest text, in tokens.
        pad_token: id of the padding token.
        dropout: of hidden states and attention.
        seed: decides the weights.
    """
    config = BertConfig(
        vocab_size=vocabulary,
        num_hidden_layers=layers,
        hidden_size=hidden_size,
        num_attention_heads=heads,
        intermediate_size=intermediate_size,
        max_position_embeddings=max_length,
        pad_token_id=pad_token,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config._attn_implementation = _attention()
        return BertModel(config)


def load_backbone(
    source: str | Path, *, revision: str | None, dropout: float, pooling: Pooling
) -> PreTrainedModel:
    """Load pretrained weights; only safetensors are read and no remote code is run.

    Args:
        source: a local Hugging Face folder, or a hub id.
        revision: commit of the hub repository; None for a folder.
        dropout: replaces the dropout that the model was pretrained with.
        pooling: what the model is for; only ``pooler`` needs the pooler's weights.

    Raises:
        InputError: if there is no usable model, or some of its weights are not there.
    """
    options = {} if revision is None else {"revision": revision}
    model: PreTrainedModel
    try:
        # What the weights leave out is drawn at random, even a pooler that nothing uses: from a
        # fixed seed, so that it is the same in every process.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model, found = AutoModel.from_pretrained(
                source,
                local_files_only=isinstance(source, Path),
                use_safetensors=True,
                dtype=torch.float32,
                attn_implementation=_attention(),
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are refused below, by name
                **options,
            )
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"encoder {str(source)!r} cannot be loaded: {reason}; give a Hugging Face folder with "
            "config.json, tokenizer.json and model.safetensors, or a hub id with its revision"
        ) from None
    _check_whole(source, model, found, pooling)
    _set_dropout(model, dropout)
    return model


def _check_whole(
    source: str | Path, model: PreTrainedModel, found: dict[str, Any], pooling: Pooling
) -> None:
    """Refuse weights drawn at random where pretrained ones were asked for."""
    if pooling == "pooler" and getattr(model, "pooler", None) is None:
        raise InputError(
            f"encoder {str(source)!r}: encoder.pooling=pooler, but {type(model).__name__} has no "
            "pooler; set encoder.pooling to mean or cls"
        )
    lacking = {*found["missing_keys"], *(entry[0] for entry in found["mismatched_keys"])}
    if pooling != "pooler":
        lacking = {name for name in lacking if not name.startswith("pooler.")}
    if lacking:
        raise InputError(
            f"encoder {str(source)!r}: {len(lacking)} weights of {type(model).__name__} are "
            f"missing or of another shape, e.g. {min(lacking)!r}; config.json and "
            "model.safetensors must belong together"
        )


def _attention() -> str:
    """Plain attention on CPU, where the fused kernel's backward pass is slow, fused on GPU.

    Measured with a 6 x 384 encoder at batch 32 in bf16 on one core: 1.0 s a step against 1.5 s.
    """
    return "sdpa" if torch.cuda.is_available() else "eager"


def _set_dropout(model: nn.Module, dropout: float) -> None:
    """Architectures name their dropout differently and read it while building; set what is built.

    Some attention layers keep their probability as a number.
    """
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
        for name in ("dropout", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, dropout)
