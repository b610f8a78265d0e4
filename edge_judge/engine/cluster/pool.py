"""Workers by Dask distributed: a coordinator's view of them, and a worker's own process.

Dask runs code that is sent to it. So a cluster belongs in a network that is trusted, or behind TLS, where only holders
of a certificate can reach it.
Knows: Dask. Does not know: what is sent, or which worker should get it.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from edge_judge.engine.address import is_here
from edge_judge.engine.cluster.bench import Bench
from edge_judge.errors import EdgeJudgeError, ModelError, UsageError

ANSWERS = 10.0  # seconds in which a finished answer should arrive
RETRY = 2.0  # seconds between attempts to reach a coordinator
EVERYWHERE = ("0.0.0.0", "::")
OTHER = "check whether another program uses this address, and whether both sides use TLS"
GREETING = 1 << 20  # bytes: more than any scheduler greets with


@dataclass(frozen=True, slots=True)
class Address:
    """Where the coordinator listens: tcp://host:port, or tls://host:port with the three files of TLS. insecure: talk
    without TLS to other machines.
    """

    url: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    insecure: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def check(self) -> None:
        """Raises UsageError for an address that is none, or that would be open to everybody."""
        example = "use for example tcp://127.0.0.1:8786"
        try:
            scheme, host, port = urlsplit(self.url).scheme, self.host, self.port
        except ValueError:
            scheme, host, port = "", "", 0
        if scheme not in ("tcp", "tls") or not host or not port:
            raise UsageError(f"'{self.url}' is not the address of a cluster", example)
        files = [self.ca, self.cert, self.key]
        if any(files) and not all(files):
            raise UsageError("TLS needs three files", "use --tls-ca, --tls-cert and --tls-key together")
        if (scheme == "tls") != all(files):
            raise UsageError(f"'{self.url}': tls:// and the three files of TLS go together", "see docs/scale.md")
        if scheme == "tcp" and not self.insecure and not is_here(host):
            raise UsageError(
                f"{self.url} is open to everybody who can reach it, and workers run what they are sent",
                "use tls:// with --tls-ca, --tls-cert and --tls-key, or --insecure in a network that you trust",
            )

    def security(self) -> Any:
        """Dask's own security; None without TLS."""
        if self.ca is None:
            return None
        security = _distributed().Security
        names = {f"tls_{role}_{part}" for role in ("client", "scheduler", "worker") for part in ("cert", "key")}
        files = {name: str(self.cert if name.endswith("cert") else self.key) for name in names}
        return security(tls_ca_file=str(self.ca), require_encryption=True, **files)


@dataclass(frozen=True, slots=True)
class Event:
    """A request has ended. content: None where no answer came; error: why."""

    id: int
    content: bytes | None
    error: str = ""


class DaskPool:
    """The workers at an address. Where nothing answers there, this process listens for them itself."""

    def __init__(self, address: Address) -> None:
        address.check()
        self.address, distributed = address, _distributed()
        security = address.security()
        self._scheduler = None if _answers(address) else _listen(address, security)
        if self._scheduler is None and not _speaks_dask(address):
            raise ModelError(f"{address.url}: the program at this address is not a Dask scheduler", OTHER)
        try:
            target = self._scheduler or address.url
            self._client = distributed.Client(target, timeout=ANSWERS, security=security, set_as_default=False)
        except Exception as error:  # whatever answers there in another language
            if self._scheduler is not None:
                self._scheduler.close()
            raise ModelError(
                f"{address.url}: no Dask scheduler answers at this address ({type(error).__name__})", OTHER
            ) from error
        self._futures: dict[int, Any] = {}
        self._ended: SimpleQueue[int] = SimpleQueue()
        self._requests = 0

    @property
    def command(self) -> str:
        """What joins this cluster, typed on another machine."""
        host = socket.gethostname() if self.address.host in EVERYWHERE else self.address.host
        scheme = urlsplit(self.address.url).scheme
        return f"edge-judge worker {scheme}://{host}:{self.address.port}"

    def workers(self) -> frozenset[str]:
        """The addresses of the workers that are there now."""
        try:
            return frozenset(self._client.nthreads())
        except (OSError, TimeoutError, ValueError) as error:
            raise ModelError(
                f"{self.address.url}: connection to the cluster lost: {error}", "run the same command again to resume"
            ) from error

    def ask(self, worker: str, method: str, content: bytes) -> int:
        """Send a request to a worker. Returns its id, under which it ends."""
        self._requests += 1
        request = self._requests
        future = self._client.submit(
            _run, method, content, key=f"edge-judge-{os.getpid()}-{id(self)}-{request}", workers=[worker],
            allow_other_workers=False, pure=False, retries=0,
        )  # fmt: skip
        self._futures[request] = future
        future.add_done_callback(lambda _: self._ended.put(request))
        return request

    def next(self, seconds: float) -> Event | None:
        """The next request that has ended; None if none does within so many seconds."""
        try:
            request = self._ended.get(timeout=seconds)
        except Empty:
            return None
        future = self._futures.pop(request, None)
        if future is None:  # it was dropped
            return None
        try:
            content = future.result(timeout=ANSWERS)
        except Exception as error:  # whatever happened to a worker, its blocks are done again
            return Event(request, None, f"{type(error).__name__}: {error}")
        return Event(request, content if isinstance(content, bytes) else None, "its answer is none")

    def drop(self, request: int) -> None:
        """The answer to a request is not needed any more."""
        future = self._futures.pop(request, None)
        if future is not None:
            future.cancel()

    def close(self) -> None:
        self._client.close()
        if self._scheduler is not None:
            self._scheduler.close()


def serve(address: Address, bench: Bench, note: Callable[[str], None]) -> None:
    """Work for the coordinators at an address, one after another, until interrupted."""
    import asyncio  # it takes 8 MB, which a machine that judges alone should not pay

    address.check()
    _distributed()
    waiting = False
    while True:
        if not _answers(address):
            if not waiting:
                note(f"waiting for a coordinator at {address.url}")
            waiting = True
            time.sleep(RETRY)
            continue
        waiting = False
        try:
            asyncio.run(_serve(address, bench, note))
        except (OSError, TimeoutError) as error:
            note(f"{address.url}: {error}")
            time.sleep(RETRY)


async def _serve(address: Address, bench: Bench, note: Callable[[str], None]) -> None:
    """Work until the coordinator leaves."""
    with tempfile.TemporaryDirectory(prefix="edge-judge-worker-", ignore_cleanup_errors=True) as scratch:
        worker = _distributed().Worker(
            address.url, nthreads=1, name=f"{bench.machine}-{os.getpid()}", memory_limit=0, dashboard=False,
            death_timeout=ANSWERS, local_directory=scratch, security=address.security(),
        )  # fmt: skip
        worker.bench = bench
        try:
            await worker
            note(f"working for {address.url}")
            await worker.finished()
        finally:
            await worker.close(timeout=1)


def _run(method: str, content: bytes) -> bytes:
    """Run on a worker: a method of its bench."""
    worker = _distributed().get_worker()
    answer: bytes = getattr(worker.bench, method)(content)
    return answer


def _distributed() -> Any:
    """Dask distributed, silent: what there is to say is said here."""
    try:
        import dask
        import distributed
    except ImportError as error:
        raise EdgeJudgeError(
            "working on several machines needs Dask distributed", "pip install 'edge-judge[cluster]'"
        ) from error
    for name in ("distributed", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    dask.config.set({"distributed.scheduler.worker-ttl": "60s", "distributed.worker.daemon": False})
    return distributed


def _listen(address: Address, security: Any) -> Any:
    """A scheduler in this process."""
    cluster: Any = _distributed().LocalCluster
    scheme = urlsplit(address.url).scheme
    try:
        return cluster(
            n_workers=0, processes=False, host=address.host, scheduler_port=address.port, protocol=f"{scheme}://",
            dashboard_address=None, security=security, silence_logs=logging.CRITICAL,
        )  # fmt: skip
    except (OSError, RuntimeError) as error:
        raise UsageError(
            f"{address.url}: no scheduler answers at this address, and this machine cannot listen on it: {error}",
            "--cluster takes an address of this machine or of a running scheduler",
        ) from error


def _answers(address: Address) -> bool:
    """Whether something listens at the address."""
    host = "127.0.0.1" if address.host in EVERYWHERE else address.host
    try:
        with socket.create_connection((host, address.port), timeout=RETRY):
            return True
    except OSError:
        return False


def _speaks_dask(address: Address) -> bool:
    """Whether what listens there greets as a scheduler does: at once, with the length of its greeting, eight bytes.

    Dask's own client waits for whatever another program says, without an end. Behind TLS it finds out by itself.
    """
    if address.ca is not None:
        return True
    host = "127.0.0.1" if address.host in EVERYWHERE else address.host
    try:
        with socket.create_connection((host, address.port), timeout=ANSWERS) as connection:
            length = connection.recv(8, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(length) == 8 and int.from_bytes(length, "little") <= GREETING
