import json
from pathlib import Path
from typing import Any

import pytest

from hybridir.config import EncoderConfig
from hybridir.encoder.folder_settings import read_folder
from hybridir.encoder.third_party import resolve
from hybridir.errors import InputError

MODULES = [
    {"path": "", "type": "sentence_transformers.models.Transformer"},
    {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
FILES: dict[str, Any] = {
    "modules.json": MODULES,
    "1_Pooling/config.json": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
    "sentence_bert_config.json": {"max_seq_length": 128},
    "config_sentence_transformers.json": {"prompts": {"query": "q: ", "document": "d: "}},
}


def folder_of(folder: Path, **changes: Any) -> Path:
    for name, content in {**FILES, **changes}.items():
        if content is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def settings_of(folder: Path, **chosen: Any) -> dict[str, Any]:
    """The settings of a folder that the user left open."""
    names = ["pooling", "similarity", "query_prefix", "passage_prefix"]
    config = resolve(EncoderConfig(path=folder, **chosen)).model_dump()
    return {name: config[name] for name in (*names, "query_length", "passage_length")}


def test_a_sentence_transformers_folder_gives_pooling_similarity_prompts_and_length(
    tmp_path: Path,
) -> None:
    assert settings_of(folder_of(tmp_path)) == {
        "pooling": "mean",
        "similarity": "cosine",
        "query_prefix": "q: ",
        "passage_prefix": "d: ",
        "query_length": 128,
        "passage_length": 128,
    }


def test_what_the_user_names_has_precedence(tmp_path: Path) -> None:
    chosen = {"pooling": "max", "similarity": "dot", "query_prefix": "", "query_length": 16}
    expected = {"passage_prefix": "d: ", "passage_length": 128}
    assert settings_of(folder_of(tmp_path), **chosen) == {**chosen, **expected}


def test_the_layout_of_newer_versions_gives_the_same(tmp_path: Path) -> None:
    types = ["base.modules.transformer.Transformer", "modules.pooling.Pooling"]
    modules = [
        {**module, "type": f"sentence_transformers.{kind}"}
        for module, kind in zip(MODULES, types, strict=False)
    ]
    new = {
        "modules.json": modules,
        "1_Pooling/config.json": {"pooling_mode": "cls", "include_prompt": True},
        "sentence_bert_config.json": {"transformer_task": "feature-extraction"},
        "tokenizer_config.json": {"model_max_length": 10**30},
        "config_sentence_transformers.json": None,
    }
    settings = settings_of(folder_of(tmp_path, **new))
    assert (settings["pooling"], settings["query_prefix"]) == ("cls", "")
    assert settings["passage_prefix"] == ""
    assert settings["passage_length"] == 32_768, "the most that EncoderConfig takes"


def test_a_plain_folder_leaves_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 128}')
    assert settings_of(tmp_path) == {
        "pooling": "mean",
        "similarity": "cosine",
        "query_prefix": "",
        "passage_prefix": "",
        "query_length": 96,
        "passage_length": 128,  # of 256
    }


def test_a_plain_causal_model_is_pooled_at_its_last_token(tmp_path: Path) -> None:
    content = {"architectures": ["Qwen3ForCausalLM"]}
    (tmp_path / "config.json").write_text(json.dumps(content))
    assert settings_of(tmp_path)["pooling"] == "lasttoken"
    (tmp_path / "config.json").write_text(json.dumps({**content, "is_causal": False}))
    assert settings_of(tmp_path)["pooling"] == "mean"


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 130}, 128),
        ({"model_type": "bert", "max_position_embeddings": 514, "pad_token_id": 0}, 514),
        ({"model_type": "xlnet", "max_position_embeddings": -1}, 600),
        ({"model_type": "t5"}, 600),
    ],
)
def test_a_longest_text_above_the_positions_of_the_weights_is_cut_to_them(
    tmp_path: Path, config: dict[str, Any], most: int
) -> None:
    changes = {"config.json": config, "sentence_bert_config.json": {"max_seq_length": 600}}
    assert settings_of(folder_of(tmp_path, **changes))["passage_length"] == most


def test_the_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    changes = {
        "modules.json": [{**MODULES[0], "path": "0_Transformer"}, MODULES[1]],
        "sentence_bert_config.json": None,
        "0_Transformer/sentence_xlm-roberta_config.json": {
            "max_seq_length": 50,
            "do_lower_case": True,
        },
    }
    source = read_folder(folder_of(tmp_path, **changes))
    assert source.weights == tmp_path / "0_Transformer"
    assert (source.passage_length, source.lower_case) == (50, True)


def test_several_poolings_are_joined_in_the_order_of_their_version(tmp_path: Path) -> None:
    legacy = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}
    folder = folder_of(tmp_path, **{"1_Pooling/config.json": legacy})
    assert settings_of(folder)["pooling"] == "cls+mean"
    new = {"pooling_mode": ["mean", "cls"], **legacy}
    folder = folder_of(tmp_path, **{"1_Pooling/config.json": new})
    assert settings_of(folder)["pooling"] == "mean+cls"


DENSE = {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}
DENSE_FILE = {"in_features": 4, "out_features": 2}
ROUTER = {"path": "0_Router", "type": "sentence_transformers.base.modules.router.Router"}
MODEL = "config_sentence_transformers.json"
BERT = "sentence_bert_config.json"
POOLING = "1_Pooling/config.json"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modules.json": [ROUTER, *MODULES[1:]]}, "lists Router, Pooling, Normalize; supported"),
        (
            {"modules.json": [*MODULES[:2], {**DENSE, "type": "pylate.models.Dense"}]},
            "lists Transformer, Pooling, pylate.models.Dense; supported",
        ),
        ({"modules.json": [MODULES[0]]}, "lists Transformer; supported"),
        ({"modules.json": []}, "lists nothing; supported"),
        ({"modules.json": None}, "modules.json is missing beside config_sentence_transformers"),
        ({"modules.json": [{**MODULES[0], "path": "../x"}, MODULES[1]]}, "inside the encoder's"),
        (
            {"modules.json": [{**MODULES[0], "path": "x" * 300}, MODULES[1]]},
            "inside the encoder's",
        ),
        ({"modules.json": [{**MODULES[0], "kwargs": ["task"]}, MODULES[1]]}, "must be empty"),
        ({"modules.json": [{**part, "name": "0"} for part in MODULES]}, "have one name"),
        ({"modules.json": {}}, "expected list, found dict"),
        ({"modules.json": [1]}, "expected a list of objects"),
        ({"modules.json": "{"}, "cannot be read as JSON"),
        ({"modules.json": [{**MODULES[0], "path": "\ud800"}, MODULES[1]]}, "surrogates"),
        ({"modules.json": [{**MODULES[0], "path": "\0"}, MODULES[1]]}, "inside the encoder's"),
        ({POOLING: {"pooling_mode": "median"}}, "pooling median; supported are mean, cls"),
        ({POOLING: {"pooling_mode": []}}, "pooling none; supported"),
        ({POOLING: {"pooling_mode": ["cls", "cls"]}}, "each of them once"),
        ({POOLING: {}}, "pooling not named"),
        ({POOLING: None}, "cannot be read as JSON"),
        ({POOLING: {"pooling_mode": "cls", "weights": 1}}, "weights=1: the key is unknown"),
        ({POOLING: {"pooling_mode": "cls", "include_prompt": False}}, "include_prompt of its"),
        ({BERT: {"max_seq_length": 0}}, "max_seq_length=0: must be a number of tokens"),
        ({BERT: {"transformer_task": "fill-mask"}}, "transformer_task='fill-mask'"),
        ({BERT: {"modality_config": {"message": {}}}}, "only texts, by way of forward"),
        ({BERT: {"module_output_name": "sentence_embedding"}}, "module_output_name"),
        ({BERT: {"processing_kwargs": {"text": {"max_length": 9}}}}, "processing_kwargs=.*empty"),
        ({BERT: {"query_expansion": {"strategy": "fixed", "length": 32}}}, "query_expansion"),
        ({BERT: {"model_args": {"dtype": "float16"}}}, "model_args=.*must be empty"),
        ({BERT: {"layers": 3}}, "layers=3: the key is unknown here, and could change vectors"),
        ({MODEL: {"prompts": ["q"]}}, "prompts=.* valid dictionary"),
        ({MODEL: {"model_type": "SparseEncoder"}}, "model_type='SparseEncoder'"),
        ({MODEL: {"truncate_dim": 0}}, "truncate_dim=0"),
        ({MODEL: {"scale": 20}}, "scale=20: the key is unknown"),
        ({MODEL: {"similarity_fn_name": "euclidean"}}, "'euclidean' is not supported.*--simil"),
        ({MODEL: {"prompts": {"passage": "p: "}}}, "passage='p: ', but .*--passage-prefix"),
        ({MODEL: {"prompts": {"s": "s: "}, "default_prompt_name": "s"}}, "but every text in enc"),
        ({MODEL: {"default_prompt_name": "s"}}, "'s' is none of its prompts"),
        ({"config.json": {"auto_map": {"AutoModel": "a.B"}}}, "code of its own"),
        ({"config.json": {"quantization_config": {"bits": 4}}}, "quantised weights"),
        ({"adapter_config.json": {}}, "those of an adapter; merge it"),
        (
            {"modules.json": [*MODULES[:2], DENSE], "2_Dense/config.json": {"in_features": 4}},
            "2_Dense/config.json: out_features: is needed",
        ),
        (
            {
                "modules.json": [*MODULES[:2], DENSE],
                "2_Dense/config.json": {**DENSE_FILE, "module_input_name": "token_embeddings"},
            },
            "module_input_name='token_embeddings'",
        ),
    ],
)
def test_a_folder_that_would_give_other_vectors_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        settings_of(folder_of(tmp_path, **changes))


def test_what_is_in_doubt_can_be_named(tmp_path: Path) -> None:
    model = {
        "prompts": {"s": "s: ", "corpus": "c: "},
        "default_prompt_name": "s",
        "similarity_fn_name": "manhattan",
    }
    folder = folder_of(tmp_path, **{MODEL: model})
    with pytest.raises(InputError) as problem:
        settings_of(folder)
    assert len(str(problem.value).splitlines()) == 4
    chosen = {"query_prefix": "s: ", "passage_prefix": "", "similarity": "cosine"}
    assert settings_of(folder, **chosen).items() >= chosen.items()


def test_pooling_by_the_pooler_excludes_layers_of_the_folder(tmp_path: Path) -> None:
    changes = {"modules.json": [*MODULES[:2], DENSE], "2_Dense/config.json": DENSE_FILE}
    with pytest.raises(InputError, match="has a Dense module of its own"):
        settings_of(folder_of(tmp_path, **changes), pooling="pooler")
