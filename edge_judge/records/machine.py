"""A machine as far as judging depends on it, and what was found when it was looked at.

Does not know: how anything is found, what is good or bad about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """A device in words. Bytes of its memory."""

    name: str
    description: str
    backend: str
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Backend:
    """What llama.cpp can use here. cpu: the features of the processor; devices: what it can offload to."""

    cpu: str
    devices: tuple[DeviceMemory, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """libc: name and version, empty where the system does not say. cores: physical; processors: that this process may
    use; flags: what the processor can do, empty where the system does not say. memory, available: bytes; memory_limit,
    processor_limit: of this process's control group, None for no limit. frequency_limit: share of the processor's
    highest frequency that the system allows; on_battery: None without a battery; nvidia: whether its driver is here.
    """

    system: str
    architecture: str
    python: str
    libc: str
    processor: str
    cores: int
    processors: int
    flags: frozenset[str]
    memory: int
    available: int
    memory_limit: int | None = None
    processor_limit: float | None = None
    frequency_limit: float | None = None
    on_battery: bool | None = None
    nvidia: bool = False


@dataclass(frozen=True, slots=True)
class Activity:
    """What happened in some seconds. swapped: bytes to and from the disk; others: processors that other programs used;
    throttled: how often the processor was slowed down by heat, None where the system does not count it.
    """

    seconds: float
    swapped: int
    others: float
    throttled: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. detail: what was found, in words that anybody may read; remedy: what to do, empty
    where nothing is; private: a path, an address or a message, for the person at this machine alone.
    """

    check: str
    state: State
    detail: str
    remedy: str = ""
    private: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found on a machine. backend: None where llama.cpp cannot be used; versions: of packages, by name;
    extras: those that are installed.
    """

    machine: Machine
    activity: Activity
    backend: Backend | None
    versions: Mapping[str, str]
    extras: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What must be mended."""
        return tuple(finding for finding in self.findings if finding.state == "problem")
