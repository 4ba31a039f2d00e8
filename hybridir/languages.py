"""The languages of the data: code, English name and script.

Codes are ISO 639-1. The list covers the languages of XQuAD-R, MLQA-R, MIRACL and mMARCO.
The ``q*`` codes are the pseudo-languages of the synthetic corpus, after the range qaa to qtz that
ISO 639-2 reserves for local use.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hybridir.errors import InputError


@dataclass(frozen=True, slots=True)
class Language:
    """A language.

    Attributes:
        code: ISO 639-1 code, or a ``q*`` code of the synthetic corpus.
        name: English name.
        script: ISO 15924 code of its script.
    """

    code: str
    name: str
    script: str


ENGLISH = "en"
_TABLE = """
ar Arabic Arab | bn Bengali Beng | de German Latn | el Greek Grek | en English Latn
es Spanish Latn | fa Persian Arab | fi Finnish Latn | fr French Latn | hi Hindi Deva
id Indonesian Latn | it Italian Latn | ja Japanese Jpan | ko Korean Kore | nl Dutch Latn
pt Portuguese Latn | ru Russian Cyrl | sw Swahili Latn | te Telugu Telu | th Thai Thai
tr Turkish Latn | vi Vietnamese Latn | yo Yoruba Latn | zh Chinese Hans
qa Alna Latn | qb Berik Latn | qc Chonu Grek | qd Dalme Latn | qe Ekhoi Latn
"""

LANGUAGES: dict[str, Language] = {
    language.code: language
    for language in (
        Language(*entry.split())
        for line in _TABLE.split("\n")
        if line
        for entry in line.split("|")
    )
}


def check_languages(codes: Iterable[str], source: str) -> None:
    """Refuse language codes that `LANGUAGES` does not list.

    Args:
        codes: language codes from the user.
        source: origin of the codes, for the message.

    Raises:
        InputError: if any code is unknown; all unknown ones are named.
    """
    unknown = sorted(set(codes) - LANGUAGES.keys())
    if unknown:
        raise InputError(
            f"{source}: unknown language {', '.join(map(repr, unknown))}; "
            f"known codes are {' '.join(sorted(LANGUAGES))}"
        )
