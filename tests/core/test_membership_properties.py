"""Whatever happened before, and whatever a backend's habits are: looks end, and end right."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.backend import Backend, Habits, Held, World
from core.builders import DAY, ELSEWHERE, GROUP, HERE, MINUTE, NOW, OVERDUE, OWNER, RENTAL, STARTED, STRANGER, a_wanted
from keyturn.core.ids import ExternalId, GroupId
from keyturn.core.membership import Access, Wanted
from keyturn.core.memory import RecordState

TENANTS = [HERE, ELSEWHERE]
ENDS = [None, OVERDUE, NOW - MINUTE]
STARTS = [STARTED, STARTED - DAY, NOW, NOW + MINUTE, NOW + DAY]

GUESSED = ExternalId("r1-2")
"""The last id that is tried on the mere suspicion that the one before is spent."""

patient = settings(deadline=None)
"""A busy machine is no failure."""

USERS = st.sampled_from([OWNER, STRANGER])
GROUPS = st.sampled_from([GROUP, GroupId("g2")])
MEMBERS = st.builds(
    a_wanted,
    user=USERS,
    group=GROUPS,
    starts_at=st.sampled_from(STARTS),
    tenant=st.sampled_from(TENANTS),
    look_first=st.just(value=True),
)
LOCKED = st.builds(
    lambda member, lock: replace(member, locked=True, ends_at=max(lock, member.starts_at)),
    MEMBERS,
    st.sampled_from([OVERDUE, NOW - MINUTE]),
)
NOBODY = st.builds(
    a_wanted,
    access=st.just(Access.NONE),
    user=st.none(),
    group=st.none(),
    starts_at=st.none(),
    tenant=st.sampled_from(TENANTS),
)
HELD_UP = st.builds(lambda wanted: replace(wanted, access=Access.HOLD), st.one_of(MEMBERS, LOCKED))
WISHES = st.one_of(MEMBERS, LOCKED, NOBODY, HELD_UP)

LOSSES = st.lists(st.lists(st.integers(0, 4), max_size=2), max_size=3)
"""For each look in a row, the numbers of the calls whose answers are lost."""
PAST = st.lists(st.tuples(WISHES, LOSSES), max_size=4)
"""What was wanted before, and how the network behaved."""

GENTLE = st.builds(Habits, shows_attributes=st.booleans(), keeps_ids_spent=st.booleans())
HELD = st.builds(
    Held, user=USERS, group=GROUPS, starts_at=st.sampled_from([STARTED, NOW + DAY]), ends_at=st.sampled_from(ENDS)
)
FOUND = st.dictionaries(st.just(ExternalId(RENTAL)), HELD)
"""What a backend holds from before our memory, under the rental's own id."""
SPENT = st.sets(st.just(ExternalId(RENTAL)))


@st.composite
def worlds(draw: st.DrawFn, habits: st.SearchStrategy[Habits] = GENTLE, *, found: bool = True) -> World:
    """Two backends with the same habits, memberships from before our memory, and a past of our own."""
    habit = draw(habits)
    backends = {}
    for tenant in TENANTS:
        held = draw(FOUND) if found else {}
        spent = draw(SPENT) - set(held) if habit.keeps_ids_spent else set()
        backends[tenant] = Backend(habits=habit, held=held, spent=spent)
    world = World(backends=backends)
    for wanted, losses in draw(PAST):
        world.settle(wanted, losses)
    world.calls.clear()
    return world


def _as_it_can_be(world: World, wanted: Wanted) -> World:
    """Take away what no rule could find: a membership from before our memory at a backend that is not this rental's."""
    written = {(record.tenant, record.external_id) for record in world.records}
    for tenant, backend in world.backends.items():
        if world.records or tenant != wanted.tenant:
            backend.held = {key: held for key, held in backend.held.items() if (tenant, key) in written}
    return world


def _opened(world: World) -> list[tuple[str, str, str]]:
    return sorted(
        (tenant, user, group) for tenant, backend in world.backends.items() for user, group in backend.opens(NOW)
    )


def _settle_in_the_end(world: World, wanted: Wanted, losses: list[list[int]]) -> None:
    """Look again until nothing is stuck, as the hourly retry does; a few times are enough."""
    if world.settle(wanted, losses) is None:
        return
    for _ in range(3):
        if world.look(wanted) is None:
            return
    assume(all(GUESSED not in backend.spent for backend in world.backends.values()))
    raise AssertionError("it stays stuck")


@patient
@given(world=worlds(), wanted=MEMBERS, losses=LOSSES)
def test_a_member_ends_with_exactly_one_membership(world: World, wanted: Wanted, losses: list[list[int]]) -> None:
    """After any past there is one membership: the wanted user, group and start, open-ended, at the wanted backend."""
    backend = world.backends[wanted.tenant]
    _as_it_can_be(world, wanted)
    _settle_in_the_end(world, wanted, losses)

    ((_, held),) = backend.held.items()
    assert (held.user, held.group, held.ends_at) == (wanted.user, wanted.group, None)
    assert wanted.starts_at is not None
    assert held.starts_at == wanted.starts_at or max(held.starts_at, wanted.starts_at) <= NOW
    assert [other.held for tenant, other in world.backends.items() if tenant != wanted.tenant] == [{}]


@patient
@given(world=worlds(), wanted=WISHES, losses=LOSSES)
def test_a_second_look_makes_no_call(world: World, wanted: Wanted, losses: list[list[int]]) -> None:
    """Once a look has ended well, the next one has nothing to do: replays and sweeps write nothing."""
    if world.settle(wanted, losses) is None:
        world.calls.clear()
        world.look(wanted)

        assert world.calls == []


@patient
@given(world=worlds(), wanted=NOBODY, losses=LOSSES)
def test_nobody_ends_with_nothing(world: World, wanted: Wanted, losses: list[list[int]]) -> None:
    """Without access nothing is left at any backend we ever wrote to."""
    _as_it_can_be(world, wanted)
    ended = world.settle(wanted, losses)

    assert ended is None
    assert [backend.held for backend in world.backends.values()] == [{}, {}]


@patient
@given(world=worlds(), wanted=LOCKED, losses=LOSSES)
def test_locking_ends_closed(world: World, wanted: Wanted, losses: list[list[int]]) -> None:
    """After any past, and with any answers lost, a locked tenant opens nothing."""
    _as_it_can_be(world, wanted)
    ended = world.settle(wanted, losses)

    assert ended is None
    assert _opened(world) == []


@patient
@given(world=worlds(), wanted=HELD_UP, losses=LOSSES)
def test_a_hold_widens_nothing(world: World, wanted: Wanted, losses: list[list[int]]) -> None:
    """On hold nobody gets what they did not have, and the owner before is out."""
    before = _opened(_as_it_can_be(world, wanted))
    world.settle(wanted, losses)
    after = _opened(world)

    assert set(after) <= set(before)
    known = [record for record in world.records if record.state is not RecordState.GONE]
    assert all(record.owner_id == wanted.user for record in known)
    assert not (wanted.locked and known and after)


STUBBORN = st.builds(
    Habits, shows_attributes=st.booleans(), keeps_ids_spent=st.booleans(), refuses_removal=st.just(value=True)
)


@patient
@given(world=worlds(STUBBORN, found=False), wanted=st.one_of(NOBODY, LOCKED), losses=LOSSES)
def test_where_removal_is_refused_it_ends_closed(world: World, wanted: Wanted, losses: list[list[int]]) -> None:
    """A backend that removes nothing still ends every membership we know of."""
    _as_it_can_be(world, wanted)
    world.settle(wanted, losses)

    assert _opened(world) == []


@patient
@given(world=worlds(STUBBORN, found=False), wanted=MEMBERS, losses=LOSSES)
def test_where_removal_is_refused_the_right_one_is_made(world: World, wanted: Wanted, losses: list[list[int]]) -> None:
    """A backend that removes nothing shuts no tenant out: the right membership is made next to the ended one."""
    _as_it_can_be(world, wanted)
    world.settle(wanted, losses)
    world.settle(wanted)

    assert _opened(world) == [(wanted.tenant, wanted.user, wanted.group)]


FROZEN = st.builds(
    Habits, shows_attributes=st.booleans(), keeps_ids_spent=st.booleans(), refuses_amendment=st.just(value=True)
)


@patient
@given(world=worlds(FROZEN), wanted=st.one_of(NOBODY, LOCKED), losses=LOSSES)
def test_where_amending_is_refused_it_ends_closed(world: World, wanted: Wanted, losses: list[list[int]]) -> None:
    """A backend that changes no end still loses every membership that must not be open."""
    _as_it_can_be(world, wanted)
    world.settle(wanted, losses)

    assert _opened(world) == []


@patient
@given(world=worlds(), wanted=MEMBERS, losses=LOSSES)
def test_memory_lost(world: World, wanted: Wanted, losses: list[list[int]]) -> None:
    """With all records lost, a backend that takes ids again is brought to exactly the wanted membership."""
    backend = world.backends[wanted.tenant]
    backend.habits = replace(backend.habits, keeps_ids_spent=False)
    backend.spent.clear()
    backend.held = {key: held for key, held in backend.held.items() if key == ExternalId(RENTAL)}
    world.records = ()
    _settle_in_the_end(world, wanted, losses)

    assert backend.opens(NOW) == [(wanted.user, wanted.group)]


@patient
@given(world=worlds(), wanted=MEMBERS, later=WISHES, losses=LOSSES)
def test_memory_stale(world: World, wanted: Wanted, later: Wanted, losses: list[list[int]]) -> None:
    """With records from before other looks, marked as unknown, the wanted membership is reached all the same."""
    _as_it_can_be(world, wanted).settle(wanted)
    assume(all(GUESSED not in {*backend.held, *backend.spent} for backend in world.backends.values()))
    stale = tuple(replace(record, state=RecordState.UNKNOWN, made=False) for record in world.records)
    world.settle(replace(later, tenant=wanted.tenant))
    world.records = stale
    _settle_in_the_end(world, wanted, losses)

    assert _opened(world) == [(wanted.tenant, wanted.user, wanted.group)]


@patient
@given(
    first=MEMBERS,
    second=MEMBERS,
    order=st.permutations([0, 1, 2]),
    losses=LOSSES,
    habits=GENTLE,
)
def test_the_past_does_not_matter(
    first: Wanted, second: Wanted, order: list[int], losses: list[list[int]], habits: Habits
) -> None:
    """In whatever order looks came before, the last wish alone decides who can open what."""
    steps = [first, second, replace(first, access=Access.NONE)]
    world = World(backends={tenant: Backend(habits=habits) for tenant in TENANTS})
    for number in order:
        world.settle(steps[number], losses)
    _settle_in_the_end(world, second, losses)

    assert _opened(world) == [(second.tenant, second.user, second.group)]
