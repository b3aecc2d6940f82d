"""Tensors over a loopback connection that is held to a link's rate and delay.

A message is a header (mark, number of the request, bytes to come) and the raw bytes of its tensors,
whose names, shapes and types both ends know beforehand. Nothing that is received is executed or
unpacked. The sender lets each piece go when the link would have carried it; the receiver hands the
message on the link's delay after its last byte.
"""

from __future__ import annotations

import contextlib
import hmac
import math
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LOOPBACK = "127.0.0.1"
_HEADER = struct.Struct("!4sIQ")
_MARK = b"SPLT"
_SHORTEST_S = 0.0005  # a piece takes no less: sleep is no finer
_TOKEN_BYTES = 32


class WireError(ConnectionError):
    """The other end is gone, or is not who it should be."""


@dataclass(frozen=True, slots=True)
class Form:
    """Name, shape and type of a tensor that crosses."""

    name: str
    shape: tuple[int, ...]
    kind: str


def empty(form: Form) -> Any:
    """Return an array for a tensor."""
    import numpy as np

    return np.empty(form.shape, form.kind)


def connect(port: int, token: bytes) -> socket.socket:
    """Return a connection to a host of this rehearsal, which the token proves."""
    stream = socket.create_connection((LOOPBACK, port), timeout=60)
    _settle(stream)
    stream.sendall(token)
    return stream


def accept(listener: socket.socket, token: bytes) -> socket.socket:
    """Return the connection of the host before; whoever does not know the token is turned away."""
    listener.settimeout(60)
    while True:
        stream, _ = listener.accept()
        stream.settimeout(5)
        with contextlib.suppress(OSError):
            if hmac.compare_digest(_exactly(stream, bytearray(_TOKEN_BYTES)), token):
                _settle(stream)
                return stream
        stream.close()


def send(
    stream: socket.socket, number: int, arrays: Sequence[Any], seconds: float, began: float
) -> None:
    """Send tensors so that the last byte leaves `seconds` after `began` (`time.monotonic`)."""
    views = [memoryview(array.reshape(-1).view("uint8")) for array in arrays]
    total = sum(map(len, views))
    stream.sendall(_HEADER.pack(_MARK, number, total))
    pieces = max(1, min(math.ceil(total / (1 << 16)), int(seconds / _SHORTEST_S)))
    size = max(1, math.ceil(total / pieces))
    sent = 0
    for view in views:
        start = 0
        while start < len(view):
            end = min(len(view), start + size - sent % size)
            sent += end - start
            wait = began + seconds * sent / total - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            stream.sendall(view[start:end])
            start = end


def receive(stream: socket.socket, arrays: Sequence[Any], delay_s: float) -> int | None:
    """Fill tensors from a message, wait for the link's delay, return the request's number.

    None where the other end has closed the connection in order.

    Raises
    ------
    WireError
        For a message that is not the one expected.
    """
    first = stream.recv(1)
    if not first:
        return None
    mark, number, total = _HEADER.unpack(first + _exactly(stream, bytearray(_HEADER.size - 1)))
    views = [memoryview(array.reshape(-1).view("uint8")) for array in arrays]
    if mark != _MARK or total != sum(map(len, views)):
        raise WireError("a message that this host does not expect")
    for view in views:
        _exactly(stream, view)
    if delay_s > 0:
        time.sleep(delay_s)
    return int(number)


def _settle(stream: socket.socket) -> None:
    stream.settimeout(None)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _exactly(stream: socket.socket, into: Any) -> Any:
    """Fill a buffer from a connection and return it."""
    view = memoryview(into)
    while len(view):
        count = stream.recv_into(view)
        if not count:
            raise WireError("the host before has gone")
        view = view[count:]
    return into
