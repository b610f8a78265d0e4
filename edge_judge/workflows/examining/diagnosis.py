"""What a machine's figures mean for judging: what is fine, what costs time, what must be mended, and how.

Knows: limits, and what to do beyond them. Does not know: how a figure is found or shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge_judge.records import Activity, Backend, Finding, Machine
from edge_judge.report.formatting import size
from edge_judge.workflows.examining.places import Place
from edge_judge.workflows.examining.probe import Failure

LEAST_MEMORY, FEW_MEMORY = 256 << 20, 1_000_000_000  # bytes: what a build asks for; a small judge and its cache
LEAST_DISK, FEW_DISK = 100_000_000, 6_000_000_000  # bytes: results and temporary files; a 7B judge in q4_k_m
SWAPPING = 4 << 20  # bytes a second
BUSY = 0.75  # share of the processors
SLOWED = 0.9  # share of the highest frequency
OLD_GLIBC = (2, 28)  # numpy and pandas publish wheels for this one and newer
REBUILD = "pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python llama-cpp-python"


def on_machine(machine: Machine, activity: Activity) -> Iterator[Finding]:
    """What holds for every judge that runs here."""
    yield _on_memory(machine)
    yield from _on_limits(machine)
    yield _on_swap(activity)
    yield _on_others(machine, activity)
    yield from _on_speed(machine, activity)
    yield from _on_libc(machine)


def on_llama(machine: Machine, backend: Backend | Failure) -> Iterator[Finding]:
    """llama.cpp: whether it loads, and whether it uses the processor and the GPU."""
    if isinstance(backend, Failure):
        yield Finding("llama.cpp", "problem", backend.what, f"compile it for this machine: {REBUILD}", backend.message)
        return
    yield Finding("llama.cpp", "ok", f"loads, uses {backend.cpu or 'no special instructions'}")
    yield from _on_instructions(machine, backend)
    if backend.devices:
        yield Finding("GPU", "ok", ", ".join(device.description for device in backend.devices))
    elif machine.nvidia:
        hint = f'CMAKE_ARGS="-DGGML_CUDA=on" make setup, or CMAKE_ARGS="-DGGML_CUDA=on" {REBUILD}'
        yield Finding("GPU", "warning", "an NVIDIA GPU is here, this build of llama.cpp cannot use it", hint)
    elif machine.system.startswith("Darwin") and machine.architecture == "arm64":
        hint = f'CMAKE_ARGS="-DGGML_METAL=on" {REBUILD}'
        yield Finding("GPU", "warning", "this build of llama.cpp does not use Metal", hint)


def on_place(name: str, place: Place, elsewhere: str, private: str) -> Finding:
    """A folder that is written to. elsewhere: what names another one."""
    check = f"{name} folder"
    if not place.writable:
        return Finding(check, "problem", "nothing can be written there", elsewhere, private)
    if place.free is not None and place.free < LEAST_DISK:
        return Finding(check, "problem", f"{_room(place)} free", f"make room, or {elsewhere}", private)
    if place.networked:
        detail = f"on a network file system ({place.filesystem}), which may not keep locks"
        return Finding(check, "warning", detail, f"keep it on a local disk: {elsewhere}", private)
    if place.free is not None and place.free < FEW_DISK:
        remedy = f"a 7B judge in q4_k_m takes 5 GB: make room, or {elsewhere}"
        return Finding(check, "warning", f"{_room(place)} free", remedy, private)
    return Finding(check, "ok", f"{_room(place)} free", private=private)


def _room(place: Place) -> str:
    return "an unknown amount" if place.free is None else size(place.free)


def _on_memory(machine: Machine) -> Finding:
    detail = f"{size(machine.available)} of {size(machine.memory)} are free"
    if machine.available < LEAST_MEMORY:
        return Finding("memory", "problem", detail, "close other programs")
    if machine.available < FEW_MEMORY:
        return Finding("memory", "warning", detail, "close other programs, or use a smaller scheme")
    return Finding("memory", "ok", detail)


def _on_limits(machine: Machine) -> Iterator[Finding]:
    """What a container allows."""
    if machine.memory_limit is not None:
        detail = f"a control group allows {size(machine.memory_limit)} of {size(machine.memory)}"
        remedy = f"--max-memory {max(1, int(0.9 * machine.memory_limit / 1e6))}MB keeps a run below it"
        yield Finding("memory limit", "warning", detail, remedy)
    if machine.processor_limit is not None and machine.processor_limit < machine.processors:
        detail = f"a control group allows {machine.processor_limit:.2g} of {machine.processors} processors"
        yield Finding(
            "processor limit", "warning", detail, f"--threads {max(1, int(machine.processor_limit))} suits it"
        )


def _on_swap(activity: Activity) -> Finding:
    if activity.swapped > SWAPPING * activity.seconds:
        detail = f"memory is being swapped, {size(activity.swapped / activity.seconds)} a second"
        return Finding("swap", "problem", detail, "close other programs, or use a smaller scheme or --max-memory")
    return Finding("swap", "ok", "memory is not being swapped")


def _on_others(machine: Machine, activity: Activity) -> Finding:
    used = min(activity.others, machine.processors)
    detail = f"other programs use {used:.1f} of {machine.processors} processors"
    if used >= BUSY * machine.processors:
        remedy = "close them, or expect judging to take longer; --polite lets them go first"
        return Finding("other programs", "warning", detail, remedy)
    return Finding("other programs", "ok", detail)


def _on_speed(machine: Machine, activity: Activity) -> Iterator[Finding]:
    """Heat and power: what makes the same processor slower."""
    if activity.throttled:
        remedy = "let it cool: free its vents, use fewer --threads"
        yield Finding("heat", "warning", "the processor is slowed down because it is hot", remedy)
    elif activity.throttled is not None:
        yield Finding("heat", "ok", "the processor is not slowed down by heat")
    if machine.frequency_limit is not None and machine.frequency_limit < SLOWED:
        detail = f"the processor may run at {machine.frequency_limit:.0%} of its highest frequency"
        yield Finding("power", "warning", detail, "choose the power profile for performance")
    if machine.on_battery:
        yield Finding("battery", "warning", "this machine runs on its battery", "plug it in: most are then faster")


def _on_libc(machine: Machine) -> Iterator[Finding]:
    if not machine.system.startswith("Linux"):
        return
    version = re.search(r"glibc (\d+)\.(\d+)", machine.libc)
    if version is None:
        detail = "no glibc, as on Alpine: pip compiles what has no wheel for musl"
        yield Finding("C library", "warning", detail, "a distribution with glibc installs faster")
    elif (int(version[1]), int(version[2])) < OLD_GLIBC:
        remedy = "a newer distribution, or a container of one"
        yield Finding("C library", "warning", f"{machine.libc}: the newest wheels need 2.28", remedy)


def _on_instructions(machine: Machine, backend: Backend) -> Iterator[Finding]:
    """x86 without AVX2 is slow: the processor has none, or llama.cpp was built without it."""
    used = {part.strip() for part in backend.cpu.split(",")}
    if machine.architecture.lower() not in ("x86_64", "amd64") or "AVX2" in used:
        return
    if machine.flags and "avx2" not in machine.flags:
        remedy = "nothing here mends it: a newer processor judges several times as fast"
        yield Finding("instructions", "warning", "this processor has no AVX2", remedy)
    else:
        detail = "llama.cpp was built without AVX2: it is several times slower"
        yield Finding("instructions", "warning", detail, f"compile it for this machine: {REBUILD}")
