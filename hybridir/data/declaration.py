"""What is known of published data before they are fetched: where, which commit, what a row is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from hybridir.errors import InputError

Layout = Literal["lareqa", "squad", "judged", "parallel", "synthetic", "synthetic-english"]


@dataclass(frozen=True)
class Part:
    """Files of one repository at one commit.

    Attributes:
        repository: ``owner/name``.
        revision: the commit that pins the files, 40 hexadecimal digits.
        files: what the files hold -> their paths in the repository. ``{config}`` stands for the
            language there, and the last part of a path may have wildcards. A path without
            ``{config}`` belongs to all languages.
        configs: language code -> how the repository names the language.
        host: the Hugging Face hub (a data set there), or GitHub.
        sha256: path -> SHA-256 of the file. The hub tells those of its files itself.
    """

    repository: str
    revision: str
    files: Mapping[str, str]
    configs: Mapping[str, str]
    host: Literal["hub", "github"] = "hub"
    sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Declaration:
    """One published data set.

    Attributes:
        name: what the user calls it.
        kind: what it was made of, in a few words.
        layout: how its files are read; see `hybridir.data.published`.
        parts: where the files are; each language is in one of them.
        row: what one row of the training table is.
        licence: as its publisher states it.
        citation: a paper.
        relies_on: the public sources of schema, paths and commits.
        notes: what one has to know before training on it.
        rows: published number of rows, where one is stated.
    """

    name: str
    kind: str
    layout: Layout
    parts: tuple[Part, ...]
    row: str
    licence: str
    citation: str
    relies_on: str
    notes: str
    rows: str | None = None

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of all its languages, sorted."""
        return tuple(sorted({code for part in self.parts for code in part.configs}))

    def at(self, revision: str) -> "Declaration":
        """The same data at another commit of the first repository.

        Raises:
            InputError: if the files are checked against what they were at their own commit.
        """
        first, *others = self.parts
        if first.sha256:
            raise InputError(
                f"{self.name}: its files are checked against their SHA-256 at {first.revision}; "
                "leave --revision out"
            )
        return replace(self, parts=(replace(first, revision=revision), *others))
