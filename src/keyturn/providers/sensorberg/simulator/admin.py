"""The Sensorberg simulator's own HTTP door: what may be done to the tenant by name."""

from __future__ import annotations

from keyturn.providers.sensorberg.simulator.office import Office
from keyturn.simulation.admin import Operations, add_faults, add_journal, add_operations, add_page, add_snapshot
from keyturn.simulation.exchange import Call, Routes
from keyturn.simulation.faults import Faults
from keyturn.simulation.journal import Journal

_ALLOWED = (
    "add_client",
    "remove_client",
    "change_secret",
    "revoke_tokens",
    "expire_tokens",
    "add_group",
    "remove_group",
    "add_user",
    "set_code",
    "delete_user",
    "add_membership",
    "add_manual_membership",
    "delete_membership",
    "try_door",
    "take_offline",
    "contact",
)


def add_admin(routes: Routes, simulator: Office, journal: Journal, faults: Faults) -> None:
    """Add the simulator's own routes."""

    def operations(_call: Call) -> Operations:
        return {name: getattr(simulator, name) for name in _ALLOWED}

    add_journal(routes, journal)
    add_faults(routes, faults)
    add_snapshot(routes, simulator.snapshot)
    add_operations(routes, "_simulator/{operation}", operations)
    add_page(routes, lambda: _page(simulator))


def _page(simulator: Office) -> str:
    return "\n".join(
        [
            "Sensorberg simulator. Nothing here is real.",
            "",
            f"{len(simulator.users)} users, {len(simulator.groups)} groups, {len(simulator.rows)} memberships.",
            "Token:  POST /oauth/token (grant_type=client_credentials, scope=app)",
            "API:    /api/backend-sdk/v1/users/{external id}, .../user_group_memberships",
            "",
            "GET    /_simulator/snapshot",
            "GET    /_simulator/journal      DELETE forgets it",
            'GET    /_simulator/faults       PUT [{"route": "users.code", "kind": "status", "code": 503, "times": 1}]',
            "POST   /_simulator/{operation} with the arguments as JSON. Operations:",
            *(f"         {name}" for name in _ALLOWED),
            "",
        ]
    )
