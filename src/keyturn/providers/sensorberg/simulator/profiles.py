"""Ready-made settings: other stacks Sensorberg might turn out to be built on."""

from __future__ import annotations

from keyturn.providers.sensorberg.simulator.knobs import Knobs


def rails_custom() -> Knobs:
    """The default: a hand-made JSON:API on Rails."""
    return Knobs()


def strict_jr() -> Knobs:
    """The jsonapi-resources gem at its strictest."""
    return Knobs(error_style="jr", put_needs_id=True, accept_check="406", created_at="400", not_found_body="jsonapi")


def sloppy() -> Knobs:
    """A service that takes almost anything and says little."""
    return Knobs(
        error_style="plain",
        not_found_body="empty",
        content_type_check="lenient",
        type_check="ignored",
        put_status=204,
        delete_status="200_meta",
        delete_missing=204,
        user_unique="external",
        code_unique="off",
        code_length="any",
        ends_before_starts="accepted",
        token_type_case="bearer",  # noqa: S106  # a word, no secret
    )


def hostile() -> Knobs:
    """Whatever makes a client's life hard, all at once, and still within what has been seen."""
    return Knobs(
        error_style="html",
        not_found_body="html",
        token_policy="revoke_previous",  # noqa: S106  # a word, no secret
        token_ttl=60,
        membership_dup_external="second_row",
        membership_unknown_ref="404",
        user_conflict_status=409,
        delete_status="202",
        put_status=202,
        post_status=202,
        code_unique="500",
        ends_at_null="ignored",
        external_id_reuse_after_delete=False,
        date_header=False,
        email_case_insensitive=True,
    )
