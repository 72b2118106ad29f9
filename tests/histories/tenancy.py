"""What must become of a tenant's lock and PIN, followed from what people do, not from Keyturn's rules.

Storeganise shows values, not edits, so of two changes that nobody looked at in between the first may be
lost. Where that could matter the model is *unsure* until the world is calm again, and then takes over what
Storeganise shows; doors and fields must agree all the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class Lock:
    """Why a rental is locked: `staff`, or overdue and not `released`."""

    staff: bool = False
    released: bool = False
    unsure: bool = False
    _changes: int = 0
    _edited: bool = False

    def edit(self, *, locked: bool, overdue: bool, known: bool) -> None:
        """Staff change the flag. `known`: Keyturn had seen everything before, and the flag said what is in force."""
        if locked and not overdue:
            self.staff = True
        if not locked:
            self.staff = False
        self.released = overdue and not locked
        self._edited = True
        self._changed(unsure=not known)

    def overdue_changed(self) -> None:
        """The rental became overdue, or was paid: a release ends, a staff lock stays."""
        self.released = False
        self._changed()

    def calm(self, *, flag: bool, overdue: bool) -> None:
        """Keyturn has seen everything, and `flag` is what it shows."""
        if self.unsure:
            self.staff = flag and not overdue
            self.released = overdue and not flag
            self.unsure = overdue and flag
        self._changes, self._edited = 0, False

    def locked(self, *, overdue: bool) -> bool | None:
        """Say whether the rental must be locked; `None`: either is right."""
        if overdue and self._changes == 0 and self.unsure:
            return True
        return None if self.unsure else self.staff or (overdue and not self.released)

    def may_be_open(self, *, overdue: bool) -> bool:
        """Say whether anybody could still take the rental for unlocked."""
        return self._changes > 0 or self.locked(overdue=overdue) is not True

    def _changed(self, *, unsure: bool = False) -> None:
        self._changes += 1
        self.unsure |= unsure or (self._edited and self._changes > 1)


@dataclass(kw_only=True)
class Code:
    """A tenant's PIN: `value` once it is known what it must be."""

    value: str | None = None
    not_any_more: str | None = None
    """A PIN that was taken back, so that it may not come again."""
    unsure: bool = True
    doubted: bool = False
    _changes: int = 0

    @property
    def may_change(self) -> bool:
        """Whether people have given a reason for another PIN since the world was calm."""
        return self._changes > 0 or self.doubted

    def edit(self, pin: str | None, *, known: bool) -> None:
        """Staff change a field to a PIN that must be taken over; `None`: to one that must not be."""
        self._changes += 1
        self.unsure |= not known or self._changes > 1
        self.value = pin if pin is not None else self.value

    def clear(self, *, known: bool) -> None:
        """Staff clear the owner's field: another PIN must be made."""
        self.edit(None, known=known)
        self.not_any_more = self.value if known and not self.unsure else None
        self.unsure = True

    def lose_rental(self) -> None:
        """One of the tenant's rentals ended: an edit there that nobody has seen yet is lost with it."""
        self.unsure |= self.may_change

    def doubt(self) -> None:
        """Something happened after which the PIN may be another."""
        self.unsure = self.doubted = True

    def calm(self, shown: str | None) -> str | None:
        """Keyturn has seen everything, and `shown` is the owner's PIN; return what is wrong with it."""
        fault = self.fault(shown)
        self.value, self.unsure, self.not_any_more, self._changes = shown, False, None, 0
        self.doubted = False
        return fault

    def fault(self, shown: str | None) -> str | None:
        """Say what is wrong with the PIN that is shown."""
        if not self.unsure and self.value is not None and shown != self.value:
            return "the PIN is not the one it must be"
        if self.not_any_more is not None and shown == self.not_any_more:
            return "a PIN that was cleared came back"
        return None
