"""Transfers: a tenant changes the unit, and with it the rental.

Until the transfer is completed the old rental is occupied and the new one reserved; then the old
one has ended and the new one is occupied. Source: Storeganise's transfer function as described
by its reseller Unwired Logic; add-on starter template.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from keyturn.storeganise.simulator.moves import Moves


class Transfers(Moves):
    """An account in which tenants change units."""

    def schedule_transfer(self, rental: str, new_unit: str, day: date) -> str:
        """Reserve the new unit for the tenant and return the transfer's job."""
        old = self.in_state(rental, "occupied")
        new = self.reserve(old["ownerId"], new_unit, day)
        job = self.add_job(
            "unit_transfer",
            state="ready",
            owner=old["ownerId"],
            given={"oldRentalId": rental, "newUnitId": new_unit, "transferDate": day.isoformat()},
            result={
                "siteId": new["siteId"],
                "oldRentalId": rental,
                "newRentalId": new["id"],
                "oldUnitId": old["unitId"],
                "newUnitId": new_unit,
                "ownerId": old["ownerId"],
            },
            step={"type": "start", "state": "pending", "result": {"unitRentalId": new["id"]}},
        )
        self.transfer_rentals[job] = (rental, new["id"])
        self.emit("job.unit_transfer.created", {"jobId": job}, site=old["siteId"])
        return job

    def complete_transfer(self, job: str) -> str:
        """Carry the transfer out and return the new rental's id."""
        self.require(self.table["jobs"][job]["state"] == "ready", "the transfer is not open")
        old_id, new_id = self.transfer_rentals[job]
        old = self.in_state(old_id, "occupied")
        new = self.in_state(new_id, "reserved")
        if "overdue" in old and self.knobs.transfer_moves_overdue:
            new["overdue"] = old["overdue"]
        self.occupy(new)
        self.end(old, self.today(), "available")
        self.finish_job(job, "completed")
        self._tell_transfer(job, old["siteId"], new["siteId"], old_id, new_id)
        return new_id

    def cancel_transfer(self, job: str) -> None:
        """Call a transfer off: the new rental is cancelled, the old one goes on."""
        self.require(self.table["jobs"][job]["state"] == "ready", "the transfer is not open")
        new = self.in_state(self.transfer_rentals[job][1], "reserved")
        self.touch(new, {"state": "cancelled"})
        self.release_unit(new, "available")
        self.finish_job(job, "cancelled")
        self.emit("job.unit_transfer.cancelled", {"jobId": job}, site=new["siteId"])

    def transfer(self, rental: str, new_unit: str) -> str:
        """Transfer today, at once; return the new rental's id."""
        return self.complete_transfer(self.schedule_transfer(rental, new_unit, self.today()))

    def _tell_transfer(self, job: str, old_site: str, new_site: str, old: str, new: str) -> None:
        ids: dict[str, Any] = {"oldRentalId": old, "newRentalId": new}
        if self.knobs.transfer_ids == "object":
            ids = {key: {"id": value} for key, value in ids.items()}
        self.emit_job("job.unit_transfer.completed", job, ids, site=(old_site, new_site))
        if self.knobs.transfer_extra_events:
            self.emit_rental_job("job.unit_moveOut.completed", job, self.table["rentals"][old])
            self.emit_rental_job("job.unit_moveIn.completed", job, self.table["rentals"][new])
            self.emit_unit("unit.unassigned", self.table["rentals"][old]["unitId"])
            self.emit_unit("unit.occupied", self.table["rentals"][new]["unitId"])
