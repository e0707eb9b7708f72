"""What this machine is: a figure without it says nothing."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path


def describe() -> str:
    """Cores, processor, memory, system, how busy it was, and the day, in one line."""
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cores} cores of {_processor()}, {memory:.0f} GiB memory, {system}, Python {platform.python_version()}; "
        f"load {os.getloadavg()[0]:.1f} before the run; {datetime.now(UTC):%Y-%m-%d}"
    )


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return " ".join(found[1].split()) if found else platform.machine()
