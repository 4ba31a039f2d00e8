"""The settings of an encoder's folder, read with closed models: obeyed, or refused by name.

sentence-transformers writes a list of modules, the settings of each, and those of the model.
Every key that its version 6 writes, or an earlier one wrote, is a field here; a key that is not,
or a value that would need code which is not here, is an error, since the vectors would be others.
A plain Hugging Face folder has few settings; those that would change vectors are looked for.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hybridir.config.trial import MOST_TOKENS, POOLINGS
from hybridir.errors import InputError

MODULES_FILE = "modules.json"
MODEL_FILE = "config_sentence_transformers.json"
# The first module's settings; the others are names that earlier versions wrote.
TRANSFORMER_FILES = tuple(
    f"sentence_{family}_config.json"
    for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# Families that count positions from behind that of the padding token, so that as many are lost:
# those whose code calls `create_position_ids_from_input_ids` in transformers 5.23.
_POSITIONS_AFTER_PADDING = {
    *("camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke"),
    *("markuplm", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl"),
    "xmod",
}
_SIMILARITIES = ("cosine", "dot")
_PASSAGE_PROMPTS = ("passage", "corpus")  # other names of prompts that are meant for passages


class _Closed(BaseModel):
    """A file with these keys and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Checked = TypeVar("Checked", bound=_Closed)


def _refuse_content(value: object) -> object:
    if value:
        raise ValueError("is not supported; it must be empty")
    return value


Empty = Annotated[object, BeforeValidator(_refuse_content)]
"""A key whose content would change vectors; empty it has no effect."""
Ignored = object
"""A key that has no effect on vectors."""
_LONGEST_NAME = 255  # bytes of a file's name, of most file systems
SentenceEmbedding = Literal["sentence_embedding"]


def _check_path(path: str) -> str:
    parts = PurePosixPath(path).parts
    too_long = any(len(part.encode(errors="replace")) > _LONGEST_NAME for part in parts)
    if PurePosixPath(path).is_absolute() or ".." in parts or "\0" in path or too_long:
        raise ValueError("must be a folder inside the encoder's own")
    return path


class ModuleEntry(_Closed):
    """An entry of ``modules.json``."""

    type: str
    path: Annotated[str, AfterValidator(_check_path)] = ""
    name: str = ""
    idx: Ignored = None
    kwargs: Empty = None

    @property
    def kind(self) -> str:
        """Its class, if it is one of sentence-transformers; otherwise its full name."""
        package, _, name = self.type.rpartition(".")
        return name if package.startswith("sentence_transformers.") else self.type


class ModelFile(_Closed):
    """``config_sentence_transformers.json``."""

    model_type: Literal["SentenceTransformer"] = "SentenceTransformer"
    version: Annotated[Ignored, Field(alias="__version__")] = None
    requirements: Ignored = None
    prompts: dict[str, str | None] | None = None
    default_prompt_name: str | None = None
    similarity_fn_name: str | None = None
    truncate_dim: Annotated[int, Field(ge=1)] | None = None


def _check_modalities(value: object) -> object:
    text = {"method": "forward", "method_output_name": "last_hidden_state"}
    if value is not None and value != {"text": text}:
        raise ValueError("only texts, by way of forward and last_hidden_state, are supported")
    return value


def _check_length(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is not None and (type(value) is not int or value < 1):
        raise ValueError("must be a number of tokens, 1 or more")
    return value


Tokens = Annotated[int | None, BeforeValidator(_check_length)]


class TransformerFile(_Closed):
    """``sentence_bert_config.json``."""

    transformer_task: Literal["feature-extraction"] = "feature-extraction"
    modality_config: Annotated[object, BeforeValidator(_check_modalities)] = None
    module_output_name: Literal["token_embeddings"] = "token_embeddings"
    processing_kwargs: Empty = None
    unpad_inputs: Ignored = None
    query_length: Tokens = None
    document_length: Tokens = None
    query_expansion: Empty = None
    max_seq_length: Tokens = None
    do_lower_case: bool | None = False
    tokenizer_name_or_path: Empty = None
    model_kwargs: Empty = None
    processor_kwargs: Empty = None
    config_kwargs: Empty = None
    # the same, as versions before 5 named them
    model_args: Empty = None
    tokenizer_args: Empty = None
    config_args: Empty = None


class PoolingFile(_Closed):
    """``config.json`` of the module Pooling."""

    embedding_dimension: int | None = None
    word_embedding_dimension: int | None = None
    pooling_mode: str | list[str] | None = None
    include_prompt: bool = True
    pooling_mode_cls_token: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False
    pooling_mode_lasttoken: bool = False

    @property
    def modes(self) -> list[str]:
        """The poolings whose vectors stand side by side, in this order."""
        if self.pooling_mode is not None:
            mode = self.pooling_mode
            return [mode] if isinstance(mode, str) else mode
        return [mode for key, mode in LEGACY_POOLINGS.items() if getattr(self, key)] or ["mean"]


LEGACY_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Keys of the versions before 6, in the order in which their vectors are joined."""


class DenseFile(_Closed):
    """``config.json`` of the module Dense."""

    in_features: Annotated[int, Field(ge=1)]
    out_features: Annotated[int, Field(ge=1)]
    bias: bool = True
    activation_function: str = "torch.nn.modules.activation.Tanh"
    module_input_name: SentenceEmbedding = "sentence_embedding"
    module_output_name: SentenceEmbedding | None = None
    use_residual: bool = False


class LayerNormFile(_Closed):
    """``config.json`` of the module LayerNorm."""

    dimension: Annotated[int, Field(ge=1)]


class NormalizeFile(_Closed):
    """``config.json`` of the module Normalize."""

    module_input_name: SentenceEmbedding = "sentence_embedding"
    module_output_name: SentenceEmbedding | None = None


class DropoutFile(_Closed):
    """``config.json`` of the module Dropout, which changes no vector."""

    dropout: Ignored = None


HeadFile = DenseFile | LayerNormFile | NormalizeFile | DropoutFile
HEAD_FILES: dict[str, type[HeadFile]] = {
    "Dense": DenseFile,
    "LayerNorm": LayerNormFile,
    "Normalize": NormalizeFile,
    "Dropout": DropoutFile,
}
"""The modules that may follow the pooling, in any order and number."""
_WITHOUT_FILE = ("Normalize", "Dropout")  # earlier versions wrote none


@dataclass(frozen=True)
class HeadModule:
    """A module that follows the pooling: its class, its settings and its folder."""

    kind: str
    file: HeadFile
    folder: Path


@dataclass(frozen=True)
class FolderSettings:
    """What an encoder's folder says about the way from texts to vectors.

    Attributes:
        folder: the folder.
        weights: folder of backbone and tokenizer, mostly the same.
        is_plain: whether it is a Hugging Face folder without settings of sentence-transformers.
        pooling: see `hybridir.config.EncoderConfig`; None where it says nothing, and so below.
        include_prompt: whether the tokens of a prompt are pooled.
        head: the modules after the pooling.
        similarity: name of the similarity.
        truncate_dim: dimensions of a vector that are kept.
        query_prompt: precedes each query.
        passage_prompt: precedes each passage.
        doubts: fields of `hybridir.config.EncoderConfig` that the user must name, with the reason.
        query_length: tokens of a query at most.
        passage_length: tokens of a passage at most.
        most_tokens: most tokens that the backbone takes.
        lower_case: whether texts are turned into lower case.
    """

    folder: Path
    weights: Path
    is_plain: bool = True
    pooling: str | None = None
    include_prompt: bool = True
    head: tuple[HeadModule, ...] = ()
    similarity: str | None = None
    truncate_dim: int | None = None
    query_prompt: str | None = None
    passage_prompt: str | None = None
    doubts: Mapping[str, str] = field(default_factory=dict)
    query_length: int | None = None
    passage_length: int | None = None
    most_tokens: int = MOST_TOKENS
    lower_case: bool = False

    @property
    def description(self) -> dict[str, Any]:
        """What decides vectors and is no field of `EncoderConfig`; nothing for a plain folder."""
        if self.is_plain:
            return {}
        modules = ["Transformer", "Pooling", *(module.kind for module in self.head)]
        content = {"modules": modules, "lower_case": self.lower_case}
        return content | ({"truncate_dim": self.truncate_dim} if self.truncate_dim else {})


def read_folder(folder: Path) -> FolderSettings:
    """Read the settings of an encoder's folder.

    Args:
        folder: a sentence-transformers folder of any version, or a Hugging Face folder.

    Raises:
        InputError: if the folder asks for something that is not supported, so that vectors would
            differ.
    """
    if not (folder / MODULES_FILE).is_file():
        left = [name for name in (MODEL_FILE, *TRANSFORMER_FILES) if (folder / name).is_file()]
        if left:
            raise InputError(
                f"{folder}: {MODULES_FILE} is missing beside {left[0]}, so that it is not known "
                "how vectors are made; copy the whole folder again"
            )
        return _plain_folder(folder)
    modules = _modules(folder / MODULES_FILE)
    weights = folder / modules[0].path
    backbone = _check_backbone(weights)
    files = [weights / name for name in TRANSFORMER_FILES]
    present = next((path for path in files if path.is_file()), None)
    transformer = _file(TransformerFile, present) if present else TransformerFile()
    pooling = _file(PoolingFile, folder / modules[1].path / "config.json")
    _check_modes(folder / modules[1].path / "config.json", pooling)
    path = folder / MODEL_FILE
    model = _file(ModelFile, path) if path.is_file() else ModelFile()
    query, passage, doubts = _prompts(path, model)
    if model.similarity_fn_name not in (*_SIMILARITIES, None):
        doubts["similarity"] = (
            f"{path}: similarity_fn_name={model.similarity_fn_name!r} is not supported; "
            f"{' and '.join(_SIMILARITIES)} are, which would rank otherwise"
        )
    most = _most_tokens(backbone)
    length = min(most, transformer.max_seq_length or _tokenizer_length(weights))
    return FolderSettings(
        folder=folder,
        weights=weights,
        is_plain=False,
        pooling="+".join(pooling.modes),
        include_prompt=pooling.include_prompt,
        head=tuple(_head_module(folder, entry) for entry in modules[2:]),
        similarity=model.similarity_fn_name or "cosine",
        truncate_dim=model.truncate_dim,
        query_prompt=query,
        passage_prompt=passage,
        doubts=doubts,
        query_length=min(most, transformer.query_length or length),
        passage_length=min(most, transformer.document_length or length),
        most_tokens=most,
        lower_case=bool(transformer.do_lower_case),
    )


def _plain_folder(folder: Path) -> FolderSettings:
    backbone = _check_backbone(folder)
    names = backbone.get("architectures")
    is_causal = (
        isinstance(names, list)
        and names
        and str(names[0]).endswith("ForCausalLM")
        and backbone.get("is_causal", True)
    )
    # as sentence-transformers reads such a folder
    pooling = "lasttoken" if is_causal else None
    return FolderSettings(folder, folder, pooling=pooling, most_tokens=_most_tokens(backbone))


def _modules(path: Path) -> list[ModuleEntry]:
    content = read_json(path, list)
    entries = []
    for number, entry in enumerate(content):
        if not isinstance(entry, dict):
            raise InputError(f"{path}: expected a list of objects")
        entries.append(_validate(ModuleEntry, entry, f"{path}, module {number}"))
    kinds = [entry.kind for entry in entries]
    unknown = [kind for kind in kinds[2:] if kind not in HEAD_FILES]
    if kinds[:2] != ["Transformer", "Pooling"] or unknown:
        raise InputError(
            f"{path}: lists {', '.join(kinds) or 'nothing'}; supported are Transformer and "
            f"Pooling, then any of {', '.join(HEAD_FILES)}; other modules would give other "
            "vectors than here: choose another encoder"
        )
    names = [entry.name for entry in entries if entry.name]
    if len({*names}) < len(names):
        raise InputError(f"{path}: two modules have one name, so that one of them would be lost")
    return entries


def _head_module(folder: Path, entry: ModuleEntry) -> HeadModule:
    path = folder / entry.path / "config.json"
    kind: type[HeadFile] = HEAD_FILES[entry.kind]
    is_left_out = entry.kind in _WITHOUT_FILE and not path.is_file()
    file = _validate(kind, {}, str(path)) if is_left_out else _file(kind, path)
    return HeadModule(entry.kind, file, folder / entry.path)


def _check_modes(path: Path, pooling: PoolingFile) -> None:
    unnamed = pooling.model_fields_set <= {"include_prompt"}
    unknown = [mode for mode in pooling.modes if mode not in POOLINGS]
    repeated = len({*pooling.modes}) < len(pooling.modes)
    if unnamed or unknown or repeated or not pooling.modes:
        shown = "not named" if unnamed else " and ".join(pooling.modes) or "none"
        raise InputError(
            f"{path}: pooling {shown}; supported are {', '.join(POOLINGS)}, each of them once"
        )


def _prompts(path: Path, model: ModelFile) -> tuple[str, str, dict[str, str]]:
    """The prompts of queries and of passages, and what is in doubt about them.

    They are those of `encode_query` and `encode_document` of sentence-transformers, which put the
    prompt named document before passages, and none if there is none of this name. Plain `encode`
    puts the default prompt before every text. Where these would differ, the user has to choose.
    """
    prompts = {name: text or "" for name, text in (model.prompts or {}).items()}
    query, passage = prompts.get("query", ""), prompts.get("document", "")
    doubts = {}
    for name in _PASSAGE_PROMPTS:
        if prompts.get(name, "") not in ("", passage):
            doubts["passage_prefix"] = (
                f"{path}: prompts has {name}={prompts[name]!r}, but sentence-transformers puts "
                f"that named document before passages ({passage!r})"
            )
    default = model.default_prompt_name
    if default is not None and default not in {"query", "document", *prompts}:
        raise InputError(
            f"{path}: default_prompt_name={default!r} is none of its prompts "
            f"({', '.join(prompts) or 'it has none'})"
        )
    if default and default not in ("query", "document") and prompts[default]:
        reason = (
            f"{path}: default_prompt_name={default!r} ({prompts[default]!r}) precedes neither "
            "queries nor passages in encode_query and encode_document of sentence-transformers, "
            "but every text in encode"
        )
        doubts = dict.fromkeys(("query_prefix", "passage_prefix"), reason) | doubts
    return query, passage, doubts


def _check_backbone(folder: Path) -> dict[str, Any]:
    """The content of ``config.json``; {} if it is missing, which loading reports."""
    path = folder / "config.json"
    if (folder / "adapter_config.json").is_file():
        raise InputError(
            f"{folder}: adapter_config.json: the weights are those of an adapter; merge it into "
            "its base model (merge_and_unload of peft), save that, and name its folder"
        )
    if not path.is_file():
        return {}
    content: dict[str, Any] = read_json(path, dict)
    code = content.get("auto_map")
    if isinstance(code, dict) and "AutoModel" in code:
        raise InputError(
            f"{path}: auto_map: its vectors are made by code of its own ({code['AutoModel']}), "
            "which is not run here; choose an encoder of a family that transformers has"
        )
    if content.get("quantization_config"):
        raise InputError(
            f"{path}: quantization_config: quantised weights are not supported; name the folder "
            "of the whole ones"
        )
    return content


def _most_tokens(backbone: dict[str, Any]) -> int:
    """Most tokens that the forward pass takes, as far as ``config.json`` tells."""
    positions = backbone.get("max_position_embeddings")
    if type(positions) is not int or positions < 1:
        return MOST_TOKENS
    if str(backbone.get("model_type")) in _POSITIONS_AFTER_PADDING:
        padding = backbone.get("pad_token_id", 1)
        positions -= (padding if isinstance(padding, int) else 1) + 1
    return min(positions, MOST_TOKENS)


def _tokenizer_length(folder: Path) -> int:
    path = folder / "tokenizer_config.json"
    length = read_json(path, dict).get("model_max_length") if path.is_file() else None
    if not isinstance(length, (int, float)) or isinstance(length, bool) or not length >= 1:
        return MOST_TOKENS
    return int(min(length, MOST_TOKENS))


def read_json(path: Path, kind: type[dict[str, Any]] | type[list[Any]]) -> Any:
    """Read a JSON file.

    Raises:
        InputError: if it cannot be read, or its content is of another kind.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(content, ensure_ascii=False).encode()  # no halves of surrogate pairs
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(content, kind):
        raise InputError(f"{path}: expected {kind.__name__}, found {type(content).__name__}")
    return content


def _file(kind: type[Checked], path: Path) -> Checked:
    return _validate(kind, read_json(path, dict), str(path))


def _validate(kind: type[Checked], content: dict[str, Any], source: str) -> Checked:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError.collect(source, dict.fromkeys(_problems(error))) from None


def _problems(error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"][:1])
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            yield f"{key}={item['input']!r}: the key is unknown here, and could change vectors"
        elif item["type"] == "missing":
            yield f"{key}: is needed"
        else:
            yield f"{key}={item['input']!r}: {message[0].lower()}{message[1:]}"
