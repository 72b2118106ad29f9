"""What may be used as an upstream id in a URL."""

from __future__ import annotations

import pytest

from keyturn.core.ids import is_id


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("66d801ac786e1000159e7d84", True, id="an id as Storeganise writes them"),
        pytest.param("a", True, id="one character"),
        pytest.param("A_z-09", True, id="letters, digits, underscore and hyphen"),
        pytest.param("x" * 64, True, id="64 characters"),
        pytest.param("x" * 65, False, id="65 characters"),
        pytest.param("", False, id="nothing"),
        pytest.param("a/b", False, id="a slash"),
        pytest.param("..", False, id="dots"),
        pytest.param("a?b=c", False, id="a query"),
        pytest.param("a b", False, id="a blank"),
        pytest.param("a\n", False, id="a line break at the end"),
        pytest.param("ä", False, id="a letter that is not ASCII"),
        pytest.param("１２", False, id="digits that are not ASCII"),
        pytest.param("%2e", False, id="an escape"),
        pytest.param(5, False, id="a number"),
        pytest.param(None, False, id="null"),
        pytest.param(["a"], False, id="a list"),
    ],
)
def test_is_id(text: object, *, expected: bool) -> None:
    """Only 1 to 64 ASCII letters, digits, underscores and hyphens, as text."""
    assert is_id(text) is expected
