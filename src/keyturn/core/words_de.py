"""Every problem in German, for tasks: what site staff can do about it, in their words."""

from __future__ import annotations

from collections.abc import Mapping

from keyturn.core.wording import If, ProblemCode, Wording

GERMAN: Mapping[ProblemCode, Wording] = {
    ProblemCode.UNMAPPED_UNIT: Wording(
        ("Einheit {unit} hat keine Zugangsgruppe", "Eine Einheit hat keine Zugangsgruppe"),
        (
            ("Einheit {unit} hat keine Zugangsgruppe.", "Die Einheit hat keine Zugangsgruppe."),
            "Tragen Sie die externe Kennung der Gruppe im Feld sensorberg_id der Einheit ein.",
            (
                If(
                    "twin",
                    "Ihr Name kann sie nicht ersetzen: Eine andere Einheit hat denselben Namen oder dieselbe Gruppe.",
                ),
            ),
        ),
    ),
    ProblemCode.GROUP_TAKEN: Wording(
        ("Die Zugangsgruppe der Einheit {unit} ist belegt", "Eine Zugangsgruppe ist belegt"),
        (
            (
                (
                    "Ein anderer Mietvertrag hat bereits Zugang zur Gruppe dieser Einheit ({group}); "
                    "der neue Zugang wartet deshalb."
                ),
                "Ein anderer Mietvertrag hat bereits Zugang zur Gruppe dieser Einheit; der neue Zugang wartet deshalb.",
            ),
            (
                "Prüfen Sie das Feld sensorberg_id beider Einheiten, "
                "oder beenden Sie den anderen Mietvertrag in Storeganise."
            ),
        ),
    ),
    ProblemCode.CLAIMED: Wording(
        ("Einheit {unit}: Ein anderes Unternehmen ist im Weg", "Ein anderes Unternehmen ist im Weg"),
        (
            (
                "Ein anderes Unternehmen im selben Zugangssystem verwendet diesen Benutzer, diesen Mietvertrag "
                "oder diese Gruppe bereits."
            ),
            "Geben Sie jedem Unternehmen eigene Gruppen oder ein eigenes Zugangssystem.",
        ),
    ),
    ProblemCode.EMAIL_TAKEN: Wording(
        "Die E-Mail-Adresse ist im Zugangssystem schon vergeben",
        (
            "Die E-Mail-Adresse dieses Kundenkontos gehört im Zugangssystem bereits jemand anderem.",
            "Ändern Sie eine der beiden Adressen; zwei Personen werden nie zusammengelegt.",
        ),
    ),
    ProblemCode.USER_REFUSED: Wording(
        "Das Zugangssystem lehnt dieses Kundenkonto ab",
        (
            "Das Zugangssystem lehnt den Benutzer oder die PIN ab.",
            ("Es nennt: {attributes}.",),
            "Prüfen Sie Name, E-Mail-Adresse und Sprache.",
        ),
    ),
    ProblemCode.MEMBERSHIP_REFUSED: Wording(
        ("Einheit {unit}: Das Zugangssystem lehnt den Zugang ab", "Das Zugangssystem lehnt den Zugang ab"),
        (
            "Das Zugangssystem lehnt die Mitgliedschaft in der Zugangsgruppe ab.",
            (
                "Prüfen Sie dort, ob es die Gruppe {group} gibt und ob sie Mitglieder aufnimmt.",
                "Prüfen Sie dort, ob es die Gruppe der Einheit gibt und ob sie Mitglieder aufnimmt.",
            ),
        ),
    ),
    ProblemCode.REVOKE_REFUSED: Wording(
        (
            "Einheit {unit}: Der Zugang eines Mietvertrags konnte nicht beendet werden",
            "Der Zugang eines Mietvertrags konnte nicht beendet werden",
        ),
        (
            (
                "Das Zugangssystem weigert sich, den Zugang des Mietvertrags {rental} zu beenden.",
                "Das Zugangssystem weigert sich, den Zugang dieses Mietvertrags zu beenden.",
            ),
            "Entfernen Sie die Mitgliedschaft dort jetzt von Hand.",
        ),
    ),
    ProblemCode.PIN_REFUSED: Wording(
        (
            "Einheit {unit}: Die eingetragene PIN kann nicht verwendet werden",
            "Die eingetragene PIN kann nicht verwendet werden",
        ),
        (
            "Die im Feld sensorberg_pin eingetragene PIN kann nicht verwendet werden.",
            (
                (
                    "Eine PIN muss genau {digits} Ziffern haben, darf nicht leicht zu erraten sein "
                    "und niemand anderem gehören."
                ),
                "Sie hat die falsche Länge, ist zu leicht zu erraten oder gehört schon jemand anderem.",
            ),
            (
                If("issued", "Es wurde eine neue PIN ausgegeben."),
                If("put_back", "Die gültige PIN wurde wieder eingetragen."),
            ),
        ),
    ),
    ProblemCode.NO_PIN: Wording(
        "Die PIN ist nicht in Ordnung",
        (
            "Die PIN dieses Kundenkontos ist nicht in Ordnung.",
            (
                "Prüfen Sie, ob es das Feld sensorberg_pin bei Kunden und Mietverträgen gibt "
                "und ob es gelesen und geschrieben werden kann."
            ),
            "Es wird jede Stunde erneut versucht.",
        ),
    ),
    ProblemCode.FIELD_NOT_KEPT: Wording(
        ("Das Feld {field} behält keinen Wert", "Ein Feld behält keinen Wert"),
        (
            (
                If(
                    "customer",
                    "Storeganise hat für das Feld {field} des Kundenkontos einen Wert angenommen und zeigt ihn nicht.",
                ),
                "Storeganise hat für das Feld {field} des Mietvertrags einen Wert angenommen und zeigt ihn nicht.",
                "Storeganise hat für ein Feld einen Wert angenommen und zeigt ihn nicht.",
            ),
            "Prüfen Sie, ob es das Feld gibt und ob es geschrieben werden kann.",
        ),
    ),
    ProblemCode.CONFIRM_STAFF_LOCK: Wording(
        ("Einheit {unit}: Bitte bestätigen Sie die Sperre", "Bitte bestätigen Sie die Sperre eines Mietvertrags"),
        (
            (
                "Das Feld sensorberg_overlocked war schon angekreuzt, als Keyturn diesen Mietvertrag zum ersten Mal "
                "sah. Es gilt deshalb als Sperre durch Ihr Team."
            ),
            "Entfernen Sie das Häkchen, wenn das nicht gemeint ist.",
        ),
    ),
    ProblemCode.SITE_LEFT: Wording(
        (If("count", "Der Standort nutzt ein anderes Zugangssystem"), "Der Standort nennt kein Zugangssystem"),
        (
            (
                (
                    "Der Standort nutzt jetzt ein anderes Zugangssystem, und {count} Mietverträge haben dort noch "
                    "Zugang. Sie behalten ihn, bis Sie entscheiden: Berichtigen Sie das Feld securitySystem, "
                    "oder beenden Sie die Zugänge im bisherigen System."
                ),
                (
                    "Der Standort nennt sein Zugangssystem nicht; die Zugänge bleiben, wie sie sind. "
                    "Füllen Sie das Feld securitySystem des Standorts aus."
                ),
            ),
        ),
    ),
    ProblemCode.VANISHED: Wording(
        "Mehrere Mietverträge des Standorts sind verschwunden",
        (
            (
                "Mehrere Mietverträge dieses Standorts sind innerhalb eines Tages aus Storeganise verschwunden. "
                "Ihre Zugänge bleiben, wie sie sind."
            ),
            (
                "Prüfen Sie den Standort und die Rechte des API-Schlüssels; "
                "beenden Sie die Mietverträge in Storeganise, wenn sie wirklich vorbei sind."
            ),
        ),
    ),
    ProblemCode.CREDENTIALS: Wording(
        (
            If("missing", "Die Zugangsdaten des Standorts für das Zugangssystem fehlen"),
            "Die Zugangsdaten des Standorts für das Zugangssystem werden abgelehnt",
        ),
        (
            (
                "Für diesen Standort sind keine Zugangsdaten bekannt. Es fehlen: {missing}.",
                "Das Zugangssystem lehnt die Zugangsdaten dieses Standorts ab.",
            ),
            (
                (
                    "Tragen Sie gültige in Storeganise unter Sites > der Standort > Add-ons > Keyturn ein "
                    "(Installation {addon})."
                ),
                (
                    "Tragen Sie gültige in den benutzerdefinierten Feldern des Standorts ein "
                    "oder in den Einstellungen von Keyturn."
                ),
            ),
            "Was offen ist, läuft dann von selbst.",
        ),
    ),
    ProblemCode.WRITE_REFUSED: Wording(
        ("Einheit {unit}: Storeganise lehnt Einträge von Keyturn ab", "Storeganise lehnt Einträge von Keyturn ab"),
        (
            "Storeganise lehnt es ab, die Felder dieses Mietvertrags oder des Kundenkontos zu schreiben.",
            (
                "Prüfen Sie, ob es die Felder sensorberg_pin und sensorberg_overlocked gibt "
                "und ob der API-Schlüssel schreiben darf."
            ),
        ),
    ),
    ProblemCode.ADDON_ADDRESS: Wording(
        "Ein Ereignis nannte eine andere Adresse dieses Kontos",
        (
            (
                "Ein Ereignis dieser Installation nannte eine andere Adresse des Kontos als die bekannte; "
                "es wurde abgewiesen."
            ),
            (
                "Ist das Konto umgezogen, führt der Betreiber von Keyturn für die Installation `keyturn addons forget` "
                "aus; ihr nächstes Ereignis meldet sie neu an. Ist es nicht umgezogen, kennt womöglich jemand anders "
                "das Geheimnis des Add-ons."
            ),
        ),
    ),
    ProblemCode.ADDRESS_NOT_ALLOWED: Wording(
        "Die Adresse des Zugangssystems darf nicht aufgerufen werden",
        (
            "Die Adresse des Zugangssystems dieses Standorts darf nicht aufgerufen werden; es wurde nichts gesendet.",
            "Prüfen Sie das Feld sensorberg_url.",
            (
                (
                    "Stimmt sie, trägt der Betreiber von Keyturn {host} in den Einstellungen "
                    "unter network.allowed_hosts ein."
                ),
                (
                    "Es muss eine https-Adresse sein, deren Host in den Einstellungen von Keyturn "
                    "unter network.allowed_hosts steht."
                ),
            ),
        ),
    ),
}
