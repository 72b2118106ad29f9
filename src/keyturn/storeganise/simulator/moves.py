"""Moving in and out: reservation, completion, planned and confirmed move-outs.

A rental is `reserved` until its move-in job is completed, then `occupied`, then `ended`. A
planned move-out changes no state; staff confirm it earlier or later than planned. Sources:
Storeganise help articles 159, 160, 189, 323 and 384.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from keyturn.storeganise.simulator.shapes import Resource, new_job, new_rental
from keyturn.storeganise.simulator.staff import Staff


class Moves(Staff):
    """An account in which people move in and out."""

    def book(self, user: str, unit: str, start_date: date) -> str:
        """Reserve a free unit and return the rental's id."""
        rental = self.reserve(user, unit, start_date)
        job = self.add_job(
            "unit_moveIn",
            state="ready",
            owner=user,
            given={"unitId": unit, "startDate": start_date.isoformat()},
            result=self._names(rental) | {"startDate": start_date.isoformat()},
            step={"type": "start", "state": "completed", "result": {"unitId": unit, "unitRentalId": rental["id"]}},
        )
        rental["moveInJobId"] = job
        self.emit_unit("unit.reserved", unit)
        self.emit_rental_job("job.unit_moveIn.created", job, rental)
        return str(rental["id"])

    def complete_move_in(self, rental: str) -> None:
        """Complete the move-in job: the rental becomes occupied, whatever its start date."""
        record = self.in_state(rental, "reserved")
        early = self.today() < date.fromisoformat(record["startDate"])
        self.require(self.knobs.manual_complete_early or not early, "the move-in date is not reached")
        self.occupy(record)
        self.finish_job(record["moveInJobId"], "completed")
        self.emit_unit("unit.occupied", record["unitId"])
        self.emit_rental_job("job.unit_moveIn.completed", record["moveInJobId"], record)

    def move_in(self, user: str, unit: str, start_date: date) -> str:
        """Book and complete at once; return the rental's id."""
        rental = self.book(user, unit, start_date)
        self.complete_move_in(rental)
        return rental

    def cancel_move_in(self, rental: str) -> None:
        """Withdraw a reservation: the rental is cancelled, the unit free."""
        record = self.in_state(rental, "reserved")
        self.touch(record, {"state": "cancelled"})
        self.release_unit(record, "available")
        self.finish_job(record["moveInJobId"], "cancelled")
        self.emit_unit("unit.unassigned", record["unitId"])
        self.emit_rental_job("job.unit_moveIn.cancelled", record["moveInJobId"], record)

    def run_midnight(self) -> list[str]:
        """Complete the move-ins whose date is reached, as the platform does at 00:00; return the rentals."""
        if not self.knobs.auto_complete_move_in:
            return []
        today = self.today().isoformat()
        due = [
            r["id"]
            for r in self.table["rentals"].values()
            if r["state"] == "reserved" and "moveInJobId" in r and r["startDate"] <= today
        ]
        for rental in due:
            self.complete_move_in(rental)
        return due

    def schedule_move_out(self, rental: str, day: date) -> str:
        """Plan a move-out and return its job; the rental stays occupied."""
        record = self.in_state(rental, "occupied")
        self.require("moveOutJobId" not in record, "a move-out is planned already")
        job = self.add_job(
            "unit_moveOut",
            state="ready",
            owner=record["ownerId"],
            given={"unitId": record["unitId"], "date": day.isoformat()},
            result=self._names(record),
            step={"type": "confirmMovedOut", "state": "pending", "result": {"unitRentalId": rental}},
        )
        self.touch(record, {"moveOutJobId": job})
        self.emit_rental_job("job.unit_moveOut.created", job, record)
        return job

    def cancel_move_out(self, rental: str) -> None:
        """Call a planned move-out off."""
        record = self.in_state(rental, "occupied")
        self.require("moveOutJobId" in record, "no move-out is planned")
        job = record["moveOutJobId"]
        self.touch(record, {}, without=("moveOutJobId",))
        self.finish_job(job, "cancelled")
        self.emit_rental_job("job.unit_moveOut.cancelled", job, record)

    def complete_move_out(self, rental: str, end_date: date | None = None, next_unit_state: str = "available") -> None:
        """Confirm a planned move-out: the rental has ended (`end_date` defaults to today)."""
        record = self.in_state(rental, "occupied")
        self.require("moveOutJobId" in record, "no move-out is planned")
        job = record["moveOutJobId"]
        self.end(record, end_date or self.today(), next_unit_state)
        self.finish_job(job, "completed")
        self.emit_unit("unit.unassigned", record["unitId"])
        self.emit_rental_job("job.unit_moveOut.completed", job, record)

    def move_out(self, rental: str) -> None:
        """Plan a move-out for today and confirm it at once."""
        self.schedule_move_out(rental, self.today())
        self.complete_move_out(rental)

    # Steps shared with transfers

    def today(self) -> date:
        """Return the date in the business' time zone."""
        return self.clock.now().astimezone(self.timezone).date()

    def midnight(self, day: date) -> datetime:
        """Return the first instant of a date in the business' time zone."""
        return datetime(day.year, day.month, day.day, tzinfo=self.timezone)

    def reserve(self, user: str, unit: str, start: date) -> Resource:
        """Return a new reserved rental of a free unit, live."""
        record = self.table["units"][unit]
        self.require(record["state"] == "available", "the unit is not available")
        self.require(user in self.table["users"], "no such user")
        rental = new_rental(ident=self.ids.new(), now=self.now(), unit=record, owner=user, start=start, job=None)
        self.put("rentals", rental)
        self.touch(record, {"state": "reserved", "ownerId": user, "rentalId": rental["id"]})
        return rental

    def occupy(self, rental: Resource) -> None:
        """Turn a reserved rental into an occupied one, with its unit."""
        self.touch(rental, {"state": "occupied"})
        unit = self.table["units"][rental["unitId"]]
        self.touch(unit, {"state": "occupied", "ownerId": rental["ownerId"], "rentalId": rental["id"]})

    def end(self, rental: Resource, day: date, next_unit_state: str) -> None:
        """End a rental and free its unit."""
        self.touch(rental, {"state": self.knobs.end_state_name, "endDate": day.isoformat()})
        self.release_unit(rental, next_unit_state)
        self.refresh_owner_overdue(rental["ownerId"])

    def release_unit(self, rental: Resource, state: str) -> None:
        """Let a unit go, if it still belongs to this rental."""
        unit = self.table["units"][rental["unitId"]]
        if unit["rentalId"] == rental["id"]:
            self.touch(unit, {"state": state, "ownerId": None, "rentalId": None})

    def in_state(self, rental: str, state: str) -> Resource:
        """Return the live rental if it is in `state`; refuse otherwise."""
        record = self.table["rentals"][rental]
        self.require(record["state"] == state, f"the rental is {record['state']}, not {state}")
        return record

    def refresh_owner_overdue(self, user: str) -> None:
        """Let `owner.overdue` say whether any of their current rentals is overdue."""
        marks = [
            r["overdue"]
            for r in self.table["rentals"].values()
            if r["ownerId"] == user and r["state"] == "occupied" and "overdue" in r
        ]
        owner = self.table["users"][user]
        if marks and "overdue" not in owner:
            self.touch(owner, {"overdue": min(marks)})
        elif not marks and "overdue" in owner:
            self.touch(owner, {}, without=("overdue",))

    def add_job(
        self, kind: str, *, state: str, owner: str | None, given: Resource, result: Resource, step: Resource | None
    ) -> str:
        """Add a job in the shape the account uses and return its id."""
        fields = self.knobs.job_fields
        steps = [{"id": self.ids.new(), **step}] if step is not None and fields != "data" else []
        job = new_job(
            ident=self.ids.new(),
            now=self.now(),
            kind=kind,
            state=state,
            owner=self.api_user if self.knobs.job_owner_is_api_user else owner,
            given=given,
            result=result if fields == "result+steps" else {},
            steps=steps,
        )
        return self.put("jobs", job)

    def finish_job(self, job: str, state: str) -> None:
        """Close a job and, when it is completed, its steps."""
        record = self.table["jobs"][job]
        if state == "completed":
            for step in record["steps"]:
                step.update({"state": "completed", "completedAt": self.now()})
        self.touch(record, {"state": state})

    def emit_rental_job(self, kind: str, job: str, rental: Resource) -> None:
        """Queue the event of a job about one rental."""
        self.emit_job(kind, job, {"unitRentalId": rental["id"]}, site=rental["siteId"])

    def emit_unit(self, kind: str, unit: str) -> None:
        """Queue a unit's event."""
        self.emit(kind, {"unitId": unit}, site=self.table["units"][unit]["siteId"])

    def _names(self, rental: Resource) -> dict[str, Any]:
        return {
            "siteId": rental["siteId"],
            "unitId": rental["unitId"],
            "unitRentalId": rental["id"],
            "ownerId": rental["ownerId"],
            "unitTypeId": self.table["units"][rental["unitId"]]["typeId"],
        }
