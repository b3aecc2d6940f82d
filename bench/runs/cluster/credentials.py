"""Credentials for TLS that are made for one call and are of no use after it."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from distributed import Security

_PREFIX = "tls-"


@contextlib.contextmanager
def temporary_credentials(folder: Path) -> Iterator[Security]:
    """Yield credentials whose files lie in a folder of their own that nobody else may enter.

    The scheduler, its workers and the runner hold the same key: who has it is one of them, and
    who has not is turned away by all of them. Files of runners that were killed are removed.
    """
    from distributed import Security

    _sweep(folder)
    made = Security.temporary()
    own = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{_host()}-{os.getpid()}-", dir=folder))
    try:
        key = _write(own / "key.pem", made.tls_worker_key)
        certificate = _write(own / "certificate.pem", made.tls_worker_cert)
        files = {"tls_ca_file": certificate}
        for role in ("client", "scheduler", "worker"):
            files |= {f"tls_{role}_cert": certificate, f"tls_{role}_key": key}
        yield Security(require_encryption=True, **files)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _write(path: Path, text: str) -> str:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)
    return str(path)


def _host() -> str:
    return "".join(c for c in platform.node() if c.isalnum()) or "here"


def _sweep(folder: Path) -> None:
    for path in folder.glob(f"{_PREFIX}{_host()}-*"):
        number = path.name.split("-")[2]
        if number.isdigit() and not psutil.pid_exists(int(number)) and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
