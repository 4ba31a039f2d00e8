import json
from pathlib import Path
from typing import Any

import pytest

from hybridir.encoder.third_party import encoder_settings, folder_digest, local_folder
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


def test_a_sentence_transformers_folder_gives_pooling_prompts_and_length(
    tmp_path: Path,
) -> None:
    assert encoder_settings(folder_of(tmp_path)) == {
        "path": tmp_path,
        "pooling": "mean",
        "query_prefix": "q: ",
        "passage_prefix": "d: ",
        "query_length": 128,
        "passage_length": 128,
    }


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
    settings = encoder_settings(folder_of(tmp_path, **new))
    assert (settings["pooling"], settings["query_prefix"]) == ("cls", "")
    assert settings["passage_prefix"] == ""
    assert settings["passage_length"] == 512, "the most that EncoderConfig takes"


def test_a_plain_folder_leaves_the_defaults(tmp_path: Path) -> None:
    assert encoder_settings(tmp_path) == {"path": tmp_path}


DENSE = {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modules.json": [*MODULES[:2], DENSE]}, "lists Transformer, Pooling, Dense"),
        ({"modules.json": [{**MODULES[0], "path": "0_T"}, MODULES[1]]}, "must lie in the folder"),
        ({"modules.json": {}}, "expected list, found dict"),
        ({"modules.json": [1]}, "expected a list of objects"),
        ({"modules.json": "{"}, "cannot be read as JSON"),
        ({"1_Pooling/config.json": {"pooling_mode_max_tokens": True}}, "pooling max; supported"),
        ({"1_Pooling/config.json": {"pooling_mode": ["cls", "mean"]}}, "pooling cls and mean"),
        ({"1_Pooling/config.json": {}}, "pooling not named"),
        ({"1_Pooling/config.json": None}, "cannot be read as JSON"),
        (
            {"1_Pooling/config.json": {"pooling_mode": "cls", "include_prompt": False}},
            "include_prompt is off",
        ),
        ({"sentence_bert_config.json": {}}, "do not say how long"),
        ({"config_sentence_transformers.json": {"prompts": ["q"]}}, "is not an object of texts"),
        ({"modules.json": [{**MODULES[0], "path": "\ud800"}, MODULES[1]]}, "surrogates"),
        ({"modules.json": [{**MODULES[0], "path": "\0"}, MODULES[1]]}, "no file name may have"),
    ],
)
def test_a_folder_that_would_give_other_vectors_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        encoder_settings(folder_of(tmp_path, **changes))


def test_the_digest_changes_with_the_files_that_decide_vectors(tmp_path: Path) -> None:
    before = folder_digest(folder_of(tmp_path))
    (tmp_path / "README.md").write_text("a document")
    assert folder_digest(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(b"1")
    with_weights = folder_digest(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "other.safetensors")
    assert len({before, with_weights, folder_digest(tmp_path)}) == 3


def test_a_hub_id_needs_its_commit_and_a_folder_has_none(tmp_path: Path) -> None:
    assert local_folder(str(tmp_path), None) == tmp_path
    with pytest.raises(InputError, match="is a folder, which has none"):
        local_folder(str(tmp_path), "main")
    with pytest.raises(InputError, match="no such folder; a hub id needs its revision"):
        local_folder("owner/name", None)


def test_a_failed_fetch_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"^owner/name at abc cannot be fetched: [^\n]+$"):
        local_folder("owner/name", "abc")
