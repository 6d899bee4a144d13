"""What a program that asks ekiden-tls for TLS does, as tls/tls_request.h has it; and servers to be
asked for: Python's, and one that says what no good server would."""

import contextlib
import os
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

import authority

PATIENCE = 60


class Failed(Exception):
    """The answer `F`, with its reason."""


class Gone(Exception):
    """The engine ended without a word."""


class Link:
    """One engine that was asked for: its plain socket and its answers."""

    def __init__(self, plain, answers):
        self.plain, self.answers = plain, answers

    def answer(self):
        """The next answer, as a list of fields. Raises Failed, Gone."""
        packet = self.answers.recv(4096)
        if not packet:
            raise Gone
        fields = packet.split(b"\0")
        assert fields.pop() == b"", packet
        fields = [field.decode() for field in fields]
        if fields[0] == "F":
            raise Failed(fields[1])
        return fields

    def begin(self):
        """Waits for `R`, says `G`."""
        assert self.answer() == ["R"]
        self.answers.send(b"G")

    def handshake(self):
        """From `R` to `H`. Returns (version, suite, name, trust)."""
        self.begin()
        kind, *fields = self.answer()
        assert kind == "H"
        return fields

    def read_all(self):
        """What comes until the end."""
        return b"".join(iter(lambda: self.plain.recv(1 << 16), b""))

    def close(self):
        self.plain.close()
        self.answers.close()


class Service:
    """A running ekiden-tls; ROLE is -s or -c."""

    def __init__(self, programs, role, control, environment=None, user=None):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log = tempfile.TemporaryFile()
        changed = (("setpriv", f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups")
                   if user else ())
        self.process = subprocess.Popen([*changed, Path(programs) / "ekiden-tls", "-C", control,
                                         role],
                                        stdin=theirs, stderr=self.log,
                                        env={**os.environ, **(environment or {})})
        theirs.close()

    def ask(self, fields, incoming, outgoing=None):
        """Sends the request FIELDS for a connection, and closes its own copy of it."""
        plain, their_plain = socket.socketpair()
        answers, their_answers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ends = [incoming, outgoing or incoming, their_plain, their_answers]
        packet = b"".join(field.encode() + b"\0" for field in fields)
        socket.send_fds(self.socket, [packet], [end.fileno() for end in ends])
        for end in {*ends}:
            end.close()
        for end in (plain, answers):
            end.settimeout(PATIENCE)
        return Link(plain, answers)

    def connect(self, address, level="encrypt", name="mx.good.test", seconds=30):
        return self.ask(["C", str(seconds), level, name], socket.create_connection(address))

    def log_text(self):
        self.log.seek(0)
        return self.log.read().decode()

    def stop(self, killed=False):
        """Nobody asks any more: the service ends by itself. KILLED: the test has killed processes.
        """
        self.socket.close()
        assert self.process.wait(PATIENCE) == 0, self.log_text()
        text = self.log_text()
        assert (killed or "process-killed" not in text) and "Sanitizer" not in text, text


class Peer:
    """A server that takes connections in threads of its own; SERVE gets each one."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.serve = serve
        self.failures = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                connection = self.listener.accept()[0]
                connection.settimeout(PATIENCE)
                threading.Thread(target=self.serve_one, args=(connection,), daemon=True).start()

    def serve_one(self, connection):
        try:
            with connection:
                self.serve(connection)
        except OSError as failure:  # ssl.SSLError is one
            self.failures.append(failure)

    def close(self):
        # A thread that waits in accept is not woken by close alone.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def context(certificates, key, ciphers=None, versions=None):
    """Python's server for the DER CERTIFICATES. VERSIONS: from, to."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ciphers((ciphers or "ALL") + ":@SECLEVEL=0")
    if versions:
        made.minimum_version, made.maximum_version = versions
    with tempfile.NamedTemporaryFile() as file:
        file.write(authority.pem(*certificates) + key.pem)
        file.flush()
        made.load_cert_chain(file.name)
    return made


def echo(connection):
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def tls_peer(tls, talk=echo):
    """A TLS server that runs TALK on each connection."""

    def serve(connection):
        with tls.wrap_socket(connection, server_side=True) as wrapped:
            talk(wrapped)

    return Peer(serve)


# --- a server that only says what it is told ---


def record(kind, octets):
    return b"".join(struct.pack(">BHH", kind, 0x0303, len(piece)) + piece
                    for piece in (octets[i:i + 16384] for i in range(0, len(octets), 16384)))


def message(kind, octets):
    return bytes([kind]) + len(octets).to_bytes(3, "big") + octets


def server_hello(suite=0xC02F, version=0x0303, extensions=b""):
    body = struct.pack(">H", version) + bytes(32) + b"\0" + struct.pack(">HB", suite, 0)
    return message(2, body + extensions)


def certificates_message(*certificates):
    listed = b"".join(len(one).to_bytes(3, "big") + one for one in certificates)
    return message(11, len(listed).to_bytes(3, "big") + listed)


def saying(*octets, close=True):
    """A peer that waits for a first byte, says OCTETS, and closes once the other side does."""

    def serve(connection):
        connection.recv(1)
        connection.sendall(b"".join(octets))
        if close:
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass

    return Peer(serve)
