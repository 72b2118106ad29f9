"""A Sensorberg tenant to test against: OAuth, users, codes, memberships, doors.

It holds state and refuses what the real service refuses. It shares no parser with the product,
so a misreading of the API cannot hide on both sides. What is unknown about the real service is a
knob (`Knobs`); `profiles` has ready-made sets of them.
"""

from __future__ import annotations

from keyturn.providers.sensorberg.simulator.doors import DoorAnswer
from keyturn.providers.sensorberg.simulator.knobs import Knobs
from keyturn.providers.sensorberg.simulator.simulator import SensorbergSimulator
from keyturn.providers.sensorberg.simulator.tenant import Membership, User

__all__ = ["DoorAnswer", "Knobs", "Membership", "SensorbergSimulator", "User"]
