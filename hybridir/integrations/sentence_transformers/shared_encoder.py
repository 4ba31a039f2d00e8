"""A model of sentence-transformers as an encoder of hybridir, with the same weights in memory.

The first time the model is saved to a temporary folder and loaded as any folder is, so that each
of its settings is obeyed or refused as `hybridir evaluate` does. Then the copy's weights are
pointed at the model's own: they cost no memory, and follow the training.
"""

from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from hybridir.encoder import LoadedEncoder, load_encoder
from hybridir.errors import InputError


def shared_encoder(model: SentenceTransformer) -> LoadedEncoder:
    """Load a model as an encoder; `share_weights` points it at the model's weights.

    Raises:
        InputError: if a setting of the model is not supported.
    """
    with TemporaryDirectory(prefix="hybridir-") as name:
        folder = Path(name) / "model"
        model.save_pretrained(str(folder), create_model_card=False)
        encoder = load_encoder(folder)
    share_weights(model, encoder)
    return encoder


def share_weights(model: SentenceTransformer, encoder: LoadedEncoder) -> None:
    """Point an encoder's weights at those of the model that it was loaded from.

    Weights of another precision are converted, which copies them.

    Raises:
        InputError: if the model has other weights than the encoder.
    """
    theirs: dict[str, Tensor] = {
        **dict(model[0].auto_model.named_parameters(remove_duplicate=False)),
        **dict(model[0].auto_model.named_buffers(remove_duplicate=False)),
    }
    backbone = encoder.model.backbone
    mine = dict(chain(backbone.named_parameters(), backbone.named_buffers()))
    head = list(encoder.model.head.parameters())
    # A layer that shortens vectors, behind the model's own, has constant weights.
    behind = list(chain.from_iterable(module.parameters() for module in _behind_pooling(model)))
    pairs = [(weight, theirs.get(name)) for name, weight in mine.items()]
    pairs += zip(head, behind, strict=False)
    if len(head) < len(behind) or any(
        other is None or weight.shape != other.shape for weight, other in pairs
    ):
        raise InputError(f"the weights of {type(model[0].auto_model).__name__} have other names")
    for weight, other in pairs:
        assert other is not None, "checked above"
        weight.data = other.data.to(weight.dtype)
    for weight in head[len(behind) :]:
        weight.data = weight.data.to(model.device)


def _behind_pooling(model: SentenceTransformer) -> list[nn.Module]:
    return list(model)[2:]
