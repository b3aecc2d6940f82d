"""On which address a scheduler listens: loopback, or that of one named interface."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any

import psutil

from splitopt.instances.core.errors import InputError

LOOPBACK = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether a host as written is this machine itself; names are not looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listening_place(
    interface: str | None, options: Mapping[str, Any], configured: str | None
) -> dict[str, str]:
    """Return where the scheduler of a job queue listens, as options of Dask's scheduler.

    Parameters
    ----------
    interface
        What ``--interface`` names.
    options
        Those of the job queue.
    configured
        The interface in Dask's own configuration.

    Raises
    ------
    InputError
        When there is no such interface, none was named and there are several, or the host is
        every address of this machine.
    """
    given = options.get("scheduler_options", {})
    host = given.get("host")
    if host is not None and interface is None:
        if host.rpartition("://")[2].strip("[]") in ("", "*") or _is_wildcard(host):
            raise InputError(
                "scheduler_options host",
                host,
                "one address of this machine",
                "name it, or leave it out and write --interface eth0, say",
            )
        return {"host": host}
    found = _addresses()
    named = interface or given.get("interface") or options.get("interface") or configured
    if named is None:
        outside = [name for name, address in found.items() if not is_loopback(address)]
        if len(outside) != 1:
            raise InputError(
                "--interface",
                "none",
                "the network interface by which jobs reach this machine, one of "
                + ", ".join(f"{name} ({address})" for name, address in found.items()),
                "write --interface eth0, say",
            )
        named = outside[0]
    if named not in found:
        raise InputError(
            "--interface",
            named,
            "one that is up and has an IPv4 address: " + ", ".join(found),
            "correct the name",
        )
    return {"interface": named}


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.rpartition("://")[2].strip("[]")).is_unspecified
    except ValueError:
        return False


def _addresses() -> dict[str, str]:
    """Return the IPv4 address of each interface that is up."""
    states = psutil.net_if_stats()
    return {
        name: address.address
        for name, addresses in sorted(psutil.net_if_addrs().items())
        for address in addresses[::-1]
        if address.family == socket.AF_INET and name in states and states[name].isup
    }
