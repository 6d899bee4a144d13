"""Sessions that clients of ekiden-tls -s resume, and those that they must not."""

import os
import socket
import ssl
import subprocess

import pytest

import certificates
from certificates import NAME
from instance import wait_for
from tls_server import Server, Session, anyone, own, shared  # noqa: F401 (fixtures)
from tls_service import Failed

SUITES = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
          "ECDHE-ECDSA-CHACHA20-POLY1305")  # fmt: skip


def twelve(suite=None):
    context = anyone()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if suite:
        context.set_ciphers(suite)
    return context


class Client:
    """Handshakes of one context, each offering the session of the one before."""

    def __init__(self, server, context=None):
        self.server, self.context, self.session = server, context or twelve(), None

    def connect(self, name=NAME):
        """True when the session was resumed. Bytes flow both ways before it closes."""
        plain, link = self.server.dial()
        link.begin()
        with self.context.wrap_socket(plain, server_hostname=name, session=self.session) as client:
            kind, version, suite, asked, _ = link.answer()
            assert (kind, version, asked) == ("H", "TLSv1.2", name)
            assert suite == client.cipher()[0]
            client.sendall(b"from the client" * 3000)
            got = b""
            while len(got) < 45000:
                got += link.plain.recv(65536)
            link.plain.sendall(b"from the server")
            assert client.recv(100) == b"from the server"
            self.session = client.session
            resumed = client.session_reused
            link.close()
        return resumed


@pytest.mark.parametrize("suite", SUITES)
def test_resumed(shared, suite):
    client = Client(shared, twelve(suite))
    assert [client.connect() for _ in range(3)] == [False, True, True]


def test_with_rsa(shared):
    chain, key = certificates.pair(kind="RSA-2048")
    shared.put("rsa.test", chain=chain, key=key)
    client = Client(shared)
    assert [client.connect("rsa.test") for _ in range(2)] == [False, True]


def test_not_for_another_name(shared):
    """Neither one with a certificate of its own, nor one that the same certificate serves."""
    chain, key = certificates.pair(serial=70)
    shared.put("other.test", chain=chain, key=key)
    client = Client(shared)
    assert not client.connect("other.test")
    ours = client.session
    for name in (NAME, "another.test"):
        client.session = ours
        assert not client.connect(name), name
    client.session = ours
    assert client.connect("other.test")


def test_not_across_a_changed_certificate(own):
    client = Client(own)
    assert [client.connect() for _ in range(2)] == [False, True]
    chain, key = certificates.pair(serial=71)
    own.put(chain=chain, key=key)
    assert [client.connect() for _ in range(2)] == [False, True]


def test_not_in_another_key_process(own):
    client = Client(own)
    assert not client.connect()
    own.expects_kills = True
    key, = own.family("tls-key")
    os.kill(key.pid, 9)
    wait_for(lambda: [p for p in own.family("tls-key") if p.pid != key.pid] and
             own.family("tls-template"), 60, "another key process")  # fmt: skip

    def serves():
        """The template of the old one says no until it is replaced."""
        try:
            return not client.connect()
        except Exception:  # whatever the refusal looked like
            return False

    wait_for(serves, 60, "a full handshake")
    assert client.connect()


def test_protocols_are_agreed_on_anew(shared):
    """Who resumes and speaks of protocols (ALPN) must take ours, like anybody else."""
    client = Client(shared)
    assert not client.connect()
    client.context.set_alpn_protocols(["http/1.1", "smtp"])
    assert client.connect()
    client.context.set_alpn_protocols(["http/1.1", "h2"])
    plain, link = shared.dial()
    link.begin()
    with pytest.raises(ssl.SSLError, match="(?i)protocol"):
        client.context.wrap_socket(plain, server_hostname=NAME, session=client.session)
    with pytest.raises(Failed, match="ALPN"):
        link.answer()
    link.close()


@pytest.fixture
def with_lifetime(programs, scratch, mode, monkeypatch):
    """Makes a server whose tlsresumption is a text."""
    made = []

    def make(text):
        put = Server.put

        def put_both(server, *arguments, **which):
            (server.place.control / "tlsresumption").write_text(text)
            return put(server, *arguments, **which)

        monkeypatch.setattr(Server, "put", put_both)
        made.append(Server(programs, scratch, mode))
        return made[-1]

    yield make
    for server in made:
        server.finish()


def test_no_longer_than_it_lives(with_lifetime):
    client = Client(with_lifetime("2\n"))
    assert [client.connect() for _ in range(2)] == [False, True]
    first = client.session

    def is_over():
        client.session = first
        return not client.connect()

    wait_for(is_over, 60, "a full handshake")


@pytest.mark.parametrize("text", ["0\n", "soon\n", "3601\n"], ids=["0", "word", "long"])
def test_off(with_lifetime, text):
    server = with_lifetime(text)
    client = Client(server)
    assert [client.connect() for _ in range(2)] == [False, False]
    assert ("event=tls-resumption-off" in server.log_text()) == (text != "0\n")


# --- by hand ---


def hello(session, name=b"", suites=b"\xc0\x2b"):
    """A ClientHello with these octets for a session's id."""
    def vector(octets, size):
        return len(octets).to_bytes(size, "big") + octets

    extensions = (b"\0\x0a" + vector(vector(b"\0\x17", 2), 2) +
                  b"\0\x0d" + vector(vector(b"\x04\x03", 2), 2))  # fmt: skip
    if name:
        extensions += b"\0\0" + vector(vector(b"\0" + vector(name, 2), 2), 2)
    body = (b"\3\3" + os.urandom(32) + vector(session, 1) + vector(suites, 2) + b"\1\0" +
            vector(extensions, 2))  # fmt: skip
    return b"\x16\3\1" + vector(b"\1" + vector(body, 3), 2)


def answer_to(server, octets):
    """The session's id and the suite of the ServerHello, and whether a certificate follows."""
    client, link = server.dial()
    link.begin()
    with client:
        client.sendall(octets)
        got = b""
        while len(got) < 200:
            piece = client.recv(4096)
            assert piece
            got += piece
        assert got[0] == 22 and got[5] == 2
        length = got[43]
        first = int.from_bytes(got[3:5], "big")
        after = got[9 + int.from_bytes(got[6:9], "big"):] if first > 200 else got[5 + first:]
        certificate = b"\x0b" in after[:6] and after[:1] != b"\x14"
        found = got[44:44 + length], got[44 + length:46 + length], certificate
    link.close()
    return found


@pytest.mark.parametrize("length", [0, 1, 31, 32])
def test_unknown_sessions(shared, length):
    identity = os.urandom(length)
    given, suite, certificate = answer_to(shared, hello(identity))
    assert certificate and suite == b"\xc0\x2b" and (not length or given != identity)


def test_damaged_session(shared):
    client = Client(shared, twelve(SUITES[0]))
    assert not client.connect()
    session = client.session.id
    assert len(session) == 32
    for place in (0, 15, 31):
        changed = bytearray(session)
        changed[place] ^= 1
        assert answer_to(shared, hello(bytes(changed), NAME.encode()))[2]


def test_session_whose_suite_is_not_offered(shared):
    """RFC 5246 7.4.1.2 wants it in the list: without, the handshake is a full one."""
    client = Client(shared, twelve(SUITES[0]))
    assert not client.connect()
    session = client.session.id
    given, suite, certificate = answer_to(
        shared, hello(session, NAME.encode(), suites=b"\xc0\x2c"))
    assert certificate and suite == b"\xc0\x2c"


def test_openssl(shared, tmp_path):
    """Its own idea of a session in a file."""
    where = tmp_path / "session"

    def run(*words):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            process = subprocess.Popen(
                ["openssl", "s_client", "-connect", "127.0.0.1:%d" % listener.getsockname()[1],
                 "-tls1_2", "-servername", NAME, *words],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            incoming, _ = listener.accept()
            link = shared.ask(["S", "30"], incoming)
            link.begin()
            assert link.answer()[0] == "H"
            link.close()
            return process.communicate(timeout=60)[0]

    assert b"\nNew, TLSv1.2" in run("-sess_out", str(where))
    assert b"\nReused, TLSv1.2" in run("-sess_in", str(where))
