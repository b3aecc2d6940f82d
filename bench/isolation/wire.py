"""How the runner and its helper processes talk: JSON, never pickle, with a length ahead."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_HEADER = struct.Struct("!IB")
_MOST_DESCRIPTORS = 8
_MOST_BYTES = 1 << 30


def send(
    channel: socket.socket, message: dict[str, Any], descriptors: tuple[int, ...] = ()
) -> None:
    """Send a message, and file descriptors with it."""
    body = json.dumps(message, allow_nan=False).encode()
    header = _HEADER.pack(len(body), len(descriptors))
    if descriptors:
        sent = socket.send_fds(channel, [header], list(descriptors))
        channel.sendall(header[sent:])
    else:
        channel.sendall(header)
    channel.sendall(body)


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next message and the descriptors that came with it; None at the end."""
    header, descriptors = b"", []
    while len(header) < _HEADER.size:
        part, more, _, _ = socket.recv_fds(channel, _HEADER.size - len(header), _MOST_DESCRIPTORS)
        if not part:
            return None
        header += part
        descriptors += more
    length, _ = _HEADER.unpack(header)
    if length > _MOST_BYTES:
        raise ConnectionError(f"a message of {length} bytes")
    body = bytearray()
    while len(body) < length:
        part = channel.recv(min(1 << 20, length - len(body)))
        if not part:
            return None
        body += part
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ConnectionError("a message that is no object")
    return message, list(descriptors)
