"""Problems in words: every one in each language, whole sentences whatever is known, and nothing but what is known.

| details | what is said |
|---|---|
| those a sentence names are there | that sentence |
| one is missing | the same sentence without it, or none |
| others | nothing: they change no word |
"""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.builders import SITE
from keyturn.core.ids import AddonId
from keyturn.core.problem import CREDENTIAL_FIELDS, Problem, Target, TargetKind, addon_address, no_credentials
from keyturn.core.wording import If, Part, ProblemCode, Wording
from keyturn.core.words import LANGUAGES, sentence

GIVEN = {
    ProblemCode.UNMAPPED_UNIT: {"unit", "twin"},
    ProblemCode.GROUP_TAKEN: {"unit", "group"},
    ProblemCode.CLAIMED: {"unit", "kinds"},
    ProblemCode.EMAIL_TAKEN: set(),
    ProblemCode.USER_REFUSED: {"attributes"},
    ProblemCode.MEMBERSHIP_REFUSED: {"unit", "group"},
    ProblemCode.REVOKE_REFUSED: {"unit", "rental"},
    ProblemCode.PIN_REFUSED: {"unit", "reason", "digits", "issued", "put_back"},
    ProblemCode.NO_PIN: {"reason"},
    ProblemCode.FIELD_NOT_KEPT: {"unit", "field", "customer"},
    ProblemCode.CONFIRM_STAFF_LOCK: {"unit"},
    ProblemCode.SITE_LEFT: {"unit", "count"},
    ProblemCode.VANISHED: {"unit"},
    ProblemCode.CREDENTIALS: {"unit", "missing", "addon"},
    ProblemCode.WRITE_REFUSED: {"unit"},
    ProblemCode.ADDON_ADDRESS: set(),
    ProblemCode.ADDRESS_NOT_ALLOWED: {"unit", "host"},
}
"""The details each problem may carry, besides the language."""

EVERYWHERE = [
    pytest.param(code, language, id=f"{code.value}, {language}") for code in ProblemCode for language in LANGUAGES
]


def _wordings(part: Part) -> list[str | If]:
    return [part] if isinstance(part, str) else list(part)


def _named(wording: Wording) -> set[str]:
    """Return every detail that a wording names or needs."""
    found: set[str] = set()
    for one in (one for part in (wording.title, *wording.text) for one in _wordings(part)):
        text = one.text if isinstance(one, If) else one
        found |= {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        found |= {one.detail} if isinstance(one, If) else set()
    return found


def test_the_languages() -> None:
    """English and German, and no other yet."""
    assert set(LANGUAGES) == {"en", "de"}


@pytest.mark.parametrize(("code", "language"), EVERYWHERE)
class TestEveryProblem:
    """What holds for every problem in every language."""

    def test_a_whole_sentence_without_any_details(self, code: ProblemCode, language: str) -> None:
        """A row of which only the code is known still says what happened and what to do."""
        words = sentence(code, {}, language)

        assert words.title.startswith("Keyturn: ")
        assert (len(words.title) > 20, words.title.endswith(".")) == (True, False)
        assert (len(words.text) > 40, words.text[-1]) == (True, ".")

    def test_all_details_are_filled_in(self, code: ProblemCode, language: str) -> None:
        """Nothing of a template shows."""
        words = sentence(code, {name: f"the {name}" for name in GIVEN[code]}, language)

        assert not set("{}") & set(words.title + words.text)

    def test_it_names_what_such_a_problem_carries(self, code: ProblemCode, language: str) -> None:
        """A misspelt or foreign detail would never be said."""
        assert _named(LANGUAGES[language][code]) <= GIVEN[code]

    def test_other_details_change_nothing(self, code: ProblemCode, language: str) -> None:
        """The language and whatever a newer version adds are no part of the words."""
        details = dict.fromkeys(GIVEN[code], "x")

        assert sentence(code, {**details, "language": "de", "new": "y"}, language) == sentence(code, details, language)


@pytest.mark.parametrize("code", ProblemCode)
def test_the_languages_differ(code: ProblemCode) -> None:
    """No row was copied and left untranslated."""
    english, german = sentence(code, {}, "en"), sentence(code, {}, "de")

    assert (english.title != german.title, english.text != german.text) == (True, True)


@pytest.mark.parametrize(
    ("code", "details", "language", "title", "text"),
    [
        pytest.param(
            ProblemCode.UNMAPPED_UNIT,
            {"unit": "A-01"},
            "en",
            "Keyturn: unit A-01 has no access group",
            "Unit A-01 has no access group. Enter the group's external identifier in the unit's field sensorberg_id.",
            id="a unit by its name",
        ),
        pytest.param(
            ProblemCode.UNMAPPED_UNIT,
            {"unit": "A-01"},
            "de",
            "Keyturn: Einheit A-01 hat keine Zugangsgruppe",
            "Einheit A-01 hat keine Zugangsgruppe. "
            "Tragen Sie die externe Kennung der Gruppe im Feld sensorberg_id der Einheit ein.",
            id="the same in German",
        ),
        pytest.param(
            ProblemCode.UNMAPPED_UNIT,
            {"unit": "A-01"},
            "fr",
            "Keyturn: unit A-01 has no access group",
            "Unit A-01 has no access group. Enter the group's external identifier in the unit's field sensorberg_id.",
            id="English where the language is not known",
        ),
        pytest.param(
            ProblemCode.PIN_REFUSED,
            {"reason": "it is too easily guessed", "digits": "6", "put_back": "yes"},
            "en",
            "Keyturn: the PIN that was entered cannot be used",
            "The PIN entered in the field sensorberg_pin cannot be used: it is too easily guessed. "
            "The PIN in force was put back.",
            id="a refused PIN, put back",
        ),
        pytest.param(
            ProblemCode.PIN_REFUSED,
            {"unit": "A-01", "reason": "it is too easily guessed", "digits": "6", "issued": "yes"},
            "de",
            "Keyturn: Einheit A-01: Die eingetragene PIN kann nicht verwendet werden",
            "Die im Feld sensorberg_pin eingetragene PIN kann nicht verwendet werden. Eine PIN muss genau 6 Ziffern "
            "haben, darf nicht leicht zu erraten sein und niemand anderem gehören. Es wurde eine neue PIN ausgegeben.",
            id="a refused PIN, replaced, in German",
        ),
        pytest.param(
            ProblemCode.CREDENTIALS,
            {"missing": "sensorberg_url", "addon": "a1"},
            "en",
            "Keyturn: the site's credentials for the access system are missing",
            "No access credentials are known for this site. Missing: sensorberg_url. Enter valid ones in Storeganise "
            "under Sites > the site > Add-ons > Keyturn (installation a1). What is due runs by itself then.",
            id="missing credentials of an installation",
        ),
        pytest.param(
            ProblemCode.CREDENTIALS,
            {},
            "de",
            "Keyturn: Die Zugangsdaten des Standorts für das Zugangssystem werden abgelehnt",
            "Das Zugangssystem lehnt die Zugangsdaten dieses Standorts ab. Tragen Sie gültige in den "
            "benutzerdefinierten Feldern des Standorts ein oder in den Einstellungen von Keyturn. "
            "Was offen ist, läuft dann von selbst.",
            id="refused credentials, in German",
        ),
        pytest.param(
            ProblemCode.FIELD_NOT_KEPT,
            {"field": "sensorberg_pin", "customer": "yes"},
            "de",
            "Keyturn: Das Feld sensorberg_pin behält keinen Wert",
            "Storeganise hat für das Feld sensorberg_pin des Kundenkontos einen Wert angenommen und zeigt ihn nicht. "
            "Prüfen Sie, ob es das Feld gibt und ob es geschrieben werden kann.",
            id="a field of the customer",
        ),
    ],
)
def test_words(code: ProblemCode, details: dict[str, str], language: str, title: str, text: str) -> None:
    """What people read."""
    words = sentence(code, details, language)

    assert (words.title, words.text) == (title, text)


@given(name=st.text())
def test_whatever_a_unit_is_called(name: str) -> None:
    """Braces, line breaks, half characters and endless names give one line of bounded length."""
    words = sentence(ProblemCode.UNMAPPED_UNIT, {"unit": name}, "en")

    assert len(words.title.encode()) < 600
    assert (words.title.isprintable(), words.text.isprintable()) == (True, True)


class TestProblem:
    """Problems that know their own words."""

    def test_the_text_is_the_english_sentence(self) -> None:
        """Logs and commands are in English, whatever language the site's staff read."""
        problem = Problem(
            code=ProblemCode.UNMAPPED_UNIT, subject_kind="unit", subject_id="u", details={"unit": "A", "language": "de"}
        )

        assert problem.text == sentence(ProblemCode.UNMAPPED_UNIT, {"unit": "A"}, "en").text

    @pytest.mark.parametrize(
        ("known", "missing"),
        [
            pytest.param({}, "sensorberg_url, sensorberg_clientId, sensorberg_clientSecret", id="nothing is there"),
            pytest.param(
                {"url": "https://x", "client_id": ""}, "sensorberg_clientId, sensorberg_clientSecret", id="some are"
            ),
            pytest.param(
                dict.fromkeys(CREDENTIAL_FIELDS, "canary"),
                "sensorberg_url, sensorberg_clientId, sensorberg_clientSecret",
                id="all are, and cannot be used",
            ),
        ],
    )
    def test_missing_credentials_are_named(self, known: dict[str, str], missing: str) -> None:
        """By their fields, never by their values."""
        problem = no_credentials(SITE, known, None)

        assert (problem.subject_kind, problem.subject_id) == ("site", SITE)
        assert f"Missing: {missing}. Enter valid ones in the site's custom fields" in problem.text

    def test_an_installation_is_named_as_the_place(self) -> None:
        """Where an installation serves the site, its fields are to be filled in."""
        assert "Add-ons > Keyturn (installation a1)" in no_credentials(SITE, {}, AddonId("a1")).text

    def test_another_address(self) -> None:
        """An installation whose event named another address is told of on itself."""
        assert addon_address(AddonId("a1")).target == Target(kind=TargetKind.ADDON, id="a1")
