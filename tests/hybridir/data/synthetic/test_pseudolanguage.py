import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridir.data.synthetic.pseudolanguage import (
    BASE_CONSONANTS,
    BASE_VOWELS,
    COGNATE_RATES,
    GRAMMARS,
    Grammar,
    Lexicon,
    shared_form,
)
from hybridir.languages import PSEUDO_LANGUAGES, script_of

LETTERS = BASE_CONSONANTS + BASE_VOWELS
every_grammar = pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda grammar: grammar.code)


def test_grammars_are_those_of_the_languages_kept_for_the_corpus() -> None:
    assert [grammar.code for grammar in GRAMMARS] == list(PSEUDO_LANGUAGES)


def test_no_two_grammars_agree_in_order_adjectives_adpositions_and_article() -> None:
    kinds = {(g.order, g.adjective_first, g.prepositions, g.article) for g in GRAMMARS}
    assert len(kinds) == len(GRAMMARS)


@every_grammar
def test_every_letter_of_a_language_is_of_its_script(grammar: Grammar) -> None:
    script = {"Latn": "LATIN", "Grek": "GREEK"}[script_of(grammar.code) or ""]
    sounds = [*grammar.consonants, *grammar.vowels, *grammar.codas, *grammar.respelling]
    assert all(unicodedata.name(letter).startswith(script) for s in sounds for letter in s)


@every_grammar
def test_every_letter_of_the_shared_forms_has_a_spelling(grammar: Grammar) -> None:
    assert len(grammar.respelling) == len(LETTERS)


@every_grammar
def test_cognates_occur_at_the_rate_of_their_kind(grammar: Grammar) -> None:
    # In 50 lexica of 40 words a share p +- sqrt(p (1 - p) / 2000), at most .011, is drawn as
    # cognates. Some collide with others and are coined, but not one in fifty.
    rng = np.random.default_rng(5)
    for kind, rate in COGNATE_RATES.items():
        cognates = []
        for _ in range(50):
            forms = {(kind, number): shared_form(rng) for number in range(40)}
            lexicon = Lexicon(grammar)
            lexicon.add_concepts(forms, rng)
            cognates += [
                lexicon.words[key] == lexicon.respell(form) for key, form in forms.items()
            ]
        assert np.mean(cognates) == pytest.approx(rate, abs=4 * 0.011)


@every_grammar
def test_no_word_of_a_language_occurs_twice(grammar: Grammar) -> None:
    rng = np.random.default_rng(6)
    lexicon = Lexicon(grammar)
    lexicon.add_function_words(["person", "year"], ["article", "past"], rng)
    lexicon.add_concepts({("name", number): shared_form(rng) for number in range(3000)}, rng)
    words = [*lexicon.words.values(), *lexicon.wh.values(), *lexicon.function.values()]
    assert len(set(words)) == len(words) == 3004


@given(form=st.text(LETTERS, min_size=1, max_size=9), more=st.text(LETTERS, max_size=9))
def test_respelling_goes_letter_by_letter(form: str, more: str) -> None:
    for grammar in GRAMMARS:
        lexicon = Lexicon(grammar)
        assert lexicon.respell(form + more) == lexicon.respell(form) + lexicon.respell(more)


def test_first_language_spells_as_the_shared_forms_do() -> None:
    assert Lexicon(GRAMMARS[0]).respell(LETTERS) == LETTERS


@given(seed=st.integers(0, 2**32))
def test_shared_forms_alternate_consonants_and_vowels(seed: int) -> None:
    form = shared_form(np.random.default_rng(seed))
    assert len(form) in (4, 5, 6, 7)
    for position, letter in enumerate(form):
        assert letter in (BASE_VOWELS if position % 2 else BASE_CONSONANTS)
