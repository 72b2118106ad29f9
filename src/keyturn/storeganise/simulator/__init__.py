"""A Storeganise to test against: accounts, life cycle, admin API, webhooks.

It holds state and refuses what the real service refuses. It shares no parser with the product,
so a misreading of the API cannot hide on both sides. What is unknown about the real service is a
knob (`Knobs`).
"""

from __future__ import annotations

from keyturn.storeganise.simulator.account import Account
from keyturn.storeganise.simulator.envelope import Delivery
from keyturn.storeganise.simulator.knobs import Knobs
from keyturn.storeganise.simulator.records import RefusedError
from keyturn.storeganise.simulator.simulator import StoreganiseSimulator
from keyturn.storeganise.simulator.webhooks import ACCESS_EVENTS

__all__ = ["ACCESS_EVENTS", "Account", "Delivery", "Knobs", "RefusedError", "StoreganiseSimulator"]
