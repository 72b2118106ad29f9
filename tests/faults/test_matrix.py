"""Every kind of call goes wrong in every way that there is, and everything is exactly right afterwards."""

from __future__ import annotations

import pytest

from faults.kinds import BY_NAME, judged


@pytest.mark.parametrize("name", BY_NAME)
def test_it_leaves_nothing_behind(name: str) -> None:
    """Doors, PINs and fields are right hours later, though the first two calls of each kind went wrong each time."""
    trouble = BY_NAME[name]

    assert judged(trouble, trouble.sample) == {route: [] for route in trouble.sample}


def test_what_is_only_sampled_is_like_something_that_is_not() -> None:
    """A fault of which `make test` tells a part is told in whole by another."""
    assert [one.name for one in BY_NAME.values() if one.like and BY_NAME[one.like].like] == []
