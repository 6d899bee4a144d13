"""ekiden-tls -s for tests: a service with a control folder of its own, and clients of it."""

import os
import socket
import ssl
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import certificates
from certificates import NAME
from instance import Process
from tls_service import Failed, Service


class Server(Service):
    """A running ekiden-tls -s with a control folder of its own."""

    def __init__(self, programs, scratch, mode):
        user = ("nobody", "nogroup") if os.geteuid() == 0 and mode == "unprivileged" else None
        folder = Path(tempfile.mkdtemp(prefix="tls-server-", dir=scratch))
        folder.chmod(0o755)
        self.place = SimpleNamespace(
            control=folder, mode=mode, user=user,
            give_away=lambda path: user and certificates.shutil.chown(path, *user))
        self.mode = mode
        self.expects_kills = False
        self.default = self.put()
        super().__init__(programs, "-s", folder, user=user)

    def put(self, folder="default", **which):
        return certificates.put(self.place, folder, **which)

    def family(self, comm):
        """The running processes below the first one that have this name."""
        parents = {int(name): (Process(name).stat() or [0, 0]) for name in os.listdir("/proc")
                   if name.isdigit()}
        known, found = {self.process.pid}, []
        while True:
            more = {pid for pid, fields in parents.items()
                    if len(fields) > 1 and int(fields[1]) in known and fields[0] != "Z"} - known
            if not more:
                return found
            known |= more
            found += [Process(pid) for pid in more if Process(pid).comm == comm]

    def dial(self, seconds=30):
        """A client's socket, and the link to the engine of the other end."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            incoming, _ = listener.accept()
        client.settimeout(60)
        return client, self.ask(["S", str(seconds)], incoming)

    def finish(self):
        self.stop(killed=self.expects_kills)


@pytest.fixture(scope="module")
def shared(programs, scratch, mode):
    server = Server(programs, scratch, mode)
    yield server
    server.finish()


@pytest.fixture
def own(programs, scratch, mode):
    server = Server(programs, scratch, mode)
    yield server
    server.finish()


# --- clients ---


def trusting(*chains):
    made = ssl.create_default_context()
    for chain in chains:
        made.load_verify_locations(chain)
    return made


def anyone():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def der(chain):
    """The first certificate of a file."""
    return ssl.PEM_cert_to_DER_cert(Path(chain).read_text())


class Session:
    """A client and its engine, the handshake behind them."""

    def __init__(self, server, context=None, name=NAME, seconds=30):
        plain_client, self.link = server.dial(seconds)
        self.link.begin()
        self.client = (context or anyone()).wrap_socket(plain_client, server_hostname=name,
                                                        suppress_ragged_eofs=False)
        kind, self.version, self.suite, self.name, _ = self.link.answer()
        assert kind == "H"

    def close(self):
        self.link.close()
        self.client.close()


def failed(server, talk, seconds=30):
    """Runs TALK(client socket) against an engine that must refuse it. Returns the reason."""
    client, link = server.dial(seconds)
    link.begin()
    with client:
        talk(client)
        with pytest.raises(Failed) as failure:
            link.answer()
        assert link.plain.recv(1) == b""
        link.close()
    return str(failure.value)


def refused(context, name=NAME):
    """A handshake that does not come off."""

    def talk(client):
        with pytest.raises(ssl.SSLError) as failure:
            context.wrap_socket(client, server_hostname=name)
        talk.error = failure.value

    return talk
