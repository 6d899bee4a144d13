"""The bytes that ekiden-tls -s passes on: all of them, in both directions, and how each side's end
reaches the other; and what a session leaves behind, and takes."""

import hashlib
import os
import random
import socket
import ssl
import struct
import threading

import pytest

from certificates import NAME
from instance import wait_for
from tls_server import Session, anyone, failed, own, shared  # noqa: F401 (fixtures)
from tls_service import record


# --- bytes ---


def test_the_client_ends_tls(shared):
    session = Session(shared)
    session.client.sendall(b"last words")
    below = session.client.unwrap()  # close_notify, and theirs
    below.sendall(b"EHLO clear text\r\n")  # comes to nobody
    assert session.link.read_all() == b"last words"
    below.close()
    session.close()


def test_the_asker_ends_tls(shared):
    session = Session(shared)
    session.link.plain.sendall(b"last words")
    session.link.close()
    assert session.client.recv(100) == b"last words"
    assert session.client.recv(100) == b""  # SSLEOFError without close_notify
    session.close()


def test_a_connection_that_is_cut(shared):
    """What came is there; what the server still has to say comes through."""
    session = Session(shared)
    session.client.sendall(b"last words")
    below = socket.socket(fileno=os.dup(session.client.fileno()))
    below.shutdown(socket.SHUT_WR)
    assert session.link.read_all() == b"last words"
    session.link.plain.sendall(b"250 ok")
    assert session.client.recv(100) == b"250 ok"
    session.link.close()
    assert session.client.recv(100) == b""
    below.close()
    session.close()


def test_a_connection_that_is_reset(shared):
    session = Session(shared)
    session.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    session.client.close()
    assert session.link.read_all() == b""
    session.close()


def test_a_damaged_record_ends_all(shared):
    session = Session(shared)
    session.client.sendall(b"good")
    assert session.link.plain.recv(100) == b"good"
    below = socket.socket(fileno=os.dup(session.client.fileno()))
    below.sendall(record(23, bytes(64)))
    assert session.link.read_all() == b""
    below.close()
    session.close()


def test_a_stalled_client_does_not_hold_the_engine(own):
    session = Session(own)
    session.link.plain.setblocking(False)
    try:
        while True:
            session.link.plain.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    engine, = own.family("tls-server")
    session.link.close()
    wait_for(lambda: not engine.comm, what="the end of the engine")
    session.client.close()


SIZE = 20 << 20


def noise(seed):
    return random.Random(seed).randbytes(SIZE)


def pass_both_ways(client, plain):
    """SIZE bytes each way at once; returns whether they are the same."""
    there, back = noise(1), noise(2)
    got = {}

    def receive(name, end):
        digest, left = hashlib.sha256(), SIZE
        while left:
            piece = end.recv(min(left, 1 << 16))
            if not piece:
                break
            digest.update(piece)
            left -= len(piece)
        got[name] = digest.digest()

    def send(end, octets):
        view, chosen = memoryview(octets), random.Random(3)
        while view:
            size = chosen.choice((1, 100, 4096, 16384, 100000))
            end.sendall(view[:size])
            view = view[size:]

    # An ssl object of Python's takes one thread at a time, so the client's two ways are its own.
    threads = [threading.Thread(target=receive, args=("there", plain)),
               threading.Thread(target=send, args=(plain, back))]
    for thread in threads:
        thread.start()
    client.both_ways(there, lambda: receive("back", client))
    for thread in threads:
        thread.join()
    return (got["there"] == hashlib.sha256(there).digest()
            and got["back"] == hashlib.sha256(back).digest())


class Duplex:
    """A TLS client over memory: so both directions run at once, over sockets or pipes."""

    def __init__(self, receive, send):
        self.receive, self.send = receive, send
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = anyone().wrap_bio(self.incoming, self.outgoing, server_hostname=NAME)
        self.lock = threading.Lock()

    def push(self):
        octets = self.outgoing.read()
        if octets:
            self.send(octets)

    def pull(self):
        self.incoming.write(self.receive(1 << 16))

    def handshake(self):
        while True:
            try:
                self.tls.do_handshake()
                return self.push()
            except ssl.SSLWantReadError:
                self.push()
                self.pull()

    def recv(self, size):
        while True:
            with self.lock:
                try:
                    return self.tls.read(size)
                except ssl.SSLWantReadError:
                    pass
            octets = self.receive(1 << 16)
            with self.lock:
                self.incoming.write(octets)

    def both_ways(self, octets, receive):
        def send():
            view = memoryview(octets)
            while view:
                with self.lock:
                    self.tls.write(view[:50000])
                    made = self.outgoing.read()
                view = view[50000:]
                self.send(made)

        thread = threading.Thread(target=send)
        thread.start()
        receive()
        thread.join()


@pytest.mark.parametrize("kind", ["socket", "pipes"])
def test_many_bytes_both_ways(shared, kind):
    if kind == "socket":
        below, link = shared.dial()
        client = Duplex(below.recv, below.sendall)
        ends = [below]
    else:
        ours_in, their_out = (os.fdopen(end, mode, 0)
                              for end, mode in zip(os.pipe(), ("rb", "wb")))
        their_in, ours_out = (os.fdopen(end, mode, 0)
                              for end, mode in zip(os.pipe(), ("rb", "wb")))

        def send(octets):
            view = memoryview(octets)
            while view:
                view = view[ours_out.write(view):]

        link = shared.ask(["S", "30"], their_in, their_out)
        client = Duplex(ours_in.read, send)
        ends = [ours_in, ours_out]
    link.begin()
    client.handshake()
    assert link.answer()[0] == "H"
    assert pass_both_ways(client, link.plain)
    link.close()
    for end in ends:
        end.close()


# --- what is left ---


def count_descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


@pytest.mark.root
def test_nothing_is_left(own):
    Session(own).close()
    wait_for(lambda: not own.family("tls-server"))
    key, = own.family("tls-key")
    template, = own.family("tls-template")
    before = count_descriptors(key), count_descriptors(template)
    for _ in range(20):
        Session(own).close()
        client, link = own.dial()
        client.close()
        link.close()
        failed(own, lambda client: client.sendall(b"QUIT\r\n"))
    wait_for(lambda: not own.family("tls-server"), what="the end of all engines")
    wait_for(lambda: (count_descriptors(key), count_descriptors(template)) == before,
             what="that all descriptors are closed")


@pytest.mark.root
def test_memory_of_an_idle_session(own, sanitized):
    session = Session(own)
    session.client.sendall(b"EHLO client.example\r\n")
    assert session.link.plain.recv(100)
    session.link.plain.sendall(b"250 ok\r\n")
    assert session.client.recv(100)
    engine, = own.family("tls-server")
    memory = engine.private_memory
    print(f"an idle TLS session: {memory} KiB in its engine")
    assert sanitized or 0 < memory < 256
    session.close()
