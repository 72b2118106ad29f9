"""The Storeganise simulator's own HTTP door: what may be done to an account by name."""

from __future__ import annotations

from typing import Any, Protocol

from keyturn.simulation.admin import Operations, add_faults, add_journal, add_operations, add_page, add_snapshot
from keyturn.simulation.exchange import Call, Routes
from keyturn.simulation.faults import Faults
from keyturn.simulation.journal import Journal
from keyturn.storeganise.simulator.account import Account

_ALLOWED = (
    "add_site",
    "add_unit",
    "add_user",
    "add_installation",
    "edit_site",
    "edit_unit",
    "edit_user",
    "edit_rental",
    "book",
    "complete_move_in",
    "move_in",
    "cancel_move_in",
    "run_midnight",
    "schedule_move_out",
    "cancel_move_out",
    "complete_move_out",
    "move_out",
    "schedule_transfer",
    "complete_transfer",
    "cancel_transfer",
    "transfer",
    "mark_overdue",
    "run_overdue",
    "pay",
    "delete_rental",
    "change_owner",
    "emit",
    "daily_event",
    "deliver",
    "deliver_all",
    "drop",
    "duplicate",
    "reverse_outbox",
    "shuffle_outbox",
    "rental",
    "user",
    "unit",
    "site",
    "job",
)


class _Simulator(Protocol):
    accounts: dict[str, Account]
    journal: Journal
    faults: Faults

    def snapshot(self) -> dict[str, Any]: ...


def add_admin(routes: Routes, simulator: _Simulator) -> None:
    """Add the simulator's own routes."""

    def operations(call: Call) -> Operations:
        account = simulator.accounts[call.params["business"]]
        return {name: getattr(account, name) for name in _ALLOWED} | {"set_webhook": _webhook_setter(account)}

    add_journal(routes, simulator.journal)
    add_faults(routes, simulator.faults)
    add_snapshot(routes, simulator.snapshot)
    add_operations(routes, "_simulator/accounts/{business}/{operation}", operations)
    add_page(routes, lambda: _page(sorted(simulator.accounts)))


def _webhook_setter(account: Account) -> Any:
    def set_webhook(url: str | None, secret: str | None = None) -> None:
        account.webhook_url, account.webhook_secret = url, secret

    return set_webhook


def _page(accounts: list[str]) -> str:
    return "\n".join(
        [
            "Storeganise simulator. Nothing here is real.",
            "",
            f"Accounts: {', '.join(accounts) or 'none'}",
            "API of an account:  /{business}/api/v1/admin/unit-rentals  (Authorization: ApiKey ...)",
            "",
            "GET    /_simulator/snapshot",
            "GET    /_simulator/journal      DELETE forgets it",
            'GET    /_simulator/faults       PUT [{"route": "units.get", "kind": "status", "code": 503, "times": 1}]',
            "POST   /_simulator/accounts/{business}/{operation} with the arguments as JSON. Operations:",
            *(f"         {name}" for name in (*_ALLOWED, "set_webhook")),
            "",
        ]
    )
