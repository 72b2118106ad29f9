"""The decisions: pure functions over frozen values.

Nothing in here reads a clock, does I/O, logs or draws random numbers; `now`, limits and
observations are arguments. It imports the standard library and `keyturn.errors` only.
"""
