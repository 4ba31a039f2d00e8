"""An encoder copied whole to a folder of its own, checked, with its card."""

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
from hybridir.encoder import load_encoder, load_tokenizer
from hybridir.encoder.load import tokenise
from hybridir.encoder.third_party import encoder_settings, folder_digest
from hybridir.errors import InputError
from hybridir.export.model_card import CONFIG, model_card
from hybridir.export.provenance import Facts
from hybridir.retrieval.encode import encode
from hybridir.runtime.files import replacing

MANIFEST = "hybridir_export.json"
# Short, in four scripts; what they say does not matter.
_QUERIES = ("Where is the river?", "Wo ist der Fluss?", "नदी कहाँ है?", "河在哪里?")
_PASSAGES = ("It is in the north.", "Er liegt im Norden.", "वह उत्तर में है।", "在北方。")
# The copy has the same weights and takes the same path, on one machine to the last bit; what is
# caught is another pooling, prompt or tokenizer, which moves vectors by far more.
_TOLERANCE = 1e-6


def write_export(
    trial: Path, facts: Facts, out: Path, *, name: str, license_id: str | None
) -> None:
    """Copy a trial's encoder, check it against its source, and write its card.

    Args:
        trial: the trial's folder.
        facts: what is known about it.
        out: where; the folder is whole or absent. An earlier export there is replaced.
        name: of the model.
        license_id: see `hybridir.export.model_card.model_card`.

    Raises:
        InputError: if something else is at `out`, or the copy does not load or gives other
            vectors than its source.
    """
    source = trial / names.ARTIFACT_ENCODER
    _check_free(out, source)
    with replacing(out) as part:
        shutil.copytree(source, part)
        _check_same(facts.config.encoder, source, part)
        digest = folder_digest(part)
        config = json.dumps(_without_folders(facts.config.model_dump()), indent=1)
        (part / CONFIG).write_text(config + "\n", encoding="utf-8")
        card = model_card(facts, name, license_id)
        (part / "README.md").write_text(card, encoding="utf-8")
        manifest = {
            "study": facts.study,
            "run": facts.run,
            "trial": facts.trial,
            "encoder_digest": digest,
        }
        (part / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _check_free(out: Path, source: Path) -> None:
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(f"--out {out}: lies in the encoder's own folder; choose another one")
    if out.is_dir() and (not any(out.iterdir()) or (out / MANIFEST).is_file()):
        return
    if out.exists():
        raise InputError(
            f"--out {out}: something else is there, and would be lost; choose a folder that is "
            "not there yet, is empty, or holds an earlier export"
        )


def _check_same(trained: EncoderConfig, source: Path, copy: Path) -> None:
    """Embed a few texts with both, the copy as its own files ask for."""
    own = {"path": source, "hub": None, "from_scratch": None}
    before = trained.model_copy(update=own)
    found = encoder_settings(copy)
    if trained.pooling == "pooler":  # such a folder says nothing about its use
        found = before.model_dump() | {"path": copy}
    after = EncoderConfig.model_validate(found)
    with TemporaryDirectory(prefix="hybridir-") as cache:
        pairs = zip(_vectors(before, Path(cache)), _vectors(after, Path(cache)), strict=True)
        worst = max(float(np.abs(one - other).max()) for one, other in pairs)
    if not worst <= _TOLERANCE:
        raise InputError(
            f"{source}: its own files (modules.json, 1_Pooling, prompts) ask for other vectors "
            f"than those of the trial, by {worst:.2g}; has it been changed since it was trained?"
        )


def _vectors(config: EncoderConfig, cache: Path) -> list[NDArray[np.float32]]:
    tokenizer = load_tokenizer(config, [], "", cache)
    encoder = load_encoder(config, tokenizer, seed=0).eval()
    tables = tokenise(config, tokenizer, _QUERIES, _PASSAGES, cache, str(config.path))
    return [encode(encoder, table, batch_tokens=4096) for table in tables]


def _without_folders(content: Any) -> Any:
    """The same settings with every path cut to its last part: others have other folders."""
    if isinstance(content, Path):
        return content.name
    if isinstance(content, Mapping):
        return {key: _without_folders(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_folders(value) for value in content]
    return content
