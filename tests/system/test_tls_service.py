"""ekiden-tls -s, driven as ekiden-smtpd drives it: who gets which certificate, and what is refused, in
which words."""

import contextlib
import random
import socket
import ssl
import struct
import subprocess
import time

import pytest

from tls_server import (Session, anyone, der, failed, own, refused, shared,  # noqa: F401 (fixtures)
                        trusting)
from tls_service import Failed, message, record

AES128 = "ECDHE-ECDSA-AES128-GCM-SHA256"
TLS12 = ssl.TLSVersion.TLSv1_2


# --- ClientHellos that no library would send ---


def extension(kind, octets):
    return struct.pack(">HH", kind, len(octets)) + octets


def prefixed(octets):
    return struct.pack(">H", len(octets)) + octets


def server_name(*names):
    return extension(0, prefixed(b"".join(b"\0" + prefixed(name) for name in names)))


GROUPS = extension(10, prefixed(struct.pack(">3H", 29, 23, 24)))
SIGNATURES = extension(13, prefixed(struct.pack(">4H", 0x0403, 0x0503, 0x0401, 0x0501)))


def client_hello(*extensions, version=0x0303, suites=(0xC02B, 0xC02F), record_version=0x0301):
    body = struct.pack(">H", version) + bytes(range(32)) + b"\0"
    body += prefixed(struct.pack(f">{len(suites)}H", *suites)) + b"\x01\0"
    body += prefixed(b"".join(extensions) if extensions else GROUPS + SIGNATURES)
    hello = bytearray(record(22, message(1, body)))
    hello[1:3] = struct.pack(">H", record_version)
    return bytes(hello)


def read_exactly(client, size):
    octets = b""
    while len(octets) < size:
        piece = client.recv(size - len(octets))
        if not piece:
            return None
        octets += piece
    return octets


def first_flight(client):
    """Its handshake messages up to ServerHelloDone by type, or ("alert", number), or "closed"."""
    stream, messages = b"", {}
    while 14 not in messages:
        header = read_exactly(client, 5)
        if header is None:
            return "closed"
        kind, _, size = struct.unpack(">BHH", header)
        octets = read_exactly(client, size)
        if kind == 21:
            return ("alert", octets[1])
        stream += octets
        while len(stream) >= 4 and len(stream) >= 4 + int.from_bytes(stream[1:4], "big"):
            end = 4 + int.from_bytes(stream[1:4], "big")
            messages[stream[0]] = stream[4:end]
            stream = stream[end:]
    return messages


def first_certificate(messages):
    size = int.from_bytes(messages[11][3:6], "big")
    return messages[11][6:6 + size]


# --- good handshakes ---


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"])
def test_each_kind_of_key(shared, kind):
    name = f"{kind.lower()}.kinds.test"
    chain = shared.put(name, name=name, kind=kind)
    session = Session(shared, trusting(chain), name)
    assert session.version == session.client.version() == "TLSv1.2"
    assert session.suite == session.client.cipher()[0]
    assert session.suite.startswith("ECDHE-ECDSA-" if kind[0] == "P" else "ECDHE-RSA-")
    assert session.name == name
    session.client.sendall(b"to the server")
    assert session.link.plain.recv(100) == b"to the server"
    session.link.plain.sendall(b"to the client")
    assert session.client.recv(100) == b"to the client"
    session.close()


@pytest.mark.parametrize("suite", [AES128, "ECDHE-ECDSA-AES256-GCM-SHA384",
                                   "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_each_suite(shared, suite):
    context = anyone()
    context.maximum_version = TLS12
    context.set_ciphers(suite)
    session = Session(shared, context)
    assert session.suite == suite == session.client.cipher()[0]
    session.close()


@pytest.mark.parametrize("curve", ["X25519", "prime256v1", "secp384r1"])
def test_each_curve(shared, curve):
    """With RSA, because who takes one curve only takes no key on another one."""
    context = anyone()
    if curve != "X25519":  # which is what is taken without a word
        context.set_ecdh_curve(curve)
    shared.put("rsa.curves.test", kind="RSA-2048")
    session = Session(shared, context, "rsa.curves.test")
    assert session.suite.startswith("ECDHE-RSA-")
    session.close()


def test_the_server_chooses(shared):
    """By its own order, whatever the client's is."""
    preferred = Session(shared)
    context = anyone()
    context.maximum_version = TLS12
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:" + AES128)
    session = Session(shared, context)
    assert session.suite == preferred.suite
    preferred.close()
    session.close()


def test_the_name_chooses_the_certificate(shared):
    chains = {folder: shared.put(folder, name=host, serial=number)
              for number, (folder, host) in enumerate([("mx.names.test", "mx.names.test"),
                                                       ("_.wild.test", "*.wild.test")], 100)}
    chains["default"] = shared.default
    for name, folder in [("mx.names.test", "mx.names.test"), ("MX.Names.Test", "mx.names.test"),
                         ("a.wild.test", "_.wild.test"), ("b.wild.test", "_.wild.test"),
                         ("a.b.wild.test", "default"), ("wild.test", "default"),
                         ("other.test", "default"), ("192.0.2.1", "default"), (None, "default")]:
        session = Session(shared, name=name)
        assert session.client.getpeercert(True) == der(chains[folder]), name
        session.close()


@pytest.mark.parametrize("name", [
    b"", b".", b"..", b"../../etc/passwd", b"../default", b"default/", b"/etc/passwd", b"a\\",
    b"mx.names.test\\", b"a\0b", b"\0", b"mx.names.test\0.evil.test", b"a" * 64, b"a." * 127,
    b"a" * 255, b"\xff" * 255, b"_.wild.test", b"*.wild.test", b"\r\n", b"m\xc3\xbc.test",
    b"[::1]", b"\x1b[2J"], ids=repr)
def test_a_hostile_name_gets_the_default(shared, name):
    client, link = shared.dial()
    link.begin()
    client.sendall(client_hello(server_name(name), GROUPS, SIGNATURES))
    assert first_certificate(first_flight(client)) == der(shared.default)
    client.close()
    with pytest.raises(Failed):
        link.answer()
    link.close()


@pytest.mark.parametrize("extensions", [
    server_name(b"mx.names.test", b"x.test"), server_name(b"x" * 256),
    server_name(b"x.test") + server_name(b"y.test"), extension(0, b""), extension(0, b"\0\5\0"),
    extension(0, b"\xff\xff\0\0\1a"), extension(0, prefixed(b"\1" + prefixed(b"x")))],
    ids=lambda octets: octets.hex()[:24])
def test_more_than_a_name_is_the_default_or_an_end(shared, extensions):
    client, link = shared.dial()
    link.begin()
    client.sendall(client_hello(extensions, GROUPS, SIGNATURES))
    answer = first_flight(client)
    assert not isinstance(answer, dict) or first_certificate(answer) == der(shared.default)
    client.close()
    link.close()


# --- what is refused ---


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302])
def test_old_versions(shared, version):
    def talk(client):
        client.sendall(client_hello(version=version, record_version=min(version, 0x0301)))
        assert first_flight(client) == ("alert", 70)

    assert "does not offer TLS 1.2" in failed(shared, talk)


@pytest.mark.parametrize("suite", [0x0001, 0x0003, 0x0004, 0x0005, 0x000A, 0x0018, 0x002F, 0x003C,
                                   0x009C, 0x009D, 0x00A6, 0xC007, 0xC008, 0xC009, 0xC00A, 0xC011,
                                   0xC013, 0xC023, 0xC024, 0xC027, 0xC02D, 0xC031, 0x1301, 0x00FF],
                         ids=hex)
def test_weak_suites(shared, suite):
    def talk(client):
        client.sendall(client_hello(suites=[suite]))
        assert first_flight(client) == ("alert", 40)

    assert "no cipher suite" in failed(shared, talk)


def test_signatures_by_sha1_only(shared):
    def talk(client):
        client.sendall(client_hello(GROUPS, extension(13, prefixed(b"\2\3\2\1"))))
        assert first_flight(client) == ("alert", 40)

    failed(shared, talk)


def test_another_protocol_by_alpn(shared):
    context = anyone()
    context.set_alpn_protocols(["http/1.1", "h2"])
    assert "ALPN" in failed(shared, refused(context))


def test_smtp_by_alpn(shared):
    context = anyone()
    context.set_alpn_protocols(["http/1.1", "smtp"])
    session = Session(shared, context)
    assert session.client.selected_alpn_protocol() == "smtp"
    session.close()


@pytest.mark.parametrize("octets", [
    b"GET / HTTP/1.1\r\n\r\n", b"EHLO client.example\r\n", b"SSH-2.0-x\r\n",
    b"\x80\x2e\x01\0\2\0\x15\0\0\0\x10", bytes(100), b"\xff" * 100, b"\x16\3\1\xff\xff" + bytes(999),
    b"\x16\3\1\0\4\1\0\0\0", b"\x15\3\3\0\2\2\x28", b"\x17\3\3\0\5hello", b"\x14\3\3\0\1\1",
    client_hello()[:-1] + b"\x16\3\3\0\4\1\0\0\0", record(22, message(16, bytes(66))),
    record(22, message(1, bytes(40)))], ids=lambda octets: octets.hex()[:24])
def test_what_is_no_handshake(shared, octets):
    def talk(client):
        client.sendall(octets)
        with contextlib.suppress(OSError):  # it may be reset already
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass

    assert "client" in failed(shared, talk)


def test_random_bytes(shared):
    """A ClientHello in which one byte is another one, and noise: ends, and hurts nobody."""
    chosen = random.Random(4)
    hello = client_hello(server_name(b"mx.names.test"), GROUPS, SIGNATURES,
                         extension(16, prefixed(b"\4smtp")))
    for i in range(60):
        octets = bytearray(hello if i % 3 else chosen.randbytes(len(hello)))
        octets[chosen.randrange(len(octets))] = chosen.randrange(256)
        client, link = shared.dial()
        link.begin()
        client.sendall(octets)
        with contextlib.suppress(OSError):  # it was refused and reset already
            client.shutdown(socket.SHUT_WR)
        with pytest.raises(Failed):
            link.answer()
        client.close()
        link.close()


def test_renegotiation(shared):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{listener.getsockname()[1]}", "-tls1_2"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        incoming, _ = listener.accept()
    link = shared.ask(["S", "30"], incoming)
    link.handshake()
    client.stdin.write(b"hello\n")
    client.stdin.flush()
    assert link.plain.recv(100) == b"hello\n"
    client.stdin.write(b"R\n")
    client.stdin.flush()
    assert link.plain.recv(100) == b""  # openssl takes the refusal for the end
    output, _ = client.communicate(timeout=60)
    assert b"no renegotiation" in output and b"Secure Renegotiation IS supported" in output
    link.close()


def test_a_handshake_byte_by_byte(shared):
    """No byte of a client's prolongs the time that it has."""
    sent = []

    def talk(client):
        try:
            for octet in client_hello():
                client.sendall(bytes([octet]))
                sent.append(octet)
                time.sleep(0.05)
        except OSError:
            pass

    assert "more than 2 seconds" in failed(shared, talk, seconds=2)
    assert 1 < len(sent) < len(client_hello())


def test_a_silent_client_holds_up_nobody(shared):
    client, link = shared.dial(seconds=1)
    link.begin()
    Session(shared).close()
    with pytest.raises(Failed, match="more than 1 seconds"):
        link.answer()
    assert client.recv(1) == b""
    link.close()


def test_requests_that_are_none(shared):
    """The template goes on, and closes what came with them."""
    for packet in (b"", b"x", b"S", b"S\0", b"S\0" b"0\0", b"S\0" b"3601\0", b"S\0-1\0", b"S\0" b"1",
                   b"S\0" b"1\0x\0", b"X\0" b"1\0", bytes(512), b"S" * 4096):
        ours, theirs = socket.socketpair()
        with ours:
            socket.send_fds(shared.socket, [packet], [theirs.fileno()] * 4)
            theirs.close()
            assert packet == b"" or ours.recv(1) == b""
    for count in (0, 1, 3):
        ours, theirs = socket.socketpair()
        with ours:
            socket.send_fds(shared.socket, [b"S\0" b"30\0"], [theirs.fileno()] * count)
            theirs.close()
            assert ours.recv(1) == b""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()):
            link = shared.ask(["C", "30", "encrypt", "x.test"], listener.accept()[0])
            with pytest.raises(Failed, match="no such role"):
                link.answer()
            link.close()
    Session(shared).close()
