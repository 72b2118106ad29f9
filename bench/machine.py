"""The machine the figures come from, and how much CPU and memory a process has used (Linux)."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SYNCS = 50


def own_cpu_s() -> float:
    """Return the CPU this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_s(pid: int) -> float:
    """Return the CPU a process and its ended children have used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def rss_mb(pid: int) -> float:
    """Return the memory a process holds, in millions of bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 1e6


def postgres_cpu_s() -> float:
    """Return the CPU the PostgreSQL server of this machine has used, ended sessions included."""
    found = 0.0
    for name in Path("/proc").glob("[0-9]*/comm"):
        try:
            if name.read_text(encoding="ascii", errors="replace").strip() == "postgres":
                found += cpu_s(int(name.parent.name))
        except OSError:
            continue
    return found


def fsync_ms(folder: Path) -> float:
    """Return how long it takes to get a page onto the disk, the median of some."""
    took = []
    path = folder / "fsync"
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    path.unlink()
    return sorted(took)[_SYNCS // 2] * 1000


def described(folder: Path) -> dict[str, str]:
    """Say what this machine is."""
    return {
        "CPU": f"{os.cpu_count()} x {_cpu_model()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * _PAGE / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        "Node": _version("node"),
        "a page onto the disk": f"{fsync_ms(folder):.2f} ms",
        "load before the run": f"{os.getloadavg()[0]:.1f}",
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _version(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        return "none"
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)  # noqa: S603  # a program of this machine
    return said.stdout.strip().lstrip("v")
