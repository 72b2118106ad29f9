"""One seed, one history: a plan of the world, and the steps that happen in it.

The steps are drawn before anything happens and each carries its own numbers, so a step can be left out without
changing the others: that is how a failing history is shrunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from histories.deeds import Draws
from histories.dice import dice
from histories.world import START, Plan
from keyturn.providers.sensorberg.simulator import Knobs as SensorbergKnobs
from keyturn.storeganise.simulator import Knobs as StoreganiseKnobs

DEEDS = {
    "move_in": 6,
    "move_in_later": 1,
    "book": 1,
    "cancel_booking": 0.5,
    "move_out": 2.5,
    "plan_move_out": 0.5,
    "rent_again": 2,
    "transfer": 2.5,
    "change_owner": 1,
    "change_start": 0.7,
    "become_overdue": 3,
    "pay": 2.5,
    "edit_lock": 3.5,
    "edit_owner_pin": 1.5,
    "edit_rental_pin": 1.2,
    "edit_bad_pin": 1,
    "clear_owner_pin": 0.8,
    "clear_rental_pin": 0.6,
    "add_by_hand": 0.7,
    "remap": 1,
    "swap": 0.5,
}
WEBHOOKS = {"lose": 1.5, "repeat": 1, "reorder": 1, "hold_back": 1, "replay": 1.5}
"""What happens to webhooks that wait: at once after a deed, or never."""
TROUBLE = {
    "fail": 8,
    "outage": 0.7,
    "end_tokens": 1,
    "refuse": 0.7,
    "hang": 0.6,
    "hide": 0.6,
    "forbid": 0.5,
    "crash": 3,
    "stand_still": 0.8,
    "second_machine": 0.7,
    "lose_database": 0.7,
}
LONG_DAYS = (START, datetime(2026, 10, 24, 20, tzinfo=UTC), datetime(2027, 3, 27, 21, tzinfo=UTC))
"""A usual morning, and the evenings before the clocks change."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that happens `after_s` after the step before, or once the world is calm."""

    what: str
    after_s: float
    calm: bool
    draws: Draws

    def __str__(self) -> str:
        when = "when all is calm" if self.calm else f"{self.after_s:.0f} s later" if self.after_s else "at once"
        return f"{when:>17}: {self.what}({', '.join(f'{draw:.3f}' for draw in self.draws)})"


@dataclass(frozen=True, kw_only=True)
class History:
    """What is drawn from a seed."""

    plan: Plan
    steps: tuple[Step, ...]
    units: int
    sites: int


@dataclass(frozen=True, kw_only=True)
class Theme:
    """What histories are about: everything, or little things that are looked at closely."""

    deeds: Mapping[str, float] = field(default_factory=lambda: DEEDS)
    webhooks: Mapping[str, float] = field(default_factory=lambda: WEBHOOKS)
    trouble: Mapping[str, float] = field(default_factory=lambda: TROUBLE)
    trouble_rate: float = 0.2
    webhook_rate: float = 0.25
    numbers: Mapping[str, Draws] = field(default_factory=dict)
    """For some steps, the numbers they get; 0 where chance decides."""
    lengths: tuple[int, ...] = (6,)
    calm_rate: float = 0.5
    """How many steps wait until all is calm."""
    gaps_s: tuple[float, ...] = (0.0, 0.2, 3.0, 20.0, 120.0, 3600.0)
    """How long after the step before the others happen."""
    plan: Mapping[str, Any] = field(default_factory=dict)
    """What is not left to chance."""


EVERYTHING = Theme(lengths=(6, 9, 13))


def history_of(seed: int, theme: Theme = EVERYTHING) -> History:
    """Draw the history of a seed."""
    random = dice(seed)
    plan = Plan(
        seed=seed,
        start=random.choice(LONG_DAYS) + timedelta(minutes=random.randrange(600)),
        businesses=2 if random.random() < 0.25 else 1,
        machines=2 if random.random() < 0.25 else 1,
        latency_s=random.choice((0.005, 0.02, 0.08)),
        late_s=random.choice((0.0, 5.0, 15.0)),
        skew_s=(random.uniform(-0.3, 0.3), random.uniform(-0.3, 0.3), random.uniform(-0.3, 0.3)),
        pump=random.choice((1, 2, 4)),
        timing={"delta_every": random.choice(("45m", "1h", "90m"))},
        storeganise=_storeganise(random),
        sensorberg=_sensorberg(random),
    )
    length, steps = random.choice(theme.lengths), [_step(random, "move_in", theme, first=True)]
    while len(steps) < length:
        draw = random.random()
        if draw < theme.trouble_rate:
            steps.append(_step(random, _choice(random, theme.trouble), theme))
        steps.append(_step(random, _choice(random, theme.deeds), theme))
        if draw > 1 - theme.webhook_rate:
            what = _choice(random, theme.webhooks)
            steps.append(replace(_step(random, what, theme), after_s=0, calm=False))
    plan = replace(plan, **theme.plan)
    steps = [_numbered(step, theme) for step in steps]
    return History(plan=plan, steps=tuple(steps), units=random.randint(3, 6), sites=random.randint(1, 2))


def _numbered(step: Step, theme: Theme) -> Step:
    one, two, three, four = (n or d for n, d in zip(theme.numbers.get(step.what, step.draws), step.draws, strict=True))
    return replace(step, draws=(one, two, three, four))


def _choice(random: Random, weights: Mapping[str, float]) -> str:
    return random.choices(list(weights), list(weights.values()))[0]


def _step(random: Random, what: str, theme: Theme, *, first: bool = False) -> Step:
    after_s = random.choice(theme.gaps_s)
    if random.random() < 0.05:
        after_s = 6 * 3600.0
    draws = (random.random(), random.random(), random.random(), random.random())
    return Step(what=what, after_s=1.0 if first else after_s, calm=random.random() < theme.calm_rate, draws=draws)


def _storeganise(random: Random) -> StoreganiseKnobs:
    """Draw an account as Storeganise may behave."""
    return StoreganiseKnobs(
        data_form=random.choice(("both", "both", "job_only", "ids_only")),
        transfer_ids=random.choice(("string", "object")),
        overdue_form=random.choice(("unitRentalId", "unitRentalIds")),
        changed_keys=random.random() < 0.7,
        put_null=random.choice(("stores_null", "removes_key")),
        transfer_moves_overdue=random.random() < 0.7,
        transfer_extra_events=random.random() < 0.3,
        job_fields=random.choice(("result+steps", "steps", "data")),
        job_owner_is_api_user=random.random() < 0.5,
        retry_same_id=random.random() < 0.7,
    )


def _sensorberg(random: Random) -> SensorbergKnobs:
    """Draw a tenant as Sensorberg may behave."""
    return SensorbergKnobs(
        token_ttl=random.choice((7200, 7200, 900, None)),
        token_policy=random.choice(("new", "reuse", "revoke_previous")),
        delete_status=random.choice(("204", "200_meta", "202")),
        delete_missing=random.choice((404, 204)),
        put_status=random.choice((200, 200, 204, 202)),
        post_status=random.choice((201, 200, 202)),
        user_conflict_status=random.choice((422, 409)),
        code_unique=random.choice(("tenant", "tenant", "off")),
        membership_dup_external=random.choice(("422", "409", "upsert")),
        starts_at_update=random.choice(("ignored", "accepted", "422")),
        group_update=random.choice(("ignored", "accepted", "422")),
        external_id_reuse_after_delete=random.random() < 0.8,
        error_style=random.choice(("custom", "jr", "plain", "html", "empty")),
        created_at=random.choice(("accepted", "ignored")),
        clock_skew_s=random.choice((0.0, 0.0, -40.0, 90.0)),
    )
