"""Five made-up languages: their sounds, their grammar, and their ways to coin and respell words.

A language has a `Grammar`, written down here (letters, syllables, word order, positions of
adjectives, adpositions and articles), and a `Lexicon`, drawn from a seed (words for concepts, and
affixes). Cognates are words that go back to a form shared by all languages, respelled by each
language's own letter rules.
"""

# ruff: noqa: RUF001 (qc is written in Greek letters, some of which look like Latin ones)

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

# Letters of the shared forms that cognates go back to.
BASE_CONSONANTS = "ptkbdgmnlrsfvh"
BASE_VOWELS = "aeiou"

# How likely a concept's word is a cognate, by kind of concept, in each language on its own. Names
# of entities are then cognates in both languages of a pair 9 times in 100: they decide within a
# language and are mostly noise across languages, which is what makes the mixing ratio matter.
COGNATE_RATES: Mapping[str, float] = {
    "name": 0.3,
    "person": 0.8,
    "place": 0.8,
    "noun": 0.15,
    "object": 0.15,
    "verb": 0.1,
    "adjective": 0.05,
}

Concept = tuple[str, int]
"""A kind, one of `COGNATE_RATES`, and a number within it."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """The properties of a language that are the same for every seed.

    Attributes:
        code: a ``q*`` code of `hybridir.languages`.
        consonants: letters or groups of letters that a syllable may begin with.
        vowels: letters or groups of letters in the middle.
        codas: letters that a closed syllable may end with.
        closed: share of syllables that are closed.
        order: of subject, verb and object in a statement.
        adjective_first: whether adjectives precede their noun.
        prepositions: whether adpositions precede their noun.
        article: form of the definite article.
        respelling: the letters of cognates, for ``BASE_CONSONANTS + BASE_VOWELS`` in turn.
    """

    code: str
    consonants: Sequence[str]
    vowels: Sequence[str]
    codas: Sequence[str]
    closed: float
    order: Literal["SVO", "SOV", "VSO", "VOS"]
    adjective_first: bool
    prepositions: bool
    article: Literal["prefix", "suffix", "word"]
    respelling: Sequence[str]


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        code="qa",
        consonants="p t k b d g m n l r s f v h".split(),
        vowels="a e i o u".split(),
        codas="n r s l".split(),
        closed=0.3,
        order="SVO",
        adjective_first=True,
        prepositions=True,
        article="word",
        respelling="p t k b d g m n l r s f v h a e i o u".split(),
    ),
    Grammar(
        code="qb",
        consonants="b d g k m n r z sh y t j".split(),
        vowels="a i u aa o".split(),
        codas="k m n sh".split(),
        closed=0.5,
        order="SOV",
        adjective_first=True,
        prepositions=False,
        article="suffix",
        respelling="b t k b d g m n r r z sh b y a i i u u".split(),
    ),
    Grammar(
        code="qc",
        consonants="π τ κ θ χ μ ν λ ρ σ φ ξ δ γ β".split(),
        vowels="α ε ι ο ου η".split(),
        codas="ς ν ρ".split(),
        closed=0.3,
        order="VSO",
        adjective_first=False,
        prepositions=True,
        article="prefix",
        respelling="π τ κ β δ γ μ ν λ ρ σ φ β χ α ε ι ο ου".split(),
    ),
    Grammar(
        code="qd",
        consonants="p t c q w l n m f x br tr st".split(),
        vowels="e i o ei ua".split(),
        codas="x t l".split(),
        closed=0.4,
        order="SVO",
        adjective_first=False,
        prepositions=False,
        article="word",
        respelling="p t c p t q m n l l x f w q e e i o ua".split(),
    ),
    Grammar(
        code="qe",
        consonants="v w kh gh dh z ny l r m n s ts".split(),
        vowels="a e y ö ü".split(),
        codas="m z r".split(),
        closed=0.2,
        order="VOS",
        adjective_first=True,
        prepositions=True,
        article="prefix",
        respelling="v ts kh v dh gh m n l r s v w gh a e y ö ü".split(),
    ),
)


@dataclass
class Lexicon:
    """The words of one language.

    All words differ, so that none is ambiguous within its language.

    Attributes:
        grammar: of the language.
        words: of concepts.
        wh: question words by the kind of their answer.
        function: function words and affixes by their role; affixes carry no hyphen.
    """

    grammar: Grammar
    words: dict[Concept, str] = field(default_factory=dict)
    wh: dict[str, str] = field(default_factory=dict)
    function: dict[str, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def add_function_words(
        self, wh: Iterable[str], roles: Iterable[str], rng: np.random.Generator
    ) -> None:
        """Coin question words, function words and affixes."""
        self.wh.update((answer, self._coin(rng, 2)) for answer in wh)
        self.function.update((role, self._coin(rng, 1)) for role in roles)

    def add_concepts(self, forms: Mapping[Concept, str], rng: np.random.Generator) -> None:
        """Give each concept a word: respelled from its shared form, or coined.

        Args:
            forms: shared form of each concept, from `shared_form`.
            rng: decides which are cognates and coins the others.
        """
        for concept, form in forms.items():
            word = self.respell(form)
            is_cognate = rng.random() < COGNATE_RATES[concept[0]]
            if is_cognate and word not in self._taken:
                self._taken.add(word)
            else:
                word = self._coin(rng, 2 if concept[0] == "verb" else int(rng.integers(2, 4)))
            self.words[concept] = word

    def respell(self, form: str) -> str:
        """Write a shared form with the letters of this language."""
        letters = BASE_CONSONANTS + BASE_VOWELS
        return "".join(self.grammar.respelling[letters.index(letter)] for letter in form)

    def _coin(self, rng: np.random.Generator, syllables: int) -> str:
        """Make up a new word, a longer one if short ones run out."""
        grammar = self.grammar
        for attempt in range(1000):
            count = syllables + attempt // 20
            word = ""
            for _ in range(count):
                word += _pick(grammar.consonants, rng)
                word += _pick(grammar.vowels, rng)
                if rng.random() < grammar.closed:
                    word += _pick(grammar.codas, rng)
            if word not in self._taken:
                self._taken.add(word)
                return word
        raise AssertionError(f"{grammar.code}: no free word of {syllables} syllables or more")


def shared_form(rng: np.random.Generator) -> str:
    """Draw a form that cognates go back to: two or three open syllables, sometimes one coda."""
    form = ""
    for _ in range(int(rng.integers(2, 4))):
        form += _pick(BASE_CONSONANTS, rng)
        form += _pick(BASE_VOWELS, rng)
    if rng.random() < 0.5:
        form += _pick(BASE_CONSONANTS, rng)
    return form


def _pick(letters: Sequence[str], rng: np.random.Generator) -> str:
    return letters[int(rng.integers(len(letters)))]
