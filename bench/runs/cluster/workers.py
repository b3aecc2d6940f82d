"""Which workers a cluster has, and which of their threads are free."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.runs.cluster import task
from splitopt.bench.runs.cluster.code import difference, own_code
from splitopt.bench.store.environment import describe
from splitopt.bench.store.rows import ROW_VERSION
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from distributed import Client, Future

_ANSWER_S = 30.0
# A worker whose machine lacks room or memory gets a run again after that.
_LACKS_S = 60.0


@dataclass(slots=True)
class Worker:
    """A worker process.

    Attributes
    ----------
    name
        What it was named by who started it.
    host
        What tells machines apart.
    threads
        Runs at a time.
    busy
        Runs it is at.
    done
        Runs it has done.
    introduced
        Whether it has said that it fits; until then it gets no runs.
    ends
        When its walltime is over, by `time.monotonic`; infinite where it has none.
    lacks_until
        Until then its machine is taken to lack what runs need.
    """

    name: str
    host: str
    threads: int
    introduction: Future
    busy: int = 0
    done: int = 0
    introduced: bool = False
    ends: float = math.inf
    lacks_until: float = -math.inf

    @property
    def left_s(self) -> float:
        """Seconds that are left of its walltime."""
        return self.ends - time.monotonic()

    def holds(self, seconds: float) -> bool:
        """Whether a run that takes so long can be given to it."""
        lacks = time.monotonic() < self.lacks_until
        return self.introduced and not lacks and self.left_s >= seconds


class Workers:
    """The workers of a cluster as they come and go.

    Parameters
    ----------
    plugins
        ``module:object`` of a user's own methods, which every worker must find.
    sources
        Hashes of their source here; it must be the same there.
    """

    def __init__(self, client: Client, plugins: Sequence[str], sources: Mapping[str, str]) -> None:
        self._client = client
        # A plugin in the current folder is found by workers that share the disk.
        here = str(Path.cwd())
        folders = [here] if plugins and here in sys.path else []
        self._asked = json.dumps({"plugins": list(plugins), "folders": folders})
        self._sources = sources
        self._known: dict[str, Worker] = {}

    def __contains__(self, address: str) -> bool:
        return address in self._known

    def __getitem__(self, address: str) -> Worker:
        return self._known[address]

    def look(self) -> None:
        """Ask the scheduler who is there.

        Raises
        ------
        OSError, TimeoutError
            When the scheduler is gone.
        InputError
            When a worker has another version of splitopt, or lacks a user's module.
        """
        info = self._ask()
        for address in [address for address in self._known if address not in info]:
            del self._known[address]
        for address, found in info.items():
            if address not in self._known and found.get("status") == "running":
                introduction = self._client.submit(
                    task.introduce, self._asked, workers=[address], pure=False
                )
                host = str(found.get("host") or address)
                name = str(found.get("name") or address)
                self._known[address] = Worker(name, host, int(found["nthreads"]), introduction)
        for address, worker in self._known.items():
            if not worker.introduced and worker.introduction.done():
                worker.introduced = self._fits(address, worker)

    def _ask(self) -> Mapping[str, Any]:
        # Not `scheduler_info`, which answers from memory when the scheduler does not.
        client = self._client
        try:
            found = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=_ANSWER_S)
        except AttributeError:  # a client that was closed has no scheduler
            raise OSError("the client is closed") from None
        workers: Mapping[str, Any] = found["workers"]
        return workers

    def _fits(self, address: str, worker: Worker) -> bool:
        introduction = worker.introduction
        if introduction.status != "finished":
            if address not in self._ask():
                return False  # it has gone meanwhile
            reason = " ".join(str(introduction.exception(timeout=5)).split())[:300]
            raise InputError(
                "--cluster",
                f"worker {address}",
                "workers that have splitopt installed",
                f"install the same version there; it says: {reason}",
            )
        found = json.loads(introduction.result(timeout=5))
        version = describe()["versions"].get("splitopt")
        if (found["row_version"], found["version"]) != (ROW_VERSION, version):
            raise InputError(
                "--cluster",
                f"worker {address} with splitopt {found['version']}",
                f"workers with splitopt {version}",
                "install the same version there",
            )
        code = found.get("code")  # an older worker does not say
        differ = "that of the worker is older" if code is None else difference(own_code(), code)
        if differ is not None:
            raise InputError(
                "--cluster",
                f"worker {address} with splitopt {version} of other code",
                f"workers with the code of this runner; {differ}",
                "install the same there as here, from the same commit, and start it again",
            )
        if found["missing"]:
            raise InputError(
                "--plugin",
                ", ".join(found["missing"]),
                f"a module that worker {address} finds",
                "install it there, or put it on PYTHONPATH before the worker is started",
            )
        for plugin, source in self._sources.items():
            if found["sources"].get(plugin, source) != source:
                raise InputError(
                    "--plugin",
                    plugin,
                    f"the same source on worker {address} as here",
                    "install the same version there",
                )
        if found["left_s"] is not None:
            worker.ends = time.monotonic() + found["left_s"]
        return True

    def without(self, address: str) -> bool:
        """Note that a worker's machine lacks what runs need; return whether another can do runs.

        It is tried again after a while.
        """
        if address in self._known:
            self._known[address].lacks_until = time.monotonic() + _LACKS_S
        return any(worker.holds(0.0) for worker in self._known.values())

    def all(self) -> list[Worker]:
        """Return those that are there."""
        return list(self._known.values())

    @property
    def threads(self) -> int:
        """Runs at a time on all workers."""
        return sum(worker.threads for worker in self._known.values() if worker.introduced)

    def threads_on(self, host: str) -> int:
        """Return the runs at a time on one machine."""
        return sum(
            worker.threads
            for worker in self._known.values()
            if worker.introduced and worker.host == host
        )

    def free(self, seconds: float) -> str | None:
        """Return the address of a worker with the fewest runs that can take one more.

        None where no worker with a free thread has so many seconds left.
        """
        free = [
            (worker.busy / worker.threads, address)
            for address, worker in self._known.items()
            if worker.holds(seconds) and worker.busy < worker.threads
        ]
        return min(free)[1] if free else None
