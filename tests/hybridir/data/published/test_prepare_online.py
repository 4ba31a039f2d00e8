"""Preparing data from a server, as from the hub and from GitHub."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridir.data.published import download
from hybridir.data.published.catalogue import SQUAD, SWIM_IR, Declaration
from hybridir.data.published.prepare import prepare
from hybridir.data.readers.table import load_table
from hybridir.errors import InputError
from tests.support.miniatures import MINIATURES, checked_xquad_r, contents, parquet, write
from tests.support.serving import Site, serving
from tests.support.tiny import ROOT


@pytest.fixture
def lareqa(tmp_path: Path) -> Declaration:
    return checked_xquad_r(tmp_path / "raw")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "*")
    with serving({}) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        monkeypatch.setattr(download, "GITHUB", f"{site.url}/github")
        yield site


def publish(site: Site, declaration: Declaration, raw: Path) -> None:
    """Serve the files of a folder as those of every repository of a declaration."""
    for source in declaration.sources:
        commit = site.branches.get(source.revision, source.revision)
        root = f"/datasets/{source.repository}/resolve/{commit}"
        if source.host == "github":
            root = f"/github/{source.repository}/{commit}"
        site.files |= {f"{root}/{name}": body for name, body in contents(raw).items()}


@pytest.mark.parametrize("name", MINIATURES)
def test_downloaded_files_give_the_table_of_local_ones(
    name: str, hub: Site, tmp_path: Path
) -> None:
    declaration, languages = write(name, tmp_path / "raw")
    publish(hub, declaration, tmp_path / "raw")
    fetched, local = (
        prepare(declaration, tmp_path / out, languages=languages, from_folder=folder)
        for out, folder in (("a", None), ("b", tmp_path / "raw"))
    )
    assert fetched.read_text() == local.read_text()


def test_an_interrupted_preparation_continues_with_the_missing_files(
    hub: Site, tmp_path: Path
) -> None:
    write("squad", tmp_path / "raw")
    publish(hub, SQUAD, tmp_path / "raw")
    zh = next(path for path in hub.files if "/zh/" in path)
    body = hub.files.pop(zh)
    out = tmp_path / "out"
    prepare(SQUAD, out, languages=["de"])
    with pytest.raises(InputError, match=r"has no zh/xquad_xtreme-translate_train.parquet at"):
        prepare(SQUAD, out, languages=["de", "zh"])
    assert json.loads((out / f"{SQUAD.name}.manifest.json").read_text())["languages"] == ["de"]
    hub.files[zh] = body
    prepare(SQUAD, out, languages=["de", "zh"])
    assert len(hub.starts) == 2  # one download for each language


def test_a_prepared_table_needs_no_network(
    hub: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("swim-ir", tmp_path / "raw")
    publish(hub, SWIM_IR, tmp_path / "raw")
    manifest = prepare(SWIM_IR, tmp_path / "out", languages=["de"])
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    lines: list[str] = []
    prepare(SWIM_IR, tmp_path / "out", languages=["de"], say=lines.append)
    assert lines == [f"{manifest}: already there"]


@pytest.mark.slow
def test_a_killed_process_leaves_no_file_that_is_half_written_under_its_name(
    hub: Site, tmp_path: Path
) -> None:
    texts = [random.Random(number).randbytes(500).hex() for number in range(4000)]
    rows = [
        {"_id": str(number), "query": f"{number}?", "title": "", "text": text}
        for number, text in enumerate(texts)
    ]
    parquet(tmp_path / "raw/de/train-00000-of-00001.parquet", rows)
    publish(hub, SWIM_IR, tmp_path / "raw")
    hub.hang_after = 1000
    out = tmp_path / "out"
    options = ["--out", str(out), "--languages", "de"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hybridir", "data", "prepare", SWIM_IR.name, *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    hub.silent.wait()
    while process.poll() is None and not list(out.rglob("*.incomplete")):
        os.sched_yield()
    process.kill()
    process.wait()
    assert not list(out.rglob("*.parquet"))
    prepare(SWIM_IR, out, languages=["de"])
    assert len(load_table(out / f"{SWIM_IR.name}.parquet")) == 4000
    assert not list(out.rglob("*.incomplete"))


def test_a_file_that_changed_on_disk_is_fetched_again(hub: Site, tmp_path: Path) -> None:
    write("swim-ir", tmp_path / "raw")
    publish(hub, SWIM_IR, tmp_path / "raw")
    prepare(SWIM_IR, tmp_path / "out", languages=["de"])
    (file,) = (tmp_path / "out" / "downloads").rglob("*.parquet")
    content = file.read_bytes()
    file.write_bytes(b"damaged")
    prepare(SWIM_IR, tmp_path / "out", languages=["de", "yo"])
    assert file.read_bytes() == content


def test_a_file_whose_content_differs_from_the_hubs_sha_256_leaves_no_table(
    hub: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("swim-ir", tmp_path / "raw")
    publish(hub, SWIM_IR, tmp_path / "raw")
    honest = dict(hub.files)
    monkeypatch.setattr(hub, "listing", Site(honest).listing)
    hub.files |= {name: body + b"\0" for name, body in honest.items()}
    with pytest.raises(InputError, match=r"de/train-00000-of-00001.parquet: SHA-256 .* expected"):
        prepare(SWIM_IR, tmp_path / "out", languages=["de"])
    assert contents(tmp_path / "out") == {}


def test_revision_chooses_another_commit(hub: Site, tmp_path: Path) -> None:
    write("swim-ir", tmp_path / "raw")
    hub.branches = {"refs/convert/parquet": "5" * 40}
    publish(hub, SWIM_IR.at("refs/convert/parquet"), tmp_path / "raw")
    with pytest.raises(InputError, match=r"has no commit or branch 834c20f0.*--revision"):
        prepare(SWIM_IR, tmp_path / "out", languages=["de"])
    manifest = prepare(SWIM_IR.at("refs/convert/parquet"), tmp_path / "out", languages=["de"])
    assert json.loads(manifest.read_text())["source"][0]["revision"] == "refs/convert/parquet"


def test_a_folder_without_such_files_is_named(hub: Site, tmp_path: Path) -> None:
    (tmp_path / "raw" / "de").mkdir(parents=True)
    (tmp_path / "raw" / "de" / "test-0.parquet").touch()
    publish(hub, SWIM_IR, tmp_path / "raw")
    with pytest.raises(InputError, match=r"has no de/train-\*.parquet at 834c20f0.*--revision"):
        prepare(SWIM_IR, tmp_path / "out", languages=["de"])


def test_lareqas_files_come_from_github_and_are_checked(
    lareqa: Declaration, hub: Site, tmp_path: Path
) -> None:
    publish(hub, lareqa, tmp_path / "raw")
    prepare(lareqa, tmp_path / "out")
    copied = contents(tmp_path / "out" / "xquad-r")
    assert copied == contents(tmp_path / "raw" / "xquad-r")

    hub.files = {name: body.replace(b"Bob", b"Eve") for name, body in hub.files.items()}
    with pytest.raises(InputError, match=r"xquad-r/de.json: SHA256 .*expected .*Deleted"):
        prepare(lareqa, tmp_path / "other")
    assert contents(tmp_path / "other") == {}
