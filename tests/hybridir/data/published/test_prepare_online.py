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
    for part in declaration.parts:
        root = f"/datasets/{part.repository}/resolve/{part.revision}"
        if part.host == "github":
            root = f"/github/{part.repository}/{part.revision}"
        site.files |= {f"{root}/{name}": body for name, body in contents(raw).items()}


@pytest.mark.parametrize("name", MINIATURES)
def test_downloaded_files_give_the_table_of_local_ones(
    name: str, hub: Site, tmp_path: Path
) -> None:
    declaration, languages = write(name, tmp_path / "raw")
    publish(hub, declaration, tmp_path / "raw")
    fetched, local = (
        prepare(declaration, tmp_path / out, languages=languages, source=source)
        for out, source in (("a", None), ("b", tmp_path / "raw"))
    )
    assert fetched.read_text() == local.read_text()


def test_an_interrupted_download_goes_on_and_a_finished_one_is_not_repeated(
    hub: Site, tmp_path: Path
) -> None:
    write("squad", tmp_path / "raw")
    publish(hub, SQUAD, tmp_path / "raw")
    out = tmp_path / "out"
    hub.cuts = [10**6, 500, 0]  # the second file breaks off twice
    with pytest.raises(InputError, match=r"zh/.*: the connection was cut off; 500 bytes are kept"):
        prepare(SQUAD, out, languages=["de", "zh"])
    assert not list(out.glob("*.parquet")) + list(out.glob("*.json"))
    assert hub.starts == [0, 0, 500]
    prepare(SQUAD, out, languages=["de", "zh"])
    assert hub.starts == [0, 0, 500, 500]
    prepare(SQUAD, out, languages=["de", "zh"])
    prepare(SQUAD, out, languages=["de"])
    assert hub.starts == [0, 0, 500, 500]


def test_a_process_that_is_killed_loses_nothing_that_had_arrived(
    hub: Site, tmp_path: Path
) -> None:
    texts = [random.Random(number).randbytes(500).hex() for number in range(4000)]
    rows = [
        {"_id": str(number), "query": f"{number}?", "title": "", "text": text}
        for number, text in enumerate(texts)
    ]
    parquet(tmp_path / "raw/de/train-00000-of-00001.parquet", rows)
    publish(hub, SWIM_IR, tmp_path / "raw")
    (size,) = map(len, hub.files.values())
    hub.hang_after = size - 1000
    out = tmp_path / "out"
    options = ["--out", str(out), "--languages", "de"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hybridir", "data", "prepare", SWIM_IR.name, *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    hub.silent.wait()
    # What was sent is on its way, and reaches the disk.
    while process.poll() is None and sum(map(len, contents(out).values())) < size - 1000:
        os.sched_yield()
    process.kill()
    process.wait()
    (partial,) = out.rglob("*.partial")
    assert partial.stat().st_size == size - 1000
    prepare(SWIM_IR, out, languages=["de"])
    assert hub.starts == [0, size - 1000]
    assert len(load_table(out / f"{SWIM_IR.name}.parquet")) == 4000


def test_a_file_that_changed_on_disk_is_fetched_again(hub: Site, tmp_path: Path) -> None:
    write("swim-ir", tmp_path / "raw")
    publish(hub, SWIM_IR, tmp_path / "raw")
    prepare(SWIM_IR, tmp_path / "out", languages=["de"])
    (file,) = (tmp_path / "out" / "downloads").rglob("*.parquet")
    content = file.read_bytes()
    file.write_bytes(b"damaged")
    prepare(SWIM_IR, tmp_path / "out", languages=["de", "yo"])
    assert file.read_bytes() == content


def test_a_file_that_the_hub_serves_otherwise_than_it_says_leaves_no_table(
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


def test_another_commit_can_be_asked_for(hub: Site, tmp_path: Path) -> None:
    write("swim-ir", tmp_path / "raw")
    publish(hub, SWIM_IR.at("refs/convert/parquet"), tmp_path / "raw")
    with pytest.raises(InputError, match="the server answered 404"):
        prepare(SWIM_IR, tmp_path / "out", languages=["de"])
    manifest = prepare(SWIM_IR.at("refs/convert/parquet"), tmp_path / "out", languages=["de"])
    assert json.loads(manifest.read_text())["source"][0]["revision"] == "refs/convert/parquet"


def test_a_folder_without_such_files_says_so(hub: Site, tmp_path: Path) -> None:
    (tmp_path / "raw" / "de").mkdir(parents=True)
    (tmp_path / "raw" / "de" / "test-0.parquet").touch()
    publish(hub, SWIM_IR, tmp_path / "raw")
    with pytest.raises(InputError, match=r"has no de/train-\*.parquet at 834c20f0.*--revision"):
        prepare(SWIM_IR, tmp_path / "out", languages=["de"])


def test_lareqas_files_come_from_github_and_are_checked(
    lareqa: Declaration, hub: Site, tmp_path: Path
) -> None:
    publish(hub, lareqa, tmp_path / "raw")
    hub.cuts = [7]
    prepare(lareqa, tmp_path / "out")
    assert hub.starts == [0, 7, 0]
    copied = contents(tmp_path / "out" / "xquad-r")
    assert copied == contents(tmp_path / "raw" / "xquad-r")

    hub.files = {name: body.replace(b"Bob", b"Eve") for name, body in hub.files.items()}
    with pytest.raises(InputError, match=r"xquad-r/de.json: SHA-256 .*, expected .*deleted"):
        prepare(lareqa, tmp_path / "other")
    assert contents(tmp_path / "other") == {}
