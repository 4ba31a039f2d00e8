"""Pins the base image and the GitHub actions by digest, so that a name cannot come to mean others.

    python .ci/pin.py

Reads the digest of `FROM IMAGE:TAG` from Docker Hub's registry and the commit of
`uses: ACTION@TAG` from GitHub, and writes them beside the tag. What is pinned already is looked up
again. A name that cannot be looked up stays as it is, is named, and makes the exit code 1.
"""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_IMAGE = re.compile(r"(?P<before>FROM )(?P<name>[\w./-]+):(?P<tag>[\w.-]+)(@sha256:[0-9a-f]{64})?")
_ACTION = re.compile(
    r"(?P<before>uses: )(?P<name>[\w.-]+/[\w./-]+)@(?:[0-9a-f]{40} # )?(?P<tag>[\w./-]+)"
)
# Of an index of images for several platforms, the index itself.
_INDEX = "application/vnd.oci.image.index.v1+json"


def image_digest(name: str, tag: str) -> str:
    """Ask Docker Hub for an image's digest."""
    repository = name if "/" in name else f"library/{name}"
    scope = f"service=registry.docker.io&scope=repository:{repository}:pull"
    with urllib.request.urlopen(f"https://auth.docker.io/token?{scope}", timeout=30) as answer:
        token = json.load(answer)["token"]
    request = urllib.request.Request(
        f"https://registry-1.docker.io/v2/{repository}/manifests/{tag}",
        method="HEAD",
        headers={"Authorization": f"Bearer {token}", "Accept": _INDEX},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.headers["Docker-Content-Digest"])


def action_commit(name: str, tag: str) -> str:
    """Ask GitHub for the commit of a tag or a branch; of an annotated tag, that of its object."""
    address = "https://github.com/" + "/".join(name.split("/")[:2])
    listed = subprocess.check_output(
        ["git", "ls-remote", address, f"refs/tags/{tag}*", f"refs/heads/{tag}"], text=True
    )
    commits = {ref: commit for commit, ref in (line.split() for line in listed.splitlines())}
    for ref in (f"refs/tags/{tag}^{{}}", f"refs/tags/{tag}", f"refs/heads/{tag}"):
        if ref in commits:
            return commits[ref]
    raise LookupError(f"{address} has no {tag}")


def pinned(text: str, pattern: re.Pattern[str], look_up: Callable[[str, str], str]) -> str:
    """Pin every name of a text that can be looked up."""

    def pin(match: re.Match[str]) -> str:
        name, tag = match["name"], match["tag"]
        try:
            digest = look_up(name, tag)
        except (OSError, LookupError, subprocess.CalledProcessError) as error:
            print(f"{name} {tag}: not pinned: {error}", file=sys.stderr)
            unknown.append(name)
            return match[0]
        print(f"{name} {tag}: {digest}")
        if pattern is _IMAGE:
            return f"{match['before']}{name}:{tag}@{digest}"
        return f"{match['before']}{name}@{digest} # {tag}"

    return pattern.sub(pin, text)


unknown: list[str] = []


def main() -> int:
    """Pin the names in all files that have some; return the exit code."""
    files = [(ROOT / "deploy" / "Dockerfile", _IMAGE, image_digest)]
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    files += [(path, _ACTION, action_commit) for path in workflows]
    for path, pattern, look_up in files:
        path.write_text(pinned(path.read_text(), pattern, look_up))
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
