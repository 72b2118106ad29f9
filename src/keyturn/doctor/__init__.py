"""`keyturn doctor`: looks for what keeps an installation from working, and says what to do about each.

    examination    the order of the checks: database, what lies in it, then business by business
    finding        what a check returns
    *_checks       settings, database, installations, work: need no upstream
    services       asks both services of one business, and has the rest judged by
                   credentials, units, custom_fields, silence, clocks, and (what failed) asked, reach
    field_list     the custom fields, for whoever creates them by hand

It reads and never repairs. At both services it only reads, apart from the access token, which it takes from
where all processes keep it. A finding shows ids, unit names and addresses; never a PIN, a key or a person.
"""
