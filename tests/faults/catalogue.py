"""All faults that the fault model knows, F1 to F50, and for each what proves that it does no harm.

A fault is told in the matrix (`faults.kinds`), or named tests are its proof, or there is a reason why neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from faults.kinds import TROUBLES, Trouble

PROMISES = "faults/test_promises.py"
FAULTS = "scenarios/test_faults.py"
LIMITS = "scenarios/test_limits.py"
DISK = "crash/test_disk.py"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row of the fault model."""

    number: int
    what: str
    tests: tuple[str, ...] = ()
    """Files under `tests` and the names of their tests, as `file::name`."""
    note: str = ""
    """What is done otherwise, or not at all, and why."""

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """The rows of the matrix that are about it."""
        return tuple(trouble for trouble in TROUBLES if trouble.row == f"F{self.number}")


def _row(number: int, what: str, *tests: str, note: str = "") -> Fault:
    return Fault(number=number, what=what, tests=tests, note=note)


CATALOGUE: Final = (
    _row(
        1,
        "429 with `Retry-After`",
        "upstream/test_answers.py::test_retry_after",
        f"{PROMISES}::test_a_busy_account_holds_up_no_other_business",
        f"{PROMISES}::test_after_a_pause_whoever_left_is_out_first_of_all",
        note="Whoever has to be let out may come up to two seconds after the first others: rows are spread.",
    ),
    _row(
        2,
        "429 without it",
        "upstream/test_circuit.py::test_busy_without_retry_after_grows",
        note="The pause doubles; the rate is not halved.",
    ),
    _row(
        3,
        "500, 502, 503, 504",
        "upstream/test_circuit.py::test_five_different_failures",
        "upstream/test_circuit.py::test_trial_after_an_outage",
        f"{FAULTS}::test_an_hour_without_sensorberg_loses_nothing",
        note="A pause after five failures in a row on different rentals, not by a share of the calls.",
    ),
    _row(
        4,
        "no connection, no address, a bad certificate",
        f"{PROMISES}::test_a_refused_connection_loses_nothing",
        "upstream/test_resolving.py::test_a_name_without_an_address",
        "doctor/test_reach.py::test_a_certificate_nobody_trusts",
    ),
    _row(5, "time-outs", "upstream/test_http.py::test_silence", "scenarios/test_late_calls.py::*"),
    _row(6, "a body without end", f"{PROMISES}::test_an_answer_byte_by_byte_is_given_up"),
    _row(7, "200 with half a JSON", "upstream/test_answers.py::test_unreadable"),
    _row(8, "200 with a page", "upstream/test_answers.py::test_unreadable"),
    _row(
        9,
        "200 or 204 without a body",
        "upstream/test_answers.py::test_empty",
        note="A write answered so counts as done; in Storeganise the next read tells, at Sensorberg nothing can.",
    ),
    _row(
        10,
        "the connection is lost after the effect",
        f"{FAULTS}::test_a_lost_answer_at_any_write_leaves_nothing_behind",
    ),
    _row(11, "the connection is lost before the effect"),
    _row(12, "what is to be made exists", "providers/sensorberg/test_client.py::test_existing"),
    _row(
        13,
        "404 on a removal",
        note="Success, for no call can look. So a 404 for a membership that exists leaves it: see what is left out.",
    ),
    _row(
        14,
        "404 on a rental",
        f"{LIMITS}::test_a_deleted_rental_is_held_and_revoked_after_a_second_read",
        f"{LIMITS}::test_a_hidden_rental_whose_unit_still_names_it_keeps_its_access",
    ),
    _row(15, "a write is refused", "scenarios/test_tasks.py::test_a_refused_pin_is_a_task_where_it_was_typed"),
    _row(16, "a token ends", f"{PROMISES}::test_a_token_that_ends_is_fetched_once_for_all"),
    _row(
        17,
        "credentials are refused",
        f"{PROMISES}::test_refused_credentials_cause_no_storm",
        f"{PROMISES}::test_refused_credentials_of_sensorberg_are_told_within_a_minute",
    ),
    _row(18, "403 on one site", f"{PROMISES}::test_what_is_forbidden_at_one_site_holds_up_no_other"),
    _row(
        19,
        "clocks are wrong",
        "scenarios/test_changes.py::test_a_lock_holds_at_once_although_sensorbergs_clock_is_behind",
        "doctor/test_services.py::test_the_clocks_disagree",
        "store/test_postgres.py::test_a_machine_whose_clock_is_wrong",
        note="A lock is set a minute before Sensorberg's own time, not five.",
    ),
    _row(
        20,
        "one webhook many times",
        f"{PROMISES}::test_a_thousand_copies_of_a_webhook_are_one_delivery",
        "scenarios/test_budget.py::test_thirty_events_about_one_rental_cost_one_read",
        note="A repeat wakes again: one read per look that was not under way, not one in all.",
    ),
    _row(
        21,
        "one id, another body",
        "scenarios/test_events.py::test_old_events_sent_again_at_the_end_change_nothing",
        note="The second body is not kept: nothing of a body but ids is ever used.",
    ),
    _row(
        22,
        "webhooks out of order",
        "scenarios/test_events.py::test_the_order_and_number_of_deliveries_does_not_change_the_end",
    ),
    _row(
        23,
        "a webhook is lost",
        f"{LIMITS}::test_a_sweep_finds_what_a_lost_event_did_not_tell",
        "doctor/test_webhooks.py::test_webhooks_have_stopped",
    ),
    _row(24, "nobody listens for hours", f"{PROMISES}::test_eight_hours_without_anybody_listening_lose_nothing"),
    _row(
        25,
        "many at once",
        "scenarios/test_budget.py::test_three_hundred_overdue_at_once_cost_two_and_a_half_requests_each",
        "scale/test_noise.py::test_noise_delays_nobody",
    ),
    _row(
        26,
        "a webhook that cannot be understood",
        "storeganise/test_webhook.py::test_any_json",
        "web/test_hooks.py::test_a_genuine_body_that_is_no_event_is_malformed",
    ),
    _row(27, "the database is locked", f"{DISK}::test_a_locked_database"),
    _row(28, "the disk is full", f"{DISK}::test_a_full_disk", f"{DISK}::test_a_file_that_may_not_grow"),
    _row(29, "the disk fails", f"{DISK}::test_an_error_on_the_disk", note="The process goes on; see crashes."),
    _row(
        30, "killed at any moment", "crash/test_kills.py::test_at_every_call", "crash/test_kills.py::test_at_any_moment"
    ),
    _row(31, "the power goes", "crash/test_ack_order.py::test_the_disk_comes_first"),
    _row(
        32,
        "two workers on one business",
        "crash/test_leases.py::test_a_worker_that_sleeps_past_its_lease",
        "histories/test_bugs.py::test_a_planted_bug_is_caught",
    ),
    _row(
        33, "the door is done, the field is not", note="The columns `users.put` and `unit-rentals.put` of the matrix."
    ),
    _row(
        34,
        "our own writes come back",
        f"{PROMISES}::test_our_own_writes_come_back_once",
        "scenarios/test_budget.py::test_a_second_look_at_a_correct_state_writes_nothing",
    ),
    _row(
        35,
        "settings and fields that cannot be right",
        "scenarios/test_doors.py::test_a_unit_without_group_is_a_problem_until_staff_enter_one",
        "scenarios/test_doors.py::test_the_newcomer_waits_while_another_tenant_has_the_group",
        "doctor/test_services.py::test_the_address_is_another_account",
    ),
    _row(
        36,
        "lists that move while they are read",
        "storeganise/test_client.py::test_list_that_shrinks_while_read",
        "storeganise/test_client.py::test_list_that_fails_half_way",
        "storeganise/test_client.py::test_list_without_end",
    ),
    _row(
        37,
        "names and addresses of any kind",
        "storeganise/test_wire.py::test_owner_name",
        "scenarios/test_tasks.py::test_an_e_mail_that_is_taken_is_a_task_on_the_customer",
    ),
    _row(
        38,
        "everything seems to be gone",
        f"{LIMITS}::test_a_key_that_sees_nothing_revokes_nothing",
        f"{LIMITS}::test_a_site_with_many_rentals_waits_for_staff_before_it_leaves",
        note="Only what is inferred is limited (vanished, left the scope); a move-out that was read is carried out.",
    ),
    _row(
        39,
        "a key answers for another account",
        f"{LIMITS}::test_a_key_that_sees_nothing_revokes_nothing",
        "doctor/test_services.py::test_the_address_is_another_account",
        note="The account is not halted: its rentals are not found, which revokes nothing.",
    ),
    _row(40, "days of 23 and 25 hours", "core/test_zones.py::test_first_instant"),
    _row(
        41,
        "a start in the future",
        "scenarios/test_doors.py::test_a_door_opens_with_the_first_instant_of_the_start_date",
        "scenarios/test_changes.py::test_another_start_date_moves_the_first_instant",
        "scenarios/test_changes.py::test_a_reservation_gives_no_access_and_may_be_cancelled",
    ),
    _row(
        42,
        "a transfer in which something fails",
        "scenarios/test_doors.py::test_a_transfer_keeps_the_pin_and_leaves_no_old_door_open",
        "scenarios/test_doors.py::test_a_tenant_who_transfers_is_never_shut_out",
    ),
    _row(
        43,
        "staff edit both services",
        "scenarios/test_changes.py::test_a_user_deleted_at_sensorberg_is_made_anew_with_the_same_pin",
        "scenarios/test_pins.py::test_a_pin_changed_on_one_rental_opens_all_doors_of_the_owner",
    ),
    _row(
        44,
        "one of several rentals ends",
        "scenarios/test_pins.py::test_one_tenant_twice_on_one_group_is_covered_by_the_first_rental",
        "histories/test_histories.py::test_no_door_is_wrong",
    ),
    _row(
        45,
        "rented again within minutes",
        "scenarios/test_doors.py::test_a_unit_rented_again_within_minutes_changes_hands",
    ),
    _row(
        46,
        "told to stop, and upgraded",
        f"{FAULTS}::test_a_service_told_to_stop_hands_its_work_to_the_next",
        f"{FAULTS}::test_a_service_that_may_not_wait_leaves_its_work_to_the_next",
        "scale/test_upgrade.py::test_two_versions_side_by_side",
    ),
    _row(
        47,
        "an old backup is restored",
        "scenarios/test_restore.py::test_after_a_restore_every_door_is_right_and_no_pin_is_new",
    ),
    _row(48, "memory over a long time", note="Measured, not tested: `make soak`, see [performance](performance.md)."),
    _row(
        49,
        "new fields, new words",
        "storeganise/test_wire.py::test_unknown_state",
        "storeganise/test_wire.py::test_any_json",
    ),
    _row(
        50,
        "nobody hears the alarm",
        note="Keyturn sends no alarms of its own yet. It shows gauges to whoever watches ([monitoring](monitoring.md)) "
        "and leaves tasks in Storeganise, which are tried again as long as it is certain that none was made.",
    ),
)
