"""The program: `keyturn` and `python -m keyturn`."""

from __future__ import annotations


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from keyturn.cli.app import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()
