"""The command line: one file per command, text for people and `--json` for machines.

A command reads its options, asks the engine or the store, prints, and ends with a code of
`outcome`. It decides nothing about access. Commands import late, so that `--help` stays quick.
"""
