"""Which account does a signed add-on delivery belong to? Decided before anything is stored.

The first event of an installation names the account's address. It is believed if it may be called at all, and
from then on it is pinned: an event that names another one is refused, and shown to the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keyturn.clock import Clock
from keyturn.core.ids import AddonId
from keyturn.core.installation import Installation, InstallationState
from keyturn.core.problem import addon_address
from keyturn.core.work import DELTA_SWEEP, Subject
from keyturn.errors import WebhookRejected
from keyturn.logs import logger
from keyturn.store.installations import Installations
from keyturn.store.problems import Problems


class Registrar:
    """Admits deliveries of installations, and makes new ones known."""

    def __init__(
        self,
        *,
        installations: Installations,
        problems: Problems,
        clock: Clock,
        callable_address: Callable[[str], str | None],
        name: Callable[[str], str],
        trusted: bool,
        sweeps: Sequence[Subject] = (DELTA_SWEEP,),
    ) -> None:
        """Keep the parts.

        `callable_address` spells an address or says `None`: it may not be called. `name` gives the code of a new
        account. `trusted`: a new installation is served at once, else it waits for approval. `sweeps` are woken for
        the account of one that is served.
        """
        self._installations = installations
        self._problems = problems
        self._clock = clock
        self._callable_address = callable_address
        self._name = name
        self._trusted = trusted
        self._sweeps = sweeps
        self._log = logger()

    async def admit(self, addon: str | None, api_url: str | None) -> Installation:
        """Return the installation a delivery comes from, with its account.

        `api_url`: as the event names it, `None` where it names none. Raises `WebhookRejected` (400), and
        `DatabaseUnavailable`.
        """
        if addon is None:
            raise WebhookRejected(400, "the event names no add-on installation")
        addon_id = AddonId(addon)
        address = None if api_url is None else self._callable_address(api_url)
        known = await self._installations.find(addon_id)
        if known is not None and known.api_url is not None:
            if api_url is not None and address != known.api_url:
                await self._another_address(known, api_url)
            return await self._trust(known)
        if api_url is None:
            raise WebhookRejected(400, "the event names no apiUrl")
        if address is None:
            await self._installations.refuse(addon_id, api_url)
            self._log.warning("addon_refused", addon_id=addon_id)
            raise WebhookRejected(400, "the apiUrl is not one that may be called")
        return await self._register(addon_id, address)

    async def _register(self, addon_id: AddonId, address: str) -> Installation:
        registered = await self._installations.register(addon_id, address, wanted=self._name(address))
        self._log.info("addon_registered", addon_id=addon_id, business=registered.business)
        return await self._trust(registered)

    async def _trust(self, installation: Installation) -> Installation:
        """Approve an installation that waits, where nobody wants to be asked."""
        if self._trusted and installation.state is InstallationState.WAITING:
            await self._installations.approve(installation.addon_id, self._sweeps)
        return installation

    async def _another_address(self, known: Installation, api_url: str) -> None:
        """Refuse, and let the operator know: it is a forgery, or the account has moved."""
        await self._installations.refuse(known.addon_id, api_url)
        if known.business is not None:
            await self._problems.settle(known.business, [addon_address(known.addon_id)], (), self._clock.now())
        self._log.warning("addon_refused", addon_id=known.addon_id, business=known.business)
        raise WebhookRejected(400, "the apiUrl is another one than before")
