"""Whatever staff type and whatever is lost on the way: everybody ends with one PIN, and a retry changes none."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.builders import hashed
from core.pin_world import OWNER, Fate, PinWorld
from keyturn.core.pin import edit_fault, existing_fault
from keyturn.core.rental import Pin

patient = settings(deadline=None)
"""A busy machine is no failure."""

GOOD = ["135790", "246813", "908172", "463528"]
BAD = ["112112", "8352", "12", "123456", "83521947", "x35790"]
RECORDS = [OWNER, "r1", "r2", "r3"]

TYPED = st.sampled_from([*GOOD, *BAD, ""])
EDITS = st.lists(st.tuples(st.sampled_from(RECORDS), TYPED), max_size=4)
FATES = st.dictionaries(st.sampled_from(RECORDS), st.sampled_from(list(Fate)))
FOUND = st.fixed_dictionaries({OWNER: TYPED, "r1": TYPED, "r2": TYPED, "r3": TYPED})
"""What the fields show before Keyturn first sees them."""
TAKEN = st.sets(st.sampled_from(GOOD[2:]), max_size=2).map(lambda taken: frozenset(map(hashed, taken)))


@st.composite
def worlds(draw: st.DrawFn) -> PinWorld:
    """An owner with three rentals, at first sight or after looks and edits."""
    world = PinWorld(shown=dict(draw(FOUND)), taken=draw(TAKEN))
    for _ in range(draw(st.integers(0, 2))):
        world.look_and_echo()
        for record, digits in draw(EDITS):
            world.edit(record, digits)
    return world


@patient
@given(world=worlds())
def test_a_second_look_changes_nothing(world: PinWorld) -> None:
    """After one look everybody sees the PIN in force; the next one keeps it, draws none and writes nothing."""
    world.look()
    pin, draws, writes = world.in_force, world.draws, world.writes
    decision = world.decide()
    world.look()

    assert world.settled
    assert (decision.changes, decision.generate, decision.refused) == (False, None, ())
    assert (world.in_force, world.draws, world.writes) == (pin, draws, writes)


@patient
@given(world=worlds())
def test_the_pin_is_usable_and_nobody_elses(world: PinWorld) -> None:
    """Whatever is typed, the PIN in force has 4 to 8 digits and belongs to nobody else."""
    world.look()

    assert world.in_force is not None
    assert existing_fault(Pin(world.in_force)) is None
    assert hashed(world.in_force) not in world.taken


@patient
@given(world=worlds(), edits=EDITS)
def test_only_a_good_edit_changes_a_pin(world: PinWorld, edits: list[tuple[str, str]]) -> None:
    """A weak, taken or misshapen edit never comes into force; a new PIN is drawn only for a reason."""
    world.look_and_echo()
    before = world.in_force
    for record, digits in edits:
        world.edit(record, digits)
    left = set(world.shown.values())
    world.look()

    assert world.in_force is not None
    changed = world.in_force != before
    assert not changed or edit_fault(Pin(world.in_force), 6) is None
    typed = {digits for _, digits in edits}
    assert not changed or world.in_force in typed or (OWNER, "") in edits or before not in left


@patient
@given(world=worlds(), edits=EDITS, losses=st.lists(FATES, min_size=1, max_size=3))
def test_a_retry_changes_no_pin(world: PinWorld, edits: list[tuple[str, str]], losses: list[dict[str, Fate]]) -> None:
    """Whatever writes are lost after the PIN is in force, looking again shows that same PIN to everybody."""
    world.look_and_echo()
    for record, digits in edits:
        world.edit(record, digits)
    world.look(losses[0])
    pin = world.in_force
    for fates in losses[1:]:
        world.look(fates)
    world.look()
    world.look()

    assert (world.in_force, world.settled) == (pin, True)


@patient
@given(
    world=worlds(),
    records=st.permutations(RECORDS).map(lambda records: records[:2]),
    typed=st.tuples(st.sampled_from([*GOOD, *BAD]), st.sampled_from([*GOOD, *BAD])),
)
def test_a_look_between_two_edits_makes_no_difference(
    world: PinWorld, records: list[str], typed: tuple[str, str]
) -> None:
    """Two edits of different records end alike, whether one look sees both or each is seen by its own."""
    world.look_and_echo()
    assume(world.in_force not in typed)
    other = PinWorld(shown=dict(world.shown), memories=dict(world.memories), in_force=world.in_force, taken=world.taken)
    other.draws = world.draws
    for record, digits in zip(records, typed, strict=True):
        world.edit(record, digits)
        other.edit(record, digits)
        other.look_and_echo()
    world.look()

    assert (world.in_force, world.shown) == (other.in_force, other.shown)


@patient
@given(world=worlds(), restored=st.booleans())
def test_memory_lost_or_stale(world: PinWorld, *, restored: bool) -> None:
    """Without memory, or with one from before the last looks, the PIN everybody sees stays."""
    before = dict(world.memories)
    world.look_and_echo()
    pin = world.in_force
    world.memories = before if restored else {}
    world.in_force = None
    world.drawn = None
    world.look()

    assert pin is not None
    if not restored or edit_fault(Pin(pin), 6) is None:
        assert set(world.shown.values()) == {pin}
