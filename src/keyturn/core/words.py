"""A problem in words that the people who have to solve it understand, in their language."""

from __future__ import annotations

from collections.abc import Mapping

from keyturn.core.wording import ProblemCode, Wording, Words
from keyturn.core.words_de import GERMAN
from keyturn.core.words_en import ENGLISH

LANGUAGES: Mapping[str, Mapping[ProblemCode, Wording]] = {"en": ENGLISH, "de": GERMAN}
"""Every language there is, by its code."""


def sentence(code: ProblemCode, details: Mapping[str, str], language: str) -> Words:
    """Say a problem in a language, in English where the language is none of ours. Details may be missing."""
    return LANGUAGES.get(language, ENGLISH)[code].said(details)
