"""Every problem in English: the words of logs, commands, and tasks."""

from __future__ import annotations

from collections.abc import Mapping

from keyturn.core.wording import If, ProblemCode, Wording

ENGLISH: Mapping[ProblemCode, Wording] = {
    ProblemCode.UNMAPPED_UNIT: Wording(
        ("unit {unit} has no access group", "a unit has no access group"),
        (
            ("Unit {unit} has no access group.", "The unit has no access group."),
            "Enter the group's external identifier in the unit's field sensorberg_id.",
            (If("twin", "Its name cannot stand in, because another unit has the same name or group."),),
        ),
    ),
    ProblemCode.GROUP_TAKEN: Wording(
        ("the access group of unit {unit} is in use", "an access group is in use"),
        (
            (
                "Another rental already has access to the group of this unit ({group}), so the new tenant waits.",
                "Another rental already has access to the group of this unit, so the new tenant waits.",
            ),
            "Check the field sensorberg_id of both units, or end the other rental in Storeganise.",
        ),
    ),
    ProblemCode.CLAIMED: Wording(
        ("unit {unit}: another business is in the way", "another business is in the way"),
        (
            (
                "Another business on the same access system already uses this {kinds}.",
                "Another business on the same access system already uses this user, rental or group.",
            ),
            "Give each business its own groups, or its own access system.",
        ),
    ),
    ProblemCode.EMAIL_TAKEN: Wording(
        "the e-mail address is in use in the access system",
        (
            "The tenant's e-mail address already belongs to another user of the access system.",
            "Change one of the two addresses; two people are never merged.",
        ),
    ),
    ProblemCode.USER_REFUSED: Wording(
        "the access system refuses this customer",
        (
            "The access system refuses the tenant's user or code.",
            ("It names: {attributes}.",),
            "Check name, e-mail address and language.",
        ),
    ),
    ProblemCode.MEMBERSHIP_REFUSED: Wording(
        ("unit {unit}: the access system refuses the access", "the access system refuses the access"),
        (
            "The access system refuses the membership.",
            (
                "Check there that the group {group} exists and takes members.",
                "Check there that the unit's group exists and takes members.",
            ),
        ),
    ),
    ProblemCode.REVOKE_REFUSED: Wording(
        ("unit {unit}: the access of a rental could not be ended", "the access of a rental could not be ended"),
        (
            (
                "The access system refuses to end the access of rental {rental}.",
                "The access system refuses to end the access of this rental.",
            ),
            "Remove the membership there by hand, now.",
        ),
    ),
    ProblemCode.PIN_REFUSED: Wording(
        ("unit {unit}: the PIN that was entered cannot be used", "the PIN that was entered cannot be used"),
        (
            (
                "The PIN entered in the field sensorberg_pin cannot be used: {reason}.",
                "The PIN entered in the field sensorberg_pin cannot be used.",
            ),
            (If("issued", "A new one was issued."), If("put_back", "The PIN in force was put back.")),
        ),
    ),
    ProblemCode.NO_PIN: Wording(
        "the tenant's PIN is not in order",
        (
            ("The tenant's PIN is not in order: {reason}.", "The tenant's PIN is not in order."),
            "Check that the field sensorberg_pin exists on customers and rentals and can be read and written.",
            "It is tried again every hour.",
        ),
    ),
    ProblemCode.FIELD_NOT_KEPT: Wording(
        ("the field {field} keeps no value", "a field keeps no value"),
        (
            (
                If(
                    "customer",
                    "Storeganise accepted a value for the field {field} of the customer and does not show it.",
                ),
                "Storeganise accepted a value for the field {field} of the rental and does not show it.",
                "Storeganise accepted a value for a field and does not show it.",
            ),
            "Check that the custom field exists and can be written.",
        ),
    ),
    ProblemCode.CONFIRM_STAFF_LOCK: Wording(
        ("unit {unit}: please confirm the lock", "please confirm the lock of a rental"),
        (
            (
                "The field sensorberg_overlocked was ticked before Keyturn first saw this rental, "
                "so it counts as locked by staff."
            ),
            "Untick it if that is not meant.",
        ),
    ),
    ProblemCode.SITE_LEFT: Wording(
        (If("count", "the site uses another security system"), "the site names no security system"),
        (
            (
                (
                    "The site now uses another security system, and {count} rentals there have access. They keep it "
                    "until staff confirm: correct the field securitySystem, or end their access at the provider."
                ),
                (
                    "The site does not name its security system; access is left as it is. "
                    "Set the site's field securitySystem."
                ),
            ),
        ),
    ),
    ProblemCode.VANISHED: Wording(
        "several rentals of the site have disappeared",
        (
            "Several rentals of this site disappeared from Storeganise within a day. Their access stays as it is.",
            "Check the site and the API key's permissions; end the rentals in Storeganise if they are really over.",
        ),
    ),
    ProblemCode.CREDENTIALS: Wording(
        (
            If("missing", "the site's credentials for the access system are missing"),
            "the site's credentials for the access system are refused",
        ),
        (
            (
                "No access credentials are known for this site. Missing: {missing}.",
                "The access system refuses the credentials of this site.",
            ),
            (
                "Enter valid ones in Storeganise under Sites > the site > Add-ons > Keyturn (installation {addon}).",
                "Enter valid ones in the site's custom fields, or in the settings of Keyturn, and restart it.",
            ),
            "What is due runs by itself then.",
        ),
    ),
    ProblemCode.WRITE_REFUSED: Wording(
        ("unit {unit}: Storeganise refuses what Keyturn writes", "Storeganise refuses what Keyturn writes"),
        (
            "Storeganise refuses to write the fields of this rental or of its owner.",
            "Check that sensorberg_pin and sensorberg_overlocked exist and that the API key may write.",
        ),
    ),
    ProblemCode.ADDON_ADDRESS: Wording(
        "an event named another address of this account",
        (
            "An event of this installation named another address of the account than the one known; it was refused.",
            (
                "If the account has moved, the operator of Keyturn runs `keyturn addons forget` for the installation; "
                "its next event makes it known again. If it has not, somebody else may know the add-on's secret."
            ),
        ),
    ),
    ProblemCode.ADDRESS_NOT_ALLOWED: Wording(
        "the address of the access system may not be called",
        (
            "The address of this site's access system may not be called, so nothing was sent.",
            "Check the field sensorberg_url.",
            (
                "If it is right, the operator of Keyturn adds {host} to network.allowed_hosts in the settings.",
                "It must be an https address whose host is in network.allowed_hosts in the settings of Keyturn.",
            ),
        ),
    ),
}
