"""Dask's scheduler and worker without the pages that they serve to everybody over HTTP."""

from __future__ import annotations

from typing import Any

from distributed import Scheduler, Worker
from distributed.comm.addressing import get_address_host, unparse_host_port
from distributed.utils import get_ip


class QuietScheduler(Scheduler):  # type: ignore[misc]
    """A scheduler that listens for Dask's own connections alone."""

    def start_http_server(self, *_arguments: Any, **_options: Any) -> None:
        """Start none: it would answer anybody, unencrypted."""


class QuietWorker(Worker):  # type: ignore[misc]
    """A worker that listens for Dask's own connections alone, and on one address.

    Without a host or an interface Dask's listens on every address of its machine; this one on
    that from which it reaches the scheduler.
    """

    _start_host: str | None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not self._start_host and not self._interface:
            reached = get_ip(get_address_host(self.scheduler.address))
            self._start_host = unparse_host_port(reached)

    def start_http_server(self, *_arguments: Any, **_options: Any) -> None:
        """Start none: it would answer anybody, unencrypted."""
