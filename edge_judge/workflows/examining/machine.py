"""This machine as far as judging depends on it: system, processor, memory, limits, and what goes on there now.

Knows: the operating system's counters, Linux' files under /proc and /sys. Does not know: what is good or bad about
them, which models there are.
"""

from __future__ import annotations

import os
import platform
import re
import time
from contextlib import suppress
from pathlib import Path

import psutil

from edge_judge.records import Activity, Machine

ROOT = Path("/")  # tests have another
CGROUPS = "sys/fs/cgroup"


def look(root: Path = ROOT) -> Machine:
    """The machine as it is now. root: where proc/ and sys/ are."""
    memory = psutil.virtual_memory()
    cpuinfo = _text(root / "proc/cpuinfo")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        system=f"{platform.system()} {platform.release()}".strip(),
        architecture=platform.machine(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libc=" ".join(platform.libc_ver()).strip(),
        processor=_field(cpuinfo, "model name") or platform.processor() or platform.machine(),
        cores=max(1, min(psutil.cpu_count(logical=False) or 1, usable)),
        processors=usable,
        flags=frozenset((_field(cpuinfo, "flags") or _field(cpuinfo, "Features")).split()),
        memory=int(memory.total),
        available=int(memory.available),
        memory_limit=memory_limit(int(memory.total), root),
        processor_limit=processor_limit(root),
        frequency_limit=frequency_limit(root),
        on_battery=_on_battery(),
        nvidia=(root / "proc/driver/nvidia/version").exists(),
    )


def watch(seconds: float = 1.0, root: Path = ROOT) -> Activity:
    """What goes on in so many seconds, in which this process sleeps."""
    swapped, busy, throttled, start = _swapped(), _busy_seconds(), throttle_count(root), time.perf_counter()
    time.sleep(seconds)
    passed = time.perf_counter() - start
    now = throttle_count(root)
    return Activity(
        passed,
        max(0, _swapped() - swapped),
        max(0.0, _busy_seconds() - busy) / passed,
        None if now is None or throttled is None else max(0, now - throttled),
    )


def memory_limit(total: int, root: Path = ROOT) -> int | None:
    """Bytes that this process's control groups allow; None if that is no less than `total`, what the machine has."""
    texts = [
        *_settings("", "memory.max", root),
        *_settings("memory", "memory.limit_in_bytes", root),
    ]
    limit = min((int(text) for text in texts if text.isdecimal()), default=total)
    return limit if limit < total else None


def processor_limit(root: Path = ROOT) -> float | None:
    """Processors that this process's control groups allow on average; None for no limit."""
    shares = [_share(*text.split()) for text in _settings("", "cpu.max", root) if len(text.split()) == 2]
    quotas, periods = (_settings("cpu", f"cpu.cfs_{name}_us", root) for name in ("quota", "period"))
    shares += [_share(*pair) for pair in zip(quotas, periods, strict=False)]
    return min((share for share in shares if share is not None), default=None)


def frequency_limit(root: Path = ROOT) -> float | None:
    """The highest frequency that is allowed, as a share of the highest that the processors have; None if unknown."""
    shares = []
    for folder in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq"):
        allowed, most = (_text(folder / name).strip() for name in ("scaling_max_freq", "cpuinfo_max_freq"))
        if allowed.isdecimal() and most.isdecimal() and int(most):
            shares.append(int(allowed) / int(most))
    return min(shares, default=None)


def throttle_count(root: Path = ROOT) -> int | None:
    """How often processors were slowed down by heat since the machine was started; None where that is not counted."""
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
    counts = [text for text in (_text(file).strip() for file in files) if text.isdecimal()]
    return sum(map(int, counts)) if counts else None


def _settings(controller: str, name: str, root: Path) -> list[str]:
    """A setting of this process's control group and of all around it. controller: empty for version 2 of cgroups."""
    texts = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controller in controllers.split(","):
            top = root / CGROUPS / controllers
            group = top / path.lstrip("/")
            folders = [group, *group.parents[: len(group.parts) - len(top.parts)]]
            texts += [_text(folder / name).strip() for folder in folders]
    return [text for text in texts if text]


def _share(quota: str, period: str) -> float | None:
    if not (quota.isdecimal() and period.isdecimal() and int(period)):  # "max" or -1: no limit
        return None
    return int(quota) / int(period)


def _swapped() -> int:
    with suppress(OSError, RuntimeError, NotImplementedError):
        swap = psutil.swap_memory()
        return int(swap.sin + swap.sout)
    return 0


def _busy_seconds() -> float:
    """Processor seconds of all programs but this one."""
    times, own = psutil.cpu_times(), psutil.Process().cpu_times()
    busy = sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "interrupt", "dpc"))
    return float(busy - own.user - own.system)


def _on_battery() -> bool | None:
    with suppress(OSError, AttributeError, NotImplementedError):
        battery = psutil.sensors_battery()
        if battery is not None and battery.power_plugged is not None:
            return not battery.power_plugged
    return None


def _field(cpuinfo: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else ""


def _text(path: Path) -> str:
    """A small file of the system's; empty if it cannot be read."""
    with suppress(OSError):
        return path.read_text("utf-8", errors="replace")
    return ""
