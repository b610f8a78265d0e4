"""Another system, imitated: for the modules of this project, in every Python process, what only POSIX has is not there.

Other libraries keep it: on Windows they have their own ways. `variables` gives the environment in which
`sitecustomize`, below, runs before anything else.
"""

from __future__ import annotations

import os
from pathlib import Path

MODULES = ("resource", "fcntl", "termios", "tty", "pty", "pwd", "grp", "syslog", "curses", "readline")
MISSING = {
    "os": (
        "fork", "forkpty", "sysconf", "sched_getaffinity", "sched_setaffinity", "getuid", "geteuid", "getgid",
        "getegid", "pread", "pwrite", "preadv", "posix_fadvise", "posix_fallocate", "fchmod", "fchown", "chown",
        "lchown", "mkfifo", "getpgid", "setsid", "killpg", "nice", "getpriority", "uname", "getloadavg", "statvfs",
        "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "O_NOFOLLOW",
    ),
    "signal": (
        "SIGKILL", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE", "SIGTSTP", "alarm", "setitimer",
        "pause", "pthread_sigmask", "sigwait",
    ),
    "time": ("tzset",),
}  # fmt: skip

_PROGRAM = f'''
import builtins, sys, types

MODULES, MISSING = {MODULES!r}, {MISSING!r}
imported = builtins.__import__

class Without(types.ModuleType):
    """A module without some names."""

    def __init__(self, whole, missing):
        super().__init__(whole.__name__)
        self.__dict__.update({{name: value for name, value in vars(whole).items() if name not in missing}})

without = {{name: Without(imported(name), missing) for name, missing in MISSING.items()}}

def import_(name, globals=None, locals=None, fromlist=(), level=0):
    importer = str((globals or {{}}).get("__name__", "")).split(".")[0]
    if importer in ("edge_judge", "quantize"):
        if name.split(".")[0] in MODULES:
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)
        if name in without:
            return without[name]
    return imported(name, globals, locals, fromlist, level)

builtins.__import__ = import_
'''


def variables(folder: Path) -> dict[str, str]:
    """The environment's variables that make it so. folder: an empty one, for the program."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_PROGRAM, "utf-8")
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *([before] if before else [])])}
