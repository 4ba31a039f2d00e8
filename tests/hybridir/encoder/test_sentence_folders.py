"""Folders that sentence-transformers writes: its vectors, its keys, and ours loaded there."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from hybridir.encoder import LoadedEncoder, load_encoder, save_encoder
from hybridir.encoder.folder_settings import (
    HEAD_FILES,
    ModelFile,
    ModuleEntry,
    PoolingFile,
    TransformerFile,
)
from hybridir.errors import InputError
from tests.support.sentence_folders import TEXTS, backbone_folder, sentence_folder

st = pytest.importorskip("sentence_transformers")
from sentence_transformers.base import modules as base  # noqa: E402
from sentence_transformers.sentence_transformer import modules as sentence  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
DOCUMENT = Path(__file__).parents[3] / "docs" / "encoders.md"


def random(layer: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    for weight in layer.parameters():
        nn.init.normal_(weight, std=0.5)
    return layer


def dense(width: int, out: int, **settings: Any) -> nn.Module:
    return random(base.Dense(width, out, **settings))


def pooling(*modes: str, **settings: Any) -> nn.Module:
    layer: nn.Module = sentence.Pooling(16, list(modes), **settings)
    return layer


ALL_MODES = ("mean", "cls", "max", "lasttoken", "weightedmean", "mean_sqrt_len_tokens")
# The longest text that has a place in XLM-R's positions; sentence-transformers fails above it.
XLMR = {"family": "xlm-roberta", "transformer": {"max_seq_length": 64}}
CASES: dict[str, tuple[Callable[[], list[nn.Module]], dict[str, Any]]] = {
    "mean pooling": (lambda: [], {}),
    "every pooling, joined": (lambda: [pooling(*ALL_MODES), dense(96, 12)], {}),
    "dense and normalize": (lambda: [pooling("mean"), dense(16, 8), base.Normalize()], {}),
    "dense layers with all their keys": (
        lambda: [
            pooling("mean"),
            dense(16, 16, activation_function=nn.GELU(), bias=False, use_residual=True),
            dense(16, 8, activation_function=None, use_residual=True),
        ],
        {"similarity_fn_name": "dot"},
    ),
    "layer norm and dropout": (
        lambda: [pooling("cls"), random(sentence.LayerNorm(16)), sentence.Dropout(0.3)],
        {"similarity_fn_name": "dot"},
    ),
    "dot products": (lambda: [], {"similarity_fn_name": "dot"}),
    "normalized, then shortened": (
        lambda: [pooling("mean"), base.Normalize()],
        {"truncate_dim": 8, "similarity_fn_name": "dot"},
    ),
    "shortened": (lambda: [], {"truncate_dim": 8}),
    "prompts": (lambda: [], {"prompts": {"query": "query: ", "document": "passage: "}}),
    "a default prompt of queries": (
        lambda: [],
        {"prompts": {"query": "query: "}, "default_prompt_name": "query"},
    ),
    "short texts": (lambda: [], {"transformer": {"max_seq_length": 20}}),
    "lengths of their own": (
        lambda: [],
        {"transformer": {"query_length": 12, "document_length": 30}},
    ),
    "xlm-roberta": (lambda: [], XLMR),
    "lower case": (
        lambda: [],
        {**XLMR, "transformer": {"max_seq_length": 64, "do_lower_case": True}},
    ),
    "t5": (lambda: [pooling("mean"), dense(16, 8, bias=False), base.Normalize()],
           {"family": "t5", "transformer": {"max_seq_length": 256}}),
    "mt5, the half of a pair": (lambda: [], {"family": "mt5"}),
    "fnet, whose vectors depend on padding": (lambda: [], {"family": "fnet"}),
}  # fmt: skip


def their_vectors(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.float32], Any]:
    """Vectors of queries and passages, each text alone, and the model.

    Its similarity normalises vectors itself.
    """
    model = st.SentenceTransformer(str(folder), device="cpu")
    queries = np.stack([model.encode_query([text])[0] for text in TEXTS])
    passages = np.stack([model.encode_document([text])[0] for text in TEXTS])
    return queries, passages, model


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def check_alike(encoder: LoadedEncoder, folder: Path, *, are_units: bool) -> None:
    """Compare an encoder with a folder in sentence-transformers: vectors and ranking."""
    queries, passages, model = their_vectors(folder)
    ours = encoder.embed_queries(TEXTS), encoder.embed_passages(TEXTS)
    scores = model.similarity(queries, passages).numpy()
    if are_units:
        queries, passages = unit(queries), unit(passages)
    # fp32 sums in another order: the last digits of large values differ as well.
    np.testing.assert_allclose(ours[0], queries, atol=1e-6, rtol=1e-5)
    np.testing.assert_allclose(ours[1], passages, atol=1e-6, rtol=1e-5)
    np.testing.assert_allclose(ours[0] @ ours[1].T, scores, atol=2e-6, rtol=1e-6)
    order = (ours[0] @ ours[1].T).argsort(axis=1)
    np.testing.assert_array_equal(order, scores.argsort(axis=1))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_pain_28_vectors_and_ranking_are_sentence_transformers_before_and_after_saving(
    tmp_path: Path, case: str
) -> None:
    make, settings = CASES[case]
    folder = sentence_folder(tmp_path / "theirs", *make(), **settings)
    encoder = load_encoder(folder)
    is_cosine = settings.get("similarity_fn_name", "cosine") == "cosine"
    assert encoder.model.similarity == ("cosine" if is_cosine else "dot")
    check_alike(encoder, folder, are_units=is_cosine)
    save_encoder(encoder.model, encoder.tokenizer, encoder.config, tmp_path / "ours")
    check_alike(encoder, tmp_path / "ours", are_units=False)


@pytest.mark.parametrize("kind", ["Router", "CLIPModel", "WordEmbeddings", "StaticEmbedding"])
def test_a_module_of_another_kind_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    folder = sentence_folder(tmp_path / "encoder")
    path = folder / "modules.json"
    modules = json.loads(path.read_text())
    source = base if hasattr(base, kind) else sentence
    modules[0]["type"] = f"{getattr(source, kind).__module__}.{kind}"
    path.write_text(json.dumps(modules))
    with pytest.raises(InputError, match=f"lists {kind}, Pooling; supported are Transformer"):
        load_encoder(folder)


def test_weights_in_a_folder_of_their_own_and_pickled_layers_are_loaded(tmp_path: Path) -> None:
    layers = [pooling("mean"), dense(16, 8)]
    folder = sentence_folder(tmp_path / "encoder", *layers)
    expected = load_encoder(folder).embed_queries(TEXTS)
    (folder / "0_Transformer").mkdir()
    of_all = ("modules.json", "config_sentence_transformers.json")
    for path in folder.glob("*.*"):
        if path.name not in of_all:
            path.rename(folder / "0_Transformer" / path.name)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "2_Dense" / "model.safetensors").unlink()
    torch.save(layers[1].state_dict(), folder / "2_Dense" / "pytorch_model.bin")
    np.testing.assert_array_equal(load_encoder(folder).embed_queries(TEXTS), expected)
    queries, _, _ = their_vectors(folder)
    np.testing.assert_allclose(expected, unit(queries), atol=1e-6)
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"2_Dense: the weights of this module cannot be loaded"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation_function": "my.own.Swish"}, r"'my\.own\.Swish' is not supported"),
        ({"activation_function": "torch.nn.functional.relu"}, "is not supported"),
        ({"in_features": 12}, "in_features=12, but the vectors before it have 16 numbers"),
        ({"out_features": 5}, "weights of this module cannot be loaded"),
        ({"dropout": 0.1}, "dropout=0.1: the key is unknown here"),
    ],
)
def test_a_layer_that_would_give_other_vectors_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = sentence_folder(tmp_path / "encoder", pooling("mean"), dense(16, 8))
    path = folder / "2_Dense" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        load_encoder(folder)


def test_a_tokenizer_without_tokenizer_json_is_converted(tmp_path: Path) -> None:
    folder = backbone_folder(tmp_path / "bert")
    expected = load_encoder(folder)
    vocabulary = expected.tokenizer.get_vocab()
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    settings = {"tokenizer_class": "BertTokenizer", "strip_accents": False, "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    converted = load_encoder(folder)
    np.testing.assert_array_equal(converted.embed_queries(TEXTS), expected.embed_queries(TEXTS))


def test_a_tokenizer_that_tells_types_apart_in_one_text_is_refused(tmp_path: Path) -> None:
    folder = backbone_folder(tmp_path / "bert")
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["post_processor"]["single"][-1]["SpecialToken"]["type_id"] = 1
    path.write_text(json.dumps(content))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="marks the tokens of one text by different types"):
        load_encoder(folder)


def written_keys(folder: Path) -> Iterator[tuple[str, str]]:
    """The keys of all settings that a folder of all modules has, with their file."""
    layers = [
        pooling("mean"),
        dense(16, 16, use_residual=True),
        random(sentence.LayerNorm(16)),
        sentence.Dropout(0.1),
        base.Normalize(),
    ]
    transformer = {"unpad_inputs": False, "processing_kwargs": {"text": {}}}
    sentence_folder(folder, *layers, transformer=transformer, truncate_dim=8)
    for name in ("config_sentence_transformers.json", "sentence_bert_config.json"):
        yield from ((name, key) for key in json.loads((folder / name).read_text()))
    for entry in json.loads((folder / "modules.json").read_text()):
        yield from (("modules.json", key) for key in entry)
    for path in folder.glob("*_*/config.json"):
        kind = path.parent.name.partition("_")[2]
        yield from ((kind, key) for key in json.loads(path.read_text()))


def test_the_table_of_the_documentation_has_every_key_that_the_installed_version_writes(
    tmp_path: Path,
) -> None:
    rows = re.findall(r"^\| (.+?) \| `(.+?)` \|", DOCUMENT.read_text(), re.MULTILINE)
    table = {(file.strip("`"), key) for file, key in rows}
    written = {*written_keys(tmp_path / "encoder")}
    # Keys that the writers know and leave out at their defaults.
    for kind in (base.Transformer, sentence.Pooling, base.Dense, base.Normalize):
        name = "sentence_bert_config.json" if kind is base.Transformer else kind.__name__
        written |= {(name, key) for key in kind.config_keys}
    written |= {("modules.json", "kwargs")}
    assert len(written) > 30
    assert written - table == set()
    # The closed models have the same keys, and no row is of a key that is in none of them.
    models = {
        "config_sentence_transformers.json": ModelFile,
        "sentence_bert_config.json": TransformerFile,
        "modules.json": ModuleEntry,
        "Pooling": PoolingFile,
        **HEAD_FILES,
    }
    fields = {
        (file, field.alias or name)
        for file, model in models.items()
        for name, field in model.model_fields.items()
    }
    assert fields == table


def test_the_documentation_names_every_module_of_the_installed_version() -> None:
    text = DOCUMENT.read_text()
    modules = {*base.__all__, *sentence.__all__} - {"Module", "InputModule"}
    assert {name for name in modules if f"`{name}`" not in text} == set()
