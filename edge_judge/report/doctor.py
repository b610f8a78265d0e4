"""What the doctor found, as tables for a person and as JSON that may be shown to anybody.

Knows: columns, words, what is private. Does not know: how anything was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge_judge.quantities import counted
from edge_judge.records import Backend, Diagnosis, Finding
from edge_judge.report.columns import Value
from edge_judge.report.formatting import Form, Part, Table, notes, size, table
from edge_judge.report.forms import Sheet, sheet, written


def doctor_text(found: Diagnosis, *, form: Form = "table", width: int = 80, color: bool = False) -> str:
    """Tables of the machine and of what was checked, and what to do about each warning and problem."""
    parts: list[Part] = [_machine_table(found), _checks_table(found.findings)]
    if remedies := [f"{one.check}: {_remedy(one)}" for one in found.findings if one.state != "ok"]:
        parts.append(notes(*remedies))
    return written(parts, [_sheet(found.findings)], form=form, width=width, color=color)


def doctor_json(found: Diagnosis) -> dict[str, Any]:
    """The same without paths, names of hosts and of models of one's own. Bytes; `others`: processors in use."""
    machine, activity = found.machine, found.activity
    return {
        "machine": {
            "system": machine.system,
            "architecture": machine.architecture,
            "python": machine.python,
            "libc": machine.libc,
            "processor": machine.processor,
            "cores": machine.cores,
            "processors": machine.processors,
            "processor_limit": machine.processor_limit,
            "memory": machine.memory,
            "available": machine.available,
            "memory_limit": machine.memory_limit,
            "frequency_limit": machine.frequency_limit,
            "on_battery": machine.on_battery,
        },
        "activity": {"swapped": activity.swapped, "others": activity.others, "throttled": activity.throttled},
        "backend": _backend_json(found.backend),
        "versions": dict(found.versions),
        "extras": list(found.extras),
        "checks": [
            {"check": one.check, "state": one.state, "detail": one.detail, "remedy": one.remedy or None}
            for one in found.findings
        ],
    }


def _backend_json(backend: Backend | None) -> dict[str, Any] | None:
    if backend is None:
        return None
    devices = [
        {"description": one.description, "backend": one.backend, "free": one.free, "total": one.total}
        for one in backend.devices
    ]
    return {"cpu": backend.cpu, "devices": devices}


def _machine_table(found: Diagnosis) -> Table:
    machine, backend = found.machine, found.backend
    devices = backend.devices if backend else ()
    gpus = [f"{one.description} ({one.backend}), {size(one.free)} of {size(one.total)}" for one in devices]
    packages = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    rows = [
        ["system", ", ".join(filter(None, (machine.system, machine.architecture, machine.libc)))],
        ["processor", f"{machine.processor}, {counted(machine.cores, 'core')}, {machine.processors} threads"],
        ["memory", size(machine.memory)],
        ["GPU", "; ".join(gpus) or "none that this build of llama.cpp can use"],
        ["versions", f"{machine.python}, {packages}"],
        ["extras", ", ".join(found.extras) or "none"],
    ]
    return table("This machine", ["part", "found"], rows, words=2)


def _checks_table(findings: Sequence[Finding]) -> Table:
    rows = [[one.check, one.state, " · ".join(filter(None, (one.detail, _place(one))))] for one in findings]
    return table("Checks", ["checked", "state", "found"], rows, words=3)


def _place(one: Finding) -> str:
    """What is private, with the home folder as `~`."""
    home = str(Path.home())
    return one.private.replace(home, "~") if len(home) > 1 else one.private


def _remedy(one: Finding) -> str:
    return one.remedy or one.detail


def _sheet(findings: Sequence[Finding]) -> Sheet:
    """A line for each check; without paths, as in JSON."""
    fields: dict[str, Callable[[Finding], Value]] = {
        "check": lambda one: one.check,
        "state": lambda one: one.state,
        "detail": lambda one: one.detail,
        "remedy": lambda one: one.remedy or None,
    }
    return sheet("checks", fields, findings)
