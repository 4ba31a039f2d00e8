"""Exports an encoder: a checked copy in a folder of its own, with its model card."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridir import names
from hybridir.config import EncoderConfig
from hybridir.config.trial import POOLER
from hybridir.encoder import load_bi_encoder, load_tokenizer
from hybridir.encoder.load import tokenise
from hybridir.encoder.third_party import folder_digest, resolve
from hybridir.errors import InputError
from hybridir.export.model_card import CONFIG_FILE, model_card
from hybridir.export.provenance import Facts
from hybridir.retrieval.encode import encode
from hybridir.runtime.files import atomic_write, read_json

MANIFEST = "hybridir_export.json"
# Short texts in four scripts; their meaning does not matter.
_QUERIES = ("Where is the river?", "Wo ist der Fluss?", "नदी कहाँ है?", "河在哪里?")
_PASSAGES = ("It is in the north.", "Er liegt im Norden.", "वह उत्तर में है।", "在北方。")
# On one machine the copy gives the same vectors to the last bit. Another pooling, prompt or
# tokenizer moves them by far more.
_TOLERANCE = 1e-6


def write_export(
    trial: Path, facts: Facts, out: Path, *, name: str, license_id: str | None
) -> None:
    """Copy a trial's encoder, check it against its source, and write its card.

    Args:
        trial: the trial's folder.
        facts: recorded facts about it.
        out: folder of the export, whole or absent; an earlier export of this trial is replaced.
        name: name of the model.
        license_id: see `hybridir.export.model_card.model_card`.

    Raises:
        InputError: if `out` holds other files, or another trial's export, or the copy does not
            load or gives other vectors than its source.
    """
    source = trial / names.ARTIFACT_ENCODER
    origin = {"study": facts.study, "run": facts.run, "trial": facts.trial}
    _check_free(out, source, origin)
    with atomic_write(out) as copy:
        shutil.copytree(source, copy)
        _check_same(facts.config.encoder, source, copy)
        digest = folder_digest(copy)
        config = json.dumps(_without_folders(facts.config.model_dump()), indent=1)
        (copy / CONFIG_FILE).write_text(config + "\n", encoding="utf-8")
        card = model_card(facts, name, license_id)
        (copy / "README.md").write_text(card, encoding="utf-8")
        manifest = origin | {"encoder_digest": digest}
        (copy / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _check_free(out: Path, source: Path, origin: dict[str, str]) -> None:
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(
            f"--out {out}: this is inside the encoder's own folder; choose another folder"
        )
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST).is_file():
        raise InputError(
            f"--out {out}: this holds other files, which would be lost; choose a folder that does "
            "not exist yet, is empty, or holds an earlier export of this trial"
        )
    remedy = "choose another folder, or remove this one"
    manifest = read_json(out / MANIFEST, dict[str, Any], remedy)
    before = {key: manifest.get(key) for key in origin}
    if before != origin:
        raise InputError(
            f"--out {out}: this holds the export of {_called(before)}, not of {_called(origin)}, "
            f"and would be lost; {remedy}"
        )


def _called(origin: Mapping[str, Any]) -> str:
    parts = filter(None, (origin["study"], origin["run"], origin["trial"]))
    return " ".join(map(str, parts))


def _check_same(trained: EncoderConfig, source: Path, copy: Path) -> None:
    """Embed a few texts with both encoders; the copy follows the settings in its own files."""
    origin = {"path": source, "hub": None, "from_scratch": None}
    before = trained.model_copy(update=origin)
    after = resolve(EncoderConfig(path=copy))
    if trained.pooling == POOLER:  # such a folder does not record its pooling and prompts
        after = resolve(before).model_copy(update={"path": copy})
    with TemporaryDirectory(prefix="hybridir-") as cache:
        pairs = zip(_vectors(before, Path(cache)), _vectors(after, Path(cache)), strict=True)
        worst = max(float(np.abs(old - new).max()) for old, new in pairs)
    if not worst <= _TOLERANCE:
        raise InputError(
            f"{source}: the settings in its files (modules.json, 1_Pooling, prompts) give other "
            f"vectors than the trial's, by {worst:.2g}; check whether files have changed since "
            "training, or train again"
        )


def _vectors(config: EncoderConfig, cache: Path) -> list[NDArray[np.float32]]:
    tokenizer = load_tokenizer(config, [], "", cache)
    encoder = load_bi_encoder(config, tokenizer, seed=0).eval()
    tables = tokenise(config, tokenizer, _QUERIES, _PASSAGES, cache, str(config.path))
    return [encode(encoder, table, batch_tokens=4096) for table in tables]


def _without_folders(content: Any) -> Any:
    """Cut every path in the settings to its last part, since other users have other folders."""
    if isinstance(content, Path):
        return content.name
    if isinstance(content, Mapping):
        return {key: _without_folders(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_folders(value) for value in content]
    return content
