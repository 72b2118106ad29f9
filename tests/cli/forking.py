"""The program that the processes of the nursery are forked from: `python forking.py SOCKET`.

It imports everything and waits. Each message on the socket is a command line, with three files: one to read from until
the process may begin, one for its standard error, one on which its exit code is written.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import socket
import sys

IMPORTED = (
    "alembic.command",
    "keyturn.cli.app",
    "keyturn.processes",
    "keyturn.store.migrations",
    "keyturn.store.postgres",
    "keyturn.store.sqlite",
    "uvloop",
)
PR_SET_PTRACER = 0x59616D61
ANYBODY = -1


def _serve(wishes: socket.socket) -> None:
    """Fork whatever is wished for until nobody can wish any more."""
    for name in IMPORTED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        wish, files, _, _ = socket.recv_fds(wishes, 2**16, 3)
        if not wish:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _watch_over(json.loads(wish), wishes, *files)
        for one in files:
            os.close(one)


def _watch_over(words: list[str], wishes: socket.socket, go: int, stderr: int, code: int) -> None:
    """Fork the wished process, say who it is, and in the end how it ended."""
    pid = os.fork()
    if pid == 0:
        wishes.close()
        os.close(code)
        os.dup2(stderr, sys.stderr.fileno())
        os.close(stderr)
        _run(words, go)
    os.close(stderr)
    os.close(go)
    wishes.send(str(pid).encode())
    _, status = os.waitpid(pid, 0)
    os.write(code, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _run(words: list[str], go: int) -> None:
    """Run the program, once we are let go, and end."""
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANYBODY)  # where only a parent may trace
    os.read(go, 1)
    os.close(go)
    from keyturn.cli.app import run

    code = run(words)
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
