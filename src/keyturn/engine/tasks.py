"""Tell site staff of a problem where they work: one task in Storeganise per problem, until it is gone and comes back.

Storeganise has no way to say "this task, once", so it is remembered before a task goes out and after. Where the
answer is lost on the way, the task counts as left: one that is missing is still shown by `keyturn status`, and a
second one every hour would be worse. Where it is certain that there is none (no connection, a pause, 429, 5xx),
it is tried again. One that Storeganise refuses is not: the record cannot carry a task.

It must never decide what a problem is, or put a person's name into a task. Neighbours: looks report problems and
wake the row this works on, `engine.resolve` calls it, `core.words` has the sentences.
"""

from __future__ import annotations

from datetime import timedelta

from keyturn.clock import Clock
from keyturn.core.problem import ProblemCode
from keyturn.core.words import sentence
from keyturn.core.work import Ending, Lane, Outcome, WorkItem
from keyturn.engine.business import Business, Rules
from keyturn.engine.failure import Failure, failure_of, outcome_of
from keyturn.errors import LeaseLost, Refused, Unavailable, UpstreamError
from keyturn.logs import logger
from keyturn.store.problems import AT_ONCE, Problem, Problems

TELLS_FOR = timedelta(seconds=2)
"""Doors come first: after so long whatever else is due in the business gets its turn."""
RESTS_FOR = timedelta(seconds=5)
_CODES = {code.value: code for code in ProblemCode}


class Tasks:
    """Leaves the tasks of one business."""

    def __init__(self, *, business: Business, lane: Lane, clock: Clock, problems: Problems, rules: Rules) -> None:
        self._business = business
        self._lane = lane
        self._clock = clock
        self._problems = problems
        self._rules = rules
        self._log = logger()

    async def tell(self, item: WorkItem) -> Outcome:
        """Tell what is untold, one task after the other. Raises `LeaseLost`; every other failure becomes an outcome.

        What fails for one record does not keep others from theirs, except where nobody answers at all.
        """
        began, failure = self._clock.now(), None
        untold = await self._problems.untold(self._business.code)
        for problem in untold:
            if self._clock.now() - began >= TELLS_FOR:
                return self._outcome(item, failure, unfinished=True)
            try:
                await self._told(problem)
            except UpstreamError as error:
                failure = failure or failure_of(error)
                if isinstance(error, Unavailable) and (error.uncertain or error.paused_for is not None):
                    break
        return self._outcome(item, failure, unfinished=len(untold) == AT_ONCE)

    def _outcome(self, item: WorkItem, failure: Failure | None, *, unfinished: bool) -> Outcome:
        now = self._clock.now()
        if failure is not None:
            return outcome_of(item, failure, self._rules, now)
        again_at = now + RESTS_FOR if unfinished else None
        return Outcome(item=item, ending=Ending.DONE, reason="told site staff of problems", again_at=again_at)

    async def _told(self, problem: Problem) -> None:
        """Tell of one problem, unless whoever began to tell it may have done so, or it is gone."""
        if problem.code not in _CODES:
            return  # a newer version's, which is at work on the same database and has the words
        if problem.telling_at is not None:
            await self._over(problem, "task_uncertain")
            return
        now = self._clock.now()
        if not await self._problems.telling(self._lane, problem, now):
            return
        try:
            await self._post(problem)
        except Refused as refused:
            await self._over(problem, "task_refused", status=refused.status)
        except (UpstreamError, LeaseLost) as error:
            if isinstance(error, Unavailable) and error.uncertain:
                await self._over(problem, "task_uncertain")
            else:
                await self._problems.not_told(problem, now)
            raise
        else:
            await self._over(problem, "task_left")

    async def _over(self, problem: Problem, action: str, status: int | None = None) -> None:
        """Log and record that nothing more is to be done about a problem's task."""
        say = self._log.info if action == "task_left" else self._log.warning
        say(
            action,
            business=problem.business,
            code=problem.code,
            subject_kind=problem.subject.kind,
            subject_id=problem.subject.id,
            status=status,
        )
        await self._problems.told(problem, self._clock.now())

    async def _post(self, problem: Problem) -> None:
        language = problem.details.get("language") or self._business.language(None, None)
        words = sentence(_CODES[problem.code], problem.details, language)
        if problem.target is not None:
            await self._business.source.post_task(problem.target, words.title, words.text)
