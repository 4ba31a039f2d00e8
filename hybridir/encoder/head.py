"""The layers behind the pooling, with the names and the arithmetic of sentence-transformers.

Shapes: B texts, I and O numbers of a vector before and after a layer.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from hybridir.config.trial import Similarity
from hybridir.encoder.folder_settings import (
    DenseFile,
    FolderSettings,
    HeadModule,
    LayerNormFile,
)
from hybridir.errors import InputError


class Dense(nn.Module):
    """A linear layer with an activation, and a detour around both if the settings ask for it.

    Args:
        file: its settings.
        activation: its activation.
    """

    def __init__(self, file: DenseFile, activation: nn.Module) -> None:
        super().__init__()
        self.file = file
        self.linear = nn.Linear(file.in_features, file.out_features, bias=file.bias)
        self.activation_function = activation
        if file.use_residual and file.in_features != file.out_features:
            self.residual = nn.Linear(file.in_features, file.out_features, bias=False)

    def forward(self, vectors_BI: Tensor) -> Tensor:
        """Compute [B, O]."""
        output_BO: Tensor = self.activation_function(self.linear(vectors_BI))
        if not self.file.use_residual:
            return output_BO
        return output_BO + (self.residual(vectors_BI) if hasattr(self, "residual") else vectors_BI)

    @property
    def settings(self) -> dict[str, Any]:
        """The content of its ``config.json``; what versions before 5.7 do not know is left out."""
        return self.file.model_dump(exclude_defaults=True, exclude={"activation_function"}) | {
            "bias": self.file.bias,
            "activation_function": self.file.activation_function,
        }

    def extra_repr(self) -> str:
        """Its sizes, and the detour, which no weight shows."""
        file = self.file
        detour = ", use_residual" if file.use_residual else ""
        return f"{file.in_features} to {file.out_features}{detour}"


class LayerNorm(nn.Module):
    """Layer normalisation of a vector.

    Args:
        file: its settings.
    """

    def __init__(self, file: LayerNormFile) -> None:
        super().__init__()
        self.file = file
        self.norm = nn.LayerNorm(file.dimension)

    def forward(self, vectors_BI: Tensor) -> Tensor:
        """Compute [B, I]."""
        normed_BI: Tensor = self.norm(vectors_BI)
        return normed_BI

    @property
    def settings(self) -> dict[str, Any]:
        """The content of its ``config.json``."""
        return self.file.model_dump()


class Normalize(nn.Module):
    """L2 normalisation of a vector."""

    settings: dict[str, Any] = {}  # noqa: RUF012 (never written to)

    def forward(self, vectors_BI: Tensor) -> Tensor:
        """Compute [B, I]."""
        return functional.normalize(vectors_BI, dim=-1)


class Head(nn.Sequential):
    """The layers behind the pooling, in fp32 whatever the precision of the backbone."""

    def forward(self, vectors_BI: Tensor) -> Tensor:
        """Compute [B, O]."""
        if len(self) == 0:
            return vectors_BI
        with torch.autocast(vectors_BI.device.type, enabled=False):
            output_BO = vectors_BI.float()
            for layer in self:
                output_BO = layer(output_BO)
            return output_BO

    def save(self, folder: Path, first: int) -> list[tuple[str, str]]:
        """Write the settings and weights of its layers, a folder each.

        Args:
            folder: of the encoder.
            first: number of the first layer among the encoder's modules.

        Returns:
            Class and folder of each layer.
        """
        modules = []
        for number, layer in enumerate(self, first):
            kind = type(layer).__name__
            path = folder / f"{number}_{kind}"
            path.mkdir()
            (path / "config.json").write_text(json.dumps(layer.settings, indent=2) + "\n")
            weights = {name: weight.contiguous() for name, weight in layer.state_dict().items()}
            if weights:
                save_file(weights, path / "model.safetensors")
            modules.append((kind, path.name))
        return modules


def load_head(source: FolderSettings, width: int, similarity: Similarity) -> Head:
    """Load the layers that an encoder's folder lists behind the pooling.

    The last one may keep the first numbers of a vector alone (``truncate_dim``).

    Args:
        source: the folder.
        width: numbers of a pooled vector.
        similarity: the encoder's; for cosines no layer normalises at the end, since the encoder
            does.

    Raises:
        InputError: if a layer does not fit the vectors or its weights, or they cannot be read.
    """
    layers: list[nn.Module] = []
    for module in source.head:
        if isinstance(module.file, DenseFile):
            _check_width(module, "in_features", module.file.in_features, width)
            activation = _activation(module)
            with torch.device("meta"):  # no memory, whatever sizes a damaged file asks for
                layer = Dense(module.file, activation)
            layers.append(_load(layer, module.folder))
            width = module.file.out_features
        elif isinstance(module.file, LayerNormFile):
            _check_width(module, "dimension", module.file.dimension, width)
            layers.append(_load(LayerNorm(module.file), module.folder))
        elif module.kind == "Normalize":
            layers.append(Normalize())
    if source.truncate_dim is not None and source.truncate_dim < width:
        layers.append(_first_numbers(width, source.truncate_dim))
    while similarity == "cosine" and layers and isinstance(layers[-1], Normalize):
        layers.pop()
    return Head(*layers)


def _first_numbers(width: int, kept: int) -> Dense:
    """A layer that keeps the first numbers of a vector, of the kind that others can load."""
    identity = "torch.nn.modules.linear.Identity"
    file = DenseFile(
        in_features=width, out_features=kept, bias=False, activation_function=identity
    )
    layer = Dense(file, nn.Identity())
    layer.linear.weight.data = torch.eye(kept, width)
    return layer


def _check_width(module: HeadModule, key: str, value: int, width: int) -> None:
    if value != width:
        raise InputError(
            f"{module.folder / 'config.json'}: {key}={value}, but the vectors before it have "
            f"{width} numbers; the pooling and the layers must fit each other"
        )


def _activation(module: HeadModule) -> nn.Module:
    assert isinstance(module.file, DenseFile)
    name = module.file.activation_function
    package, _, title = name.rpartition(".")
    kind = getattr(nn, title, None)
    if f"{package}.".startswith("torch.nn.") and isinstance(kind, type):
        with suppress(TypeError):  # one that needs arguments
            activation = kind()
            if isinstance(activation, nn.Module):
                return activation
    raise InputError(
        f"{module.folder / 'config.json'}: activation_function={name!r} is not supported; it must "
        "be an activation of torch.nn, since code of its own is not run here"
    )


def _load(layer: nn.Module, folder: Path) -> nn.Module:
    safe, pickled = folder / "model.safetensors", folder / "pytorch_model.bin"
    try:
        if safe.is_file():
            weights = load_file(safe)
        else:
            weights = torch.load(pickled, weights_only=True, map_location="cpu")
        layer.load_state_dict(weights, assign=True)
    # A damaged file can make torch raise any exception.
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
        raise InputError(
            f"{folder}: the weights of this module cannot be loaded ({reason}); it needs "
            "model.safetensors or pytorch_model.bin that fits its config.json"
        ) from None
    return layer.float()
