"""Calls that were never answered: what they were about is doubted until they can no longer come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.builders import HERE, MINUTE, NOW, a_record
from keyturn.core.ids import PinHash
from keyturn.core.late import LATEST, doubted, doubted_code, not_found, unsure_until
from keyturn.core.memory import CodeMemory, RecordState

IN_FORCE = PinHash("k:1")
CODE = CodeMemory(tenant=HERE, user_known=True, in_force=IN_FORCE)
SETTLED = [RecordState.KNOWN, RecordState.GONE]


class TestMembership:
    """A membership that a lost call was about is written again when that call can no longer come."""

    def test_an_unanswered_call_may_come_for_a_while(self) -> None:
        record = doubted(a_record(state=RecordState.SENT), NOW)
        assert (record.state, record.unsure_until) == (RecordState.SENT, NOW + LATEST)

    @pytest.mark.parametrize("state", SETTLED)
    def test_what_is_settled_meanwhile_counts_until_then(self, state: RecordState) -> None:
        record = a_record(state=state, unsure_until=NOW + MINUTE)
        assert doubted(record, NOW) == record
        assert unsure_until([record], []) == NOW + MINUTE

    @pytest.mark.parametrize("state", SETTLED)
    def test_then_it_is_unknown_once_more(self, state: RecordState) -> None:
        record = a_record(state=state, unsure_until=NOW)
        assert doubted(record, NOW) == replace(record, state=RecordState.UNKNOWN, unsure_until=None)

    def test_one_that_was_always_answered_is_sure(self) -> None:
        record = a_record(state=RecordState.KNOWN)
        assert doubted(record, NOW) == record
        assert unsure_until([record], [CODE]) is None

    def test_one_that_is_still_unanswered_plans_nothing(self) -> None:
        """Whatever is tried again for it has a pace of its own."""
        assert unsure_until([a_record(state=RecordState.SENT, unsure_until=NOW)], []) is None

    @pytest.mark.parametrize("state", [RecordState.UNKNOWN, RecordState.SENT, None])
    def test_one_that_nobody_knew_may_be_missing(self, state: RecordState | None) -> None:
        record = a_record(state=RecordState.GONE)
        before = None if state is None else a_record(state=state)
        assert not_found(record, before, NOW) == record

    def test_one_that_was_known_is_asked_for_once_more(self) -> None:
        record = not_found(a_record(state=RecordState.GONE), a_record(state=RecordState.KNOWN), NOW)
        assert record.unsure_until == NOW + LATEST


class TestCode:
    """The same for the code of a user."""

    def test_an_unanswered_push_may_come_for_a_while(self) -> None:
        code = replace(CODE, sent=PinHash("k:2"))
        assert doubted_code(code, NOW) == replace(code, unsure_until=NOW + LATEST)
        assert unsure_until([], [doubted_code(code, NOW)]) is None

    def test_what_is_in_force_meanwhile_counts_until_then(self) -> None:
        code = replace(CODE, unsure_until=NOW + MINUTE)
        assert doubted_code(code, NOW) == code
        assert unsure_until([], [code]) == NOW + MINUTE

    def test_then_it_is_pushed_once_more(self) -> None:
        assert doubted_code(replace(CODE, unsure_until=NOW), NOW) == replace(CODE, sent=IN_FORCE)

    def test_one_that_was_always_answered_is_sure(self) -> None:
        assert doubted_code(CODE, NOW) == CODE


def test_the_earliest_counts() -> None:
    """Several doubts end one after the other."""
    early, later = a_record(state=RecordState.GONE, unsure_until=NOW), replace(CODE, unsure_until=NOW + MINUTE)
    assert unsure_until([early], [later]) == NOW
