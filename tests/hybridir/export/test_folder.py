import json
from pathlib import Path

import numpy as np
import pytest

from hybridir.encoder.third_party import folder_digest
from hybridir.errors import InputError
from hybridir.export.folder import MANIFEST, write_export
from hybridir.export.provenance import read_facts

TRIAL = "trials/confirm-a0.5-s0"


def write_copy(run: Path, out: Path) -> None:
    trial = run / TRIAL
    write_export(trial, read_facts(trial), out, name="mine", license_id=None)


@pytest.mark.filterwarnings("ignore")
def test_sentence_transformers_embeds_alike_from_the_export_and_from_its_source(
    trained: Path, tmp_path: Path
) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    write_copy(trained, tmp_path / "out")
    folders = (trained / TRIAL / "encoder", tmp_path / "out")
    source, copy = (
        sentence_transformers.SentenceTransformer(str(folder), device="cpu") for folder in folders
    )
    texts = ["some words", "und andere"]
    np.testing.assert_array_equal(source.encode_query(texts), copy.encode_query(texts))
    np.testing.assert_array_equal(source.encode_document(texts), copy.encode_document(texts))


def test_the_manifest_names_the_weights_and_no_local_path_is_left(
    run: Path, tmp_path: Path
) -> None:
    path = run / TRIAL / "config.json"
    config = json.loads(path.read_text())
    config["data"]["data_root"] = "/home/somebody/data"
    path.write_text(json.dumps(config))
    write_copy(run, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    digest = folder_digest(run / TRIAL / "encoder")
    assert manifest == {
        "study": "small",
        "run": "run-001",
        "trial": "confirm-a0.5-s0",
        "encoder_digest": digest,
    }
    written = (tmp_path / "out" / "hybridir_trial.json").read_text()
    assert json.loads(written)["data"]["data_root"] == "data"
    for file in tmp_path.joinpath("out").rglob("*.*"):
        assert file.suffix == ".safetensors" or "somebody" not in file.read_text()


def test_an_earlier_export_is_replaced_and_anything_else_is_not(
    trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write_copy(trained, out)
    (out / "stale").touch()
    write_copy(trained, out)
    assert not (out / "stale").exists()
    manifest = json.loads((out / MANIFEST).read_text())
    (out / MANIFEST).write_text(json.dumps(manifest | {"study": "other"}))
    message = "holds the export of other run-001 confirm-a0.5-s0, not of small run-001 confirm"
    with pytest.raises(InputError, match=message):
        write_copy(trained, out)
    (out / MANIFEST).unlink()
    with pytest.raises(InputError, match="this holds other files"):
        write_copy(trained, out)
    with pytest.raises(InputError, match="inside the encoder's own folder"):
        write_copy(trained, trained / TRIAL / "encoder" / "out")


def test_an_encoder_whose_files_give_other_vectors_is_not_exported(
    run: Path, tmp_path: Path
) -> None:
    prompts = run / TRIAL / "encoder" / "config_sentence_transformers.json"
    prompts.write_text(json.dumps({"prompts": {"query": "other: ", "document": "passage: "}}))
    with pytest.raises(InputError, match="give other vectors than the trial's"):
        write_copy(run, tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == []
