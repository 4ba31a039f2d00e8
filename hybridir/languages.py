"""The languages of the data: their codes in any usual spelling, names and scripts.

A language is told by its normalised tag (`tag_of`) after BCP 47, which the library langcodes makes
of any usual spelling: ``EN``, ``eng``, ``en``; ``iw``, ``he``; ``pt_BR``, ``pt-BR``. It is shown
as the data spell it first. Regional variants and other scripts are languages of their own. A code
that no standard knows is a label, whose letters' case does not count.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from hybridir.errors import InputError
from hybridir.names import ALL_LANGUAGES

# A setting: codes to keep, mappings of codes to those that they are called by, or one mapping
# alone, which keeps all languages.
LanguageSetting = Sequence[str | Mapping[str, str]] | Mapping[str, str]

# RFC 5646, section 4.4.1: the longest tag of registered subtags without extensions.
_LONGEST: Final = 35
_CODE = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")
# Of the synthetic corpus; after the range qaa to qtz that ISO 639-2 reserves for local use.
PSEUDO_LANGUAGES: Final = {
    "qa": ("Alna", "Latn"),
    "qb": ("Berik", "Latn"),
    "qc": ("Chonu", "Grek"),
    "qd": ("Dalme", "Latn"),
    "qe": ("Ekhoi", "Latn"),
}
# CLDR's name is newer than those of the data sets.
_NAMES: Final = {"bn": "Bengali"}


@lru_cache(maxsize=1 << 16)
def tag_of(code: str) -> str:
    """Normalise a code: equal tags are one language.

    Args:
        code: a language code in any usual spelling, or a label.

    >>> [tag_of(code) for code in ("EN", "eng", "en_US", "iw", "zho-hans", "Label-1")]
    ['en', 'en', 'en-US', 'he', 'zh-Hans', 'label-1']
    """
    # .1 s to import, which a command without data need not spend.
    from langcodes import standardize_tag
    from langcodes.tag_parser import LanguageTagError

    try:
        return standardize_tag(code)
    except LanguageTagError:
        return code.replace("_", "-").lower()


@lru_cache(maxsize=1 << 16)
def base_of(code: str) -> str:
    """The language of a code without region and script; of a label, the label.

    Languages that stand for their macrolanguage in practice are called by its code.

    >>> [base_of(code) for code in ("en-US", "cmn", "arb_Arab", "zh-Hant")]
    ['en', 'zh', 'ar', 'zh']
    """
    from langcodes import Language, standardize_tag

    if not is_standard(code):
        return tag_of(code)
    return Language.get(standardize_tag(code, macro=True)).language or tag_of(code)


@lru_cache(maxsize=1 << 16)
def is_standard(code: str) -> bool:
    """Whether a standard knows a code: ISO 639, or BCP 47 with its private tags.

    >>> is_standard("pl"), is_standard("x-mine"), is_standard("xx"), is_standard("qa")
    (True, True, False, False)
    """
    from langcodes import tag_is_valid

    return tag_is_valid(code)


@lru_cache(maxsize=1 << 16)
def name_of(code: str) -> str:
    """English name of a language; the code itself where it has none, or not one of its own.

    >>> name_of("pl"), name_of("pt-BR"), name_of("qa"), name_of("label-1")
    ('Polish', 'Portuguese (Brazil)', 'Alna', 'label-1')
    """
    from langcodes import Language

    tag = tag_of(code)
    if tag in PSEUDO_LANGUAGES:
        return PSEUDO_LANGUAGES[tag][0]
    if tag in _NAMES:
        return _NAMES[tag]
    if tag == ALL_LANGUAGES or not is_standard(code):  # the pool of all, no language
        return code
    language = Language.get(tag)
    named = Language.make(language.language, None, language.script, language.territory)
    name = language.display_name()
    return name if named.to_tag() == tag and not name.startswith("Unknown") else code


@lru_cache(maxsize=1 << 16)
def script_of(code: str) -> str | None:
    """ISO 15924 code of the script in which a language is mostly written; None if nobody says.

    >>> script_of("pl"), script_of("zh-TW"), script_of("sr-Latn"), script_of("label-1")
    ('Latn', 'Hant', 'Latn', None)
    """
    from langcodes import Language
    from langcodes.data_dicts import LIKELY_SUBTAGS

    tag = tag_of(code)
    if tag in PSEUDO_LANGUAGES:
        return PSEUDO_LANGUAGES[tag][1]
    if not is_standard(code):
        return None
    language = Language.get(tag)
    # Of a language without an entry of its own the library says that it is written as English is.
    entries = LIKELY_SUBTAGS.keys() & set(language.broader_tags()) - {"und"}
    return language.script or (language.maximize().script if entries else None)


def is_english(code: str) -> bool:
    """Whether a code is English or a variant of it."""
    return base_of(code) == "en"


def find_english(codes: Sequence[str]) -> int | None:
    """Position of English among the languages of a benchmark.

    Returns:
        That of English without a region, or else of its only variant; None where neither is there.

    >>> find_english(["de", "EN", "en-GB"]), find_english(["de", "en-GB"]), find_english(["de"])
    (1, 1, None)
    """
    variants = [position for position, code in enumerate(codes) if is_english(code)]
    plain = [position for position in variants if tag_of(codes[position]) == "en"]
    return next((group[0] for group in (plain, variants) if len(group) == 1), None)


def code_problem(code: str) -> str | None:
    """Say why a text cannot be the code of a language; None if it can.

    Codes become file names, HTML and LaTeX.

    >>> code_problem("pt_BR"), code_problem("p/t")
    (None, "'p/t' is no language code: it holds letters, digits and hyphens, such as 'p-t'")
    """
    shown = f"{code[:_LONGEST]!r}{'...' * (len(code) > _LONGEST)}"
    if not _CODE.fullmatch(code):
        words = re.findall(r"[A-Za-z0-9]+", code.partition(".")[0])
        mended = "-".join(words) if words else "pt-BR"
        return (
            f"{shown} is no language code: it holds letters, digits and hyphens, such as "
            f"{mended[:_LONGEST]!r}"
        )
    if len(code) > _LONGEST:
        return f"{shown} is no language code: it has {len(code)} letters, {_LONGEST} are the most"
    if code.lower() == ALL_LANGUAGES:
        return (
            f"{shown} names the pool of all languages; call the language by another code, such "
            "as 'all-IN' or 'x-all'"
        )
    return None


class Spellings:
    """Spells each language as it was spelled first, with hyphens.

    >>> spell = Spellings()
    >>> [spell(code) for code in ("EN", "en_US", "eng", "en-us")]
    ['EN', 'en-US', 'EN', 'en-US']
    """

    def __init__(self) -> None:
        self._of_tag: dict[str, str] = {}
        self._of_code: dict[str, str] = {}

    def __call__(self, code: str) -> str:
        """The first spelling of a code's language."""
        shown = self._of_code.get(code)
        if shown is None:
            shown = self._of_tag.setdefault(tag_of(code), code.replace("_", "-"))
            self._of_code[code] = shown
        return shown


@dataclass(frozen=True)
class LanguageChoice:
    """The languages of a data set that a setting keeps, and the codes that it calls them by.

    Attributes:
        setting: the setting; None keeps all languages.
        chosen: codes to keep; None for all.
        renamed: tag -> code that its language is called by.
    """

    setting: LanguageSetting | None
    chosen: tuple[str, ...] | None = field(init=False)
    renamed: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Take the setting apart."""
        alone = self.setting is None or isinstance(self.setting, Mapping)
        chosen = tuple(name for _, name in self._entries)
        object.__setattr__(self, "chosen", None if alone else chosen)
        renamed = {tag_of(code): name for code, name in self._entries if code is not None}
        object.__setattr__(self, "renamed", renamed)

    def __str__(self) -> str:
        """The setting as on the command line."""
        return ",".join(name if code is None else f"{code}={name}" for code, name in self._entries)

    @property
    def _entries(self) -> list[tuple[str | None, str]]:
        """Code in the data, None where it stays, and the code that its language is called by."""
        entries = [self.setting] if isinstance(self.setting, Mapping) else self.setting or ()
        listed: list[tuple[str | None, str]] = []
        for entry in entries:
            listed += [(None, entry)] if isinstance(entry, str) else entry.items()
        return listed

    def problems(self) -> list[str]:
        """Everything that is wrong with the setting itself."""
        codes = dict.fromkeys(c for entry in self._entries for c in entry if c is not None)
        twice = {a for a, b in self._entries if a is not None and self.renamed[tag_of(a)] != b}
        return [
            *filter(None, map(code_problem, codes)),
            *(f"{code} is mapped to two codes; name one" for code in sorted(twice)),
        ]

    def names(
        self, codes: Iterable[str], source: str, spell: Spellings | None = None
    ) -> dict[str, str]:
        """The code that each language of a data set is shown by, whether it is kept or not.

        Args:
            codes: legal codes as the data spell them, in their order.
            source: origin of the codes, for messages.
            spell: knows earlier spellings of data that are used together.

        Raises:
            InputError: if a language that the setting maps is not there.
        """
        spell = spell or Spellings()
        shown = {code: spell(self.renamed.get(tag_of(code), code)) for code in codes}
        absent = self.renamed.keys() - set(map(tag_of, shown))
        self._refuse(absent, shown, source)
        return shown

    def keep(self, shown: Collection[str], source: str) -> list[str]:
        """The languages that are kept, of those that `names` gave.

        Raises:
            InputError: if a language that the setting keeps is not there, or it keeps none.
        """
        if self.chosen is None:
            return list(dict.fromkeys(shown))
        tags, present = set(map(tag_of, self.chosen)), set(map(tag_of, shown))
        absent = [code for code in self.chosen if tag_of(code) not in present]
        self._refuse(absent if tags else ["an empty list of languages"], shown, source)
        return [code for code in dict.fromkeys(shown) if tag_of(code) in tags]

    def _refuse(self, absent: Collection[str], present: Iterable[str], source: str) -> None:
        if absent:
            raise InputError(
                f"{source}: nothing in {', '.join(sorted(absent))}; languages that are there: "
                f"{' '.join(sorted(set(present)))}"
            )


def parse_languages(text: str) -> LanguageSetting:
    """Read a choice of languages from the command line.

    >>> parse_languages("de,pt-BR=pt"), parse_languages("pt-BR=pt")
    (['de', {'pt-BR': 'pt'}], {'pt-BR': 'pt'})
    """
    entries: list[str | Mapping[str, str]] = []
    for word in text.replace(",", " ").split():
        code, equals, name = word.partition("=")
        entries.append({code: name} if equals else code)
    pairs = [pair for e in entries if isinstance(e, Mapping) for pair in e.items()]
    return dict(pairs) if pairs and len(pairs) == len(entries) == len(dict(pairs)) else entries


def check_languages(setting: LanguageSetting | None, source: str) -> LanguageChoice:
    """Read a choice of languages, and refuse illegal codes.

    Args:
        setting: the user's choice.
        source: origin of the codes, for the message.

    Raises:
        InputError: if codes are illegal; all of them are named.
    """
    choice = LanguageChoice(setting)
    if problems := choice.problems():
        raise InputError.collect(source, problems)
    return choice
