"""Held connections: what arrives is what was sent, no sooner than the link would bring it."""

import socket
import threading
import time

import numpy as np
import pytest

from splitopt.bench.rehearse.wire import Form, WireError, accept, connect, empty, receive, send


def pair():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    token = bytes(range(32))
    found = []
    thread = threading.Thread(target=lambda: found.append(accept(listener, token)))
    thread.start()
    return listener, token, found, thread


@pytest.fixture
def ends():
    listener, token, found, thread = pair()
    sender = connect(listener.getsockname()[1], token)
    thread.join()
    yield sender, found[0]
    for end in (sender, found[0], listener):
        end.close()


FORMS = (Form("a", (3, 100_000), "float32"), Form("b", (5,), "bool"), Form("c", (2, 2), "float16"))


def test_tensors_arrive_whole_and_not_too_soon(ends):
    sender, receiver = ends
    draw = np.random.default_rng(1)
    arrays = [(100 * draw.random(form.shape)).astype(form.kind) for form in FORMS]
    taken = [empty(form) for form in FORMS]
    began = time.monotonic()
    thread = threading.Thread(target=send, args=(sender, 7, arrays, 0.05, began))
    thread.start()
    assert receive(receiver, taken, 0.02) == 7
    assert time.monotonic() - began >= 0.07  # 50 ms on the wire, 20 ms of delay
    thread.join()
    for sent, got in zip(arrays, taken, strict=True):
        np.testing.assert_array_equal(sent, got)


def test_no_time_at_all_is_a_link_too(ends):
    sender, receiver = ends
    one = np.arange(4, dtype=np.int64)
    taken = [np.zeros(4, np.int64)]
    send(sender, 0, [one], 0.0, time.monotonic())
    assert receive(receiver, taken, 0.0) == 0
    assert taken[0].tolist() == [0, 1, 2, 3]


def test_a_closed_connection_is_the_end_and_half_a_message_is_not(ends):
    sender, receiver = ends
    sender.sendall(b"SPLT")
    sender.close()
    with pytest.raises(WireError, match="gone"):
        receive(receiver, [np.zeros(4)], 0.0)
    assert receive(receiver, [], 0.0) is None


def test_another_message_is_refused(ends):
    sender, receiver = ends
    send(sender, 0, [np.zeros(3)], 0.0, time.monotonic())
    with pytest.raises(WireError, match="does not expect"):
        receive(receiver, [np.zeros(4)], 0.0)


def test_a_stranger_is_turned_away():
    listener, token, found, thread = pair()
    port = listener.getsockname()[1]
    stranger = connect(port, bytes(32))
    assert stranger.recv(1) == b""
    friend = connect(port, token)
    thread.join()
    assert len(found) == 1
    for end in (stranger, friend, found[0], listener):
        end.close()
