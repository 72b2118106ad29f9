"""Who is overdue, and who has paid.

The platform marks overdue rentals once a day about 13:00 in the business' time zone; a payment
lifts the mark. `overdue` is a timestamp, absent otherwise; the owner carries one while any of
their current rentals does. A mark may also hit a rental that has ended. Sources: Storeganise help
articles 323 and 332, incident notes of integrators.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keyturn.storeganise.simulator.shapes import Resource
from keyturn.storeganise.simulator.transfers import Transfers


class Arrears(Transfers):
    """An account whose tenants may owe money."""

    def mark_overdue(self, *rentals: str) -> None:
        """Mark rentals overdue now; those that are already stay as they are."""
        marked = [r for r in map(self._live, rentals) if "overdue" not in r]
        for rental in marked:
            self._change_mark(rental, {"overdue": self.now()}, ())
        self._tell("unitRental.markOverdue", marked)

    def run_overdue(self, rentals: Iterable[str] = ()) -> None:
        """Do the daily run: lift the marks of those who paid since the last one, then mark `rentals`."""
        waiting, self.paid = self.paid, []
        self._unmark(waiting)
        self.mark_overdue(*rentals)

    def pay(self, rental: str) -> None:
        """Note that an overdue rental is paid; when the mark goes is a knob."""
        self.require("overdue" in self._live(rental), "the rental is not overdue")
        if self.knobs.unmark_timing == "immediate":
            self._unmark([rental])
        else:
            self.paid.append(rental)

    def delete_rental(self, rental: str, *, keep_unit: bool = False) -> None:
        """Remove a rental for good (later 404) without any event; `keep_unit` lets its unit go on naming it."""
        record = self.table["rentals"].pop(rental)
        if not keep_unit:
            self.release_unit(record, "available")
        self.changes.notify()

    def change_owner(self, rental: str, user: str) -> None:
        """Give a rental to another user."""
        record = self._live(rental)
        self.require(user in self.table["users"], "no such user")
        before = record["ownerId"]
        self.touch(record, {"ownerId": user})
        unit = self.table["units"][record["unitId"]]
        if unit["rentalId"] == rental:
            self.touch(unit, {"ownerId": user})
        for owner in (before, user):
            self.refresh_owner_overdue(owner)
        self.emit_updated(
            "unitRental.updated", {"unitRentalId": rental}, ["ownerId"], site=record["siteId"], by_api=False
        )

    def _unmark(self, rentals: list[str]) -> None:
        marked = [self._live(r) for r in rentals if "overdue" in self.table["rentals"].get(r, {})]
        for rental in marked:
            self._change_mark(rental, {}, ("overdue",))
        self._tell("unitRental.unmarkOverdue", marked)

    def _change_mark(self, rental: Resource, fields: dict[str, Any], without: tuple[str, ...]) -> None:
        before = rental["updated"]
        self.touch(rental, fields, without=without)
        if not self.knobs.overdue_bumps_updated:
            rental["updated"] = before
        self.refresh_owner_overdue(rental["ownerId"])

    def _tell(self, kind: str, rentals: list[Resource]) -> None:
        if self.knobs.overdue_form == "unitRentalId":
            for rental in rentals:
                self.emit(kind, {"unitRentalId": rental["id"]}, site=rental["siteId"])
        elif rentals:
            sites = tuple({rental["siteId"]: None for rental in rentals})
            self.emit(kind, {"unitRentalIds": [rental["id"] for rental in rentals]}, site=sites)

    def _live(self, rental: str) -> Resource:
        return self.table["rentals"][rental]
