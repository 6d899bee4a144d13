"""ekiden-tls -c: what a client accepts, what it says when it does not, and that no server can do
more to it than be refused."""

import hashlib
import os
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

import authority
from authority import (Authority, IS_AUTHORITY, RSA_SHA1, alternative_names, certificate, extension,
                       integer, key, rsa_public, sequence)
from instance import Process, wait_for
from tls_service import (Failed, Peer, Service, certificates_message, context, message, record,
                         saying, server_hello, tls_peer)

NAME = "mx.good.test"
TLS12 = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)


@pytest.fixture(scope="module")
def root():
    return Authority()


@pytest.fixture(scope="module")
def users(request):
    if os.geteuid() == 0:
        request.getfixturevalue("service_users")


def make_folder(scratch, *authorities):
    """A control folder whose anchors are AUTHORITIES."""
    place = Path(tempfile.mkdtemp(prefix="tls-client-", dir=scratch))
    place.chmod(0o755)
    (place / "bundle.pem").write_bytes(authority.pem(*(one.root for one in authorities)))
    (place / "tlsanchors").write_text(f"{place}/bundle.pem\n")
    return place


@pytest.fixture(scope="module")
def folder(scratch, root):
    return make_folder(scratch, root)


@pytest.fixture(scope="module")
def service(programs, folder, users):
    made = Service(programs, "-c", folder)
    yield made
    made.stop()


@pytest.fixture
def peers():
    """Servers of one test, closed after it."""
    made = []

    def add(peer):
        made.append(peer)
        return peer.address

    yield add
    for peer in made:
        peer.close()


def judge(service, address, level="verify", name=NAME, **rest):
    """The handshake's fields, or the reason for which it failed."""
    link = service.connect(address, level, name, **rest)
    try:
        return link.handshake()
    except Failed as failure:
        return str(failure)
    finally:
        link.close()


# --- names, dates, authorities ---


def intermediate(root, days=(-1, 30), extensions=(IS_AUTHORITY,)):
    """A chain of two."""
    between = key("P-256", 1)
    leaf = certificate(NAME, key().public, "Between", between, (alternative_names(NAME),))
    return leaf, root.issue("Between", public=between.public, extensions=extensions, days=days)


def chain_of(root, length):
    """LENGTH certificates, each of which has signed the one before."""
    keys = [key("P-256", number) for number in range(2)]
    chain = [certificate(NAME, key().public, "Link 1", keys[1], (alternative_names(NAME),))]
    for number in range(1, length - 1):
        chain.append(certificate(f"Link {number}", keys[number % 2].public, f"Link {number + 1}",
                                 keys[(number + 1) % 2], (IS_AUTHORITY,)))
    last = length - 1
    chain.append(root.issue(f"Link {last}", public=keys[last % 2].public,
                            extensions=(IS_AUTHORITY,)))
    return chain


VERIFIED = ["TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384", "", "verified"]  # as openssl chooses
OTHER_NAME = "the server's certificate is for another name"
UNKNOWN = "no known authority has signed the server's certificate"
JUDGED = {
    "good": (lambda root: [root.issue(NAME)], None),
    "upper-case": (lambda root: [root.issue(NAME.upper())], None),
    "several-names": (lambda root: [root.issue(
        "x", extensions=(alternative_names("a.test", NAME, "b.test"),))], None),
    "wildcard": (lambda root: [root.issue("*.good.test")], None),
    "intermediate": (lambda root: intermediate(root), None),
    "root-sent-too": (lambda root: [root.issue(NAME), root.root], None),
    "chain-of-20": (lambda root: chain_of(root, 20), None),
    "other-name": (lambda root: [root.issue("mx.bad.test")], OTHER_NAME),
    "longer-name": (lambda root: [root.issue(NAME + ".evil.test")], OTHER_NAME),
    "shorter-name": (lambda root: [root.issue("good.test")], OTHER_NAME),
    "wildcard-of-two-labels": (lambda root: [root.issue("*.test")], OTHER_NAME),
    "wildcard-twice": (lambda root: [root.issue("*.*.test")], OTHER_NAME),
    "wildcard-alone": (lambda root: [root.issue("*")], OTHER_NAME),
    "wildcard-in-a-label": (lambda root: [root.issue("m*.good.test")], OTHER_NAME),
    "nul-behind-the-name": (lambda root: [root.issue(
        "x", extensions=(alternative_names(NAME.encode() + b"\0.evil.test"),))], OTHER_NAME),
    "nul-before-the-name": (lambda root: [root.issue(
        "x", extensions=(alternative_names(b"\0" + NAME.encode()),))], OTHER_NAME),
    "empty-name": (lambda root: [root.issue("x", extensions=(alternative_names(""),))], OTHER_NAME),
    "common-name-beside-others": (lambda root: [root.issue(
        NAME, extensions=(alternative_names("a.test"),))], OTHER_NAME),
    "common-name-only": (lambda root: [root.issue(NAME, extensions=())],
                         "names it only as common name"),
    "common-name-and-an-address": (lambda root: [root.issue(
        NAME, extensions=(authority.address_name(b"\x7f\0\0\1"),))], OTHER_NAME),
    "expired": (lambda root: [root.issue(NAME, days=(-9, -1))],
                "the server's certificate has expired"),
    "not-yet-valid": (lambda root: [root.issue(NAME, days=(1, 9))],
                      "the server's certificate is not valid yet"),
    "intermediate-expired": (lambda root: intermediate(root, days=(-9, -1)),
                             "an intermediate certificate of the server has expired"),
    "intermediate-missing": (lambda root: intermediate(root)[:1], UNKNOWN),
    "intermediate-no-authority": (lambda root: intermediate(root, extensions=()),
                                  "signed by one that may not sign others"),
    "unknown-authority": (lambda root: [Authority("Another root").issue(NAME)], UNKNOWN),
    "same-name-other-root": (lambda root: [Authority().issue(NAME)], UNKNOWN),
    "self-signed": (lambda root: [certificate(NAME, key().public, NAME, key(),
                                              (alternative_names(NAME),))], UNKNOWN),
    "wrong-signature": (lambda root: [root.issue(NAME, wrong_signature=True)], UNKNOWN),
    "critical-extension": (lambda root: [root.issue(NAME, extensions=(
        alternative_names(NAME), extension("1.3.6.1.4.1.99999.1", b"\x05\0", True)))],
        "critical extension"),
    "chain-of-21": (lambda root: chain_of(root, 21), "more than 20 certificates"),
}


@pytest.mark.parametrize("case", JUDGED)
def test_verify(service, root, peers, case):
    make, reason = JUDGED[case]
    result = judge(service, peers(tls_peer(context(make(root), key(), versions=TLS12))))
    if reason is None:
        assert result == VERIFIED
    else:
        assert isinstance(result, str) and reason in result, result
    # Nobody verifies: each of them will do, but for the chain that is too long.
    result = judge(service, peers(tls_peer(context(make(root), key(), versions=TLS12))), "encrypt")
    if case == "chain-of-21":
        assert "more than 20 certificates" in result
    else:
        assert result == [*VERIFIED[:3], "unverified"]


@pytest.mark.parametrize("kind, verified, encrypted", [
    ("P-384", True, True), ("P-521", True, True), ("RSA-2048", True, True),
    ("RSA-1024", "RSA key below 2048 bits", True),
])
def test_kinds_of_keys(service, root, peers, kind, verified, encrypted):
    tls = context([root.issue(NAME, kind)], key(kind), versions=TLS12)
    result = judge(service, peers(tls_peer(tls)))
    assert result[3] == "verified" if verified is True else verified in result, result
    assert judge(service, peers(tls_peer(tls)), "encrypt")[3] == "unverified"


def test_authority_of_rsa(programs, peers, scratch, users):
    """And one that signs with SHA-1, which counts for nothing."""
    root = Authority("RSA", "RSA-2048")
    service = Service(programs, "-c", make_folder(scratch, root))
    good = context([root.issue(NAME)], key(), versions=TLS12)
    old = context([root.issue(NAME, algorithm=RSA_SHA1, digest="sha1")], key(), versions=TLS12)
    assert judge(service, peers(tls_peer(good)))[3] == "verified"
    assert "not supported" in judge(service, peers(tls_peer(old)))
    service.stop()


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "[127.0.0.1]"])
def test_addresses_are_not_verified(service, root, peers, name):
    tls = context([root.issue("x", extensions=(alternative_names(name.strip("[]")),))], key())
    link = service.connect(peers(tls_peer(tls)), "verify", name)
    with pytest.raises(Failed, match="by a host name, not by an address"):
        link.begin()
    link.close()


@pytest.mark.parametrize("name", ["*.good.test", "a b", "mx.good.test\u00e4", "a/b"])
def test_no_name(service, root, peers, name):
    tls = context([root.issue("*.good.test")], key())
    link = service.connect(peers(tls_peer(tls)), "verify", name)
    with pytest.raises(Failed, match="not a host name"):
        link.begin()
    link.close()


def test_name_is_sent(service, root, peers):
    """SNI is for host names (RFC 6066 3); the root's dot is not part of it."""
    asked = []
    tls = context([root.issue(NAME)], key())
    tls.sni_callback = lambda connection, name, made: asked.append(name)
    address = peers(tls_peer(tls))
    for name in (NAME, NAME + ".", "127.0.0.1", "[::1]", ""):
        assert judge(service, address, "encrypt", name)[3] == "unverified"
    assert judge(service, address, "verify", NAME + ".")[3] == "verified"
    assert asked == [NAME, NAME, None, None, None, NAME]


# --- protocol ---


def offered(peers, service, level):
    """The ClientHello: (version, suites, extensions)."""
    got = []

    def serve(connection):
        data = b""
        while len(data) < 5 or len(data) < 5 + struct.unpack(">H", data[3:5])[0]:
            data += connection.recv(4096)
        got.append(data)

    judge(service, peers(Peer(serve)), level)
    hello = got[0][9:]
    version, position = struct.unpack(">H", hello[:2])[0], 34
    position += 1 + hello[position]
    size = struct.unpack(">H", hello[position:position + 2])[0]
    suites = struct.unpack(f">{size // 2}H", hello[position + 2:position + 2 + size])
    position += 2 + size
    position += 1 + hello[position] + 2
    kinds = []
    while position < len(hello):
        kind, size = struct.unpack(">HH", hello[position:position + 4])
        kinds.append(kind)
        position += 4 + size
    return version, suites, kinds


def test_offer(service, peers):
    aead = {0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8}
    version, suites, kinds = offered(peers, service, "verify")
    assert version == 0x0303 and set(suites) == aead and len(suites) == 6
    assert set(kinds) == {0x0000, 0xFF01, 0x000D, 0x000A, 0x000B}
    version, suites, kinds = offered(peers, service, "encrypt")
    assert version == 0x0303 and set(suites[:6]) == aead
    assert suites[6:] == (0xC023, 0xC027, 0xC024, 0xC028)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("level", ["verify", "encrypt"])
@pytest.mark.parametrize("weakness", [
    {"versions": (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)},
    {"versions": (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)},
    {"ciphers": "AES128-GCM-SHA256", "versions": TLS12},
    {"ciphers": "DHE", "versions": TLS12},
    {"ciphers": "NULL", "versions": TLS12},
    {"ciphers": "ECDHE-RSA-AES128-SHA", "versions": TLS12},
])
def test_weak_servers(service, root, peers, level, weakness):
    tls = context([root.issue(NAME, "RSA-2048")], key("RSA-2048"), **weakness)
    result = judge(service, peers(tls_peer(tls)), level)
    assert isinstance(result, str) and "refused us" in result, result


def test_cbc(service, root, peers):
    tls = context([root.issue(NAME)], key(), "ECDHE-ECDSA-AES128-SHA256", TLS12)
    assert judge(service, peers(tls_peer(tls)), "encrypt")[1] == "ECDHE-ECDSA-AES128-SHA256"
    assert "refused us" in judge(service, peers(tls_peer(tls)))


def test_server_wants_our_certificate(service, root, peers):
    tls = context([root.issue(NAME)], key(), versions=TLS12)
    tls.verify_mode = ssl.CERT_OPTIONAL
    tls.load_verify_locations(cadata=authority.pem(root.root).decode())
    assert judge(service, peers(tls_peer(tls)))[3] == "verified"
    tls.verify_mode = ssl.CERT_REQUIRED
    # It closes with our Finished unread, and the reset may overtake its alert.
    said = judge(service, peers(tls_peer(tls)))
    assert "refused us" in said or "closed the connection during the handshake" in said


def test_not_its_key(service, root, peers):
    """A good certificate that was copied: the key exchange is signed by somebody else."""
    exchange = b"\x03\0\x17\x41\x04" + key().public[-64:]
    signature = sequence(integer(1), integer(1))
    exchange += b"\x04\x03" + struct.pack(">H", len(signature)) + signature
    said = record(22, server_hello(0xC02B) + certificates_message(root.issue(NAME)) +
                  message(12, exchange) + message(14, b""))
    for level in ("verify", "encrypt"):
        assert "a signature does not fit" in judge(service, peers(saying(said)), level)


# --- hostile servers ---


def deep(levels):
    """ASN.1 in LEVELS levels."""
    octets = b"\x05\0"
    for _ in range(levels):
        octets = sequence(octets)
    return octets


TORTURE = {  # made of a root: what the server shows as certificates
    "no certificate": lambda root: (),
    "empty": lambda root: (b"",),
    "zeros": lambda root: (bytes(4000),),
    "noise": lambda root: (hashlib.shake_128(b"noise").digest(4000),),
    "cut": lambda root: (root.issue(NAME)[:-9],),
    "longer": lambda root: (root.issue(NAME) + b"x",),
    "RSA of 16384 bits": lambda root: (root.issue(NAME, public=rsa_public(16384)),),
    "RSA of 4104 bits": lambda root: (root.issue(NAME, public=rsa_public(4104)),),
    "RSA of 8 bits": lambda root: (root.issue(NAME, public=rsa_public(8)),),
    "Ed25519": lambda root: (root.issue(NAME, "ED25519"),),
    "deep subject": lambda root: (root.issue(deep(10000)),),
    "deep key": lambda root: (root.issue(NAME, public=deep(10000)),),
    "deep extension": lambda root: (root.issue(NAME, extensions=(
        alternative_names(NAME), extension("2.5.29.19", deep(10000)))),),
    "serial without octets": lambda root: (root.issue(NAME, serial=b"\x02\0"),),
    "serial of 60,000 octets": lambda root: (root.issue(NAME, serial=1 << 480000),),
    "length of 4 GiB": lambda root: (b"\x30\x84\xff\xff\xff\xff" + bytes(100),),
    "indefinite length": lambda root: (b"\x30\x80" + root.issue(NAME)[4:] + b"\0\0",),
    "200 KiB": lambda root: (root.issue(NAME, extensions=(
        alternative_names(NAME), extension("2.5.29.14", bytes(200 << 10)))),),
    "100 certificates": lambda root: (root.issue(NAME),) * 100,
    "100 empty certificates": lambda root: (b"",) * 100,
}


@pytest.mark.parametrize("case", TORTURE)
def test_torture(service, root, peers, case):
    """Certificates that no good server has: refused or ignored, never more than that."""
    said = record(22, server_hello(0xC02B) + certificates_message(*TORTURE[case](root)))
    for level in ("verify", "encrypt"):
        result = judge(service, peers(saying(said)), level)
        assert isinstance(result, str) and "server" in result, result


@pytest.mark.parametrize("serial", [-7, 0, -(1 << 160)])
def test_serials_do_not_matter(service, root, peers, serial):
    """RFC 5280 4.1.2.2: gracefully handled."""
    said = record(22, server_hello(0xC02B) + certificates_message(root.issue(NAME, serial=serial)))
    for level in ("verify", "encrypt"):
        assert "closed the connection" in judge(service, peers(saying(said)), level)


GARBAGE = {
    "nothing": b"",
    "an SMTP reply": b"250 2.0.0 what\r\n" * 9,
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "zeros": bytes(70000),
    "noise": hashlib.shake_128(b"garbage").digest(70000),
    "an alert": record(21, b"\x02\x28"),
    "half an alert": record(21, b"\x02"),
    "a warning": record(21, b"\x01\x70"),
    "close_notify": record(21, b"\x01\x00"),
    "plain data": record(23, b"250 OK\r\n"),
    "half a record": record(22, server_hello())[:20],
    "a record that lies": b"\x16\x03\x03\xff\xff" + bytes(70000),
    "empty records": record(22, b"") or b"\x16\x03\x03\0\0" * 1000,
    "TLS 1.1": record(22, server_hello(version=0x0302)),
    "TLS 1.3": record(22, server_hello(version=0x0304)),
    "a suite not offered": record(22, server_hello(0x002F)),
    "TLS_NULL": record(22, server_hello(0x0000)),
    "an extension not asked for": record(22, server_hello(
        extensions=b"\0\x08\0\x10\0\x04\0\x02\x01x")),
    "a ClientHello": record(22, message(1, bytes(100))),
    "a HelloRequest": record(22, message(0, b"")),
    "Finished at once": record(22, server_hello() + message(20, bytes(12))),
    "change of ciphers at once": record(22, server_hello()) + record(20, b"\1"),
    "a message of 16 MiB": record(22, server_hello() + b"\x0b\xff\xff\xff" + bytes(100000)),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage(service, peers, case):
    for level in ("verify", "encrypt"):
        result = judge(service, peers(saying(GARBAGE[case])), level)
        assert isinstance(result, str) and result, result


def test_certificates_without_end(service, root, peers):
    """A message of 16 MiB of certificates, of which 128 KiB are looked at: no memory is taken."""
    listed = (len(root.root).to_bytes(3, "big") + root.root) * 40000
    listed = listed[:16_000_000 // (len(root.root) + 3) * (len(root.root) + 3)]
    said = record(22, server_hello(0xC02B) + message(11, len(listed).to_bytes(3, "big") + listed))
    for level in ("verify", "encrypt"):
        assert "more than 20 certificates" in judge(service, peers(saying(said)), level)


def test_slow_server(service, peers):
    """The deadline is for the handshake as a whole: an octet now and then does not move it."""
    ended = threading.Event()

    def serve(connection):
        for octet in record(22, server_hello()):
            connection.send(bytes([octet]))
            if ended.wait(0.2):
                break

    assert "more than 1 seconds" in judge(service, peers(Peer(serve)), seconds=1)
    ended.set()


def test_silent_server(service, peers):
    ended = threading.Event()
    address = peers(Peer(lambda connection: ended.wait(60)))
    assert "more than 1 seconds" in judge(service, address, seconds=1)
    ended.set()


# --- after the handshake ---


def test_20_megabytes_both_ways(service, root, peers):
    tls = context([root.issue(NAME)], key(), versions=TLS12)
    link = service.connect(peers(tls_peer(tls)), "verify")
    link.handshake()
    data = hashlib.shake_128(b"data").digest(20_000_000)
    sender = threading.Thread(target=link.plain.sendall, args=(data,))
    sender.start()
    got = bytearray()
    while len(got) < len(data):
        got += link.plain.recv(1 << 16)
    sender.join()
    assert got == data
    link.close()


def test_server_closes(service, root, peers):
    """What it said before close_notify arrives, then the end."""
    def talk(connection):
        connection.sendall(b"221 bye\r\n" * 10000)
        connection.unwrap()

    tls = context([root.issue(NAME)], key(), versions=TLS12)
    link = service.connect(peers(tls_peer(tls, talk)))
    link.handshake()
    assert link.read_all() == b"221 bye\r\n" * 10000
    link.close()


def test_truncation(service, root, peers):
    """The connection ends without close_notify, in the middle of a record: what was whole arrives,
    then the end, and nothing that was sent in the clear behind it."""
    def talk(connection):
        connection.sendall(b"250 first\r\n")
        raw = socket.socket(fileno=os.dup(connection.fileno()))
        raw.sendall(b"\x17\x03\x03\x01\x00" + bytes(100))
        raw.shutdown(socket.SHUT_RDWR)
        raw.close()

    tls = context([root.issue(NAME)], key(), versions=TLS12)
    link = service.connect(peers(tls_peer(tls, talk)))
    link.handshake()
    assert link.read_all() == b"250 first\r\n"
    link.close()


def test_clear_bytes_behind_the_end_of_tls(service, root, peers):
    def talk(connection):
        connection.sendall(b"250 first\r\n")
        raw = connection.unwrap()
        raw.sendall(b"250 in the clear\r\n")

    tls = context([root.issue(NAME)], key(), versions=TLS12)
    link = service.connect(peers(tls_peer(tls, talk)))
    link.handshake()
    link.plain.settimeout(60)
    assert link.read_all() == b"250 first\r\n"
    link.close()


def test_we_close(service, root, peers):
    """What we said arrives, then close_notify: without it the server's read would raise an error."""
    got = []

    def talk(connection):
        connection.suppress_ragged_eofs = False
        while data := connection.recv(4096):
            got.append(data)
        got.append("the end")

    tls = context([root.issue(NAME)], key(), versions=TLS12)
    peer = tls_peer(tls, talk)
    link = service.connect(peers(peer))
    link.handshake()
    link.plain.sendall(b"QUIT\r\n")
    link.close()
    wait_for(lambda: "the end" in got or peer.failures, what="the end of TLS")
    assert got == [b"QUIT\r\n", "the end"] and not peer.failures


def test_asker_gone_in_the_handshake(service, peers):
    """The engine ends, and the server sees the end of its connection."""
    seen = threading.Event()

    def serve(connection):
        connection.recv(1)
        while connection.recv(4096):
            pass
        seen.set()

    link = service.connect(peers(Peer(serve)), seconds=3600)
    link.begin()
    link.close()
    assert seen.wait(60)


def test_no_renegotiation(service, root, tmp_path):
    """A HelloRequest is refused, and the connection goes on. Of the servers at hand only openssl's
    can send one: by a line `r`."""
    (tmp_path / "pair").write_bytes(authority.pem(root.issue(NAME)) + key().pem)
    server = subprocess.Popen(
        ["openssl", "s_server", "-tls1_2", "-accept", "127.0.0.1:0", "-naccept", "1", "-msg",
         "-cert", tmp_path / "pair", "-key", tmp_path / "pair"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def wait_for_line(start):
        return next(line for line in server.stdout if line.startswith(start))

    port = int(wait_for_line(b"ACCEPT").split(b":")[-1])
    link = service.connect(("127.0.0.1", port))
    link.handshake()
    wait_for_line(b"Secure Renegotiation")
    server.stdin.write(b"r\n")
    server.stdin.flush()
    assert b"no_renegotiation" in wait_for_line(b"<<< TLS 1.2, Alert")
    link.close()
    server.communicate(timeout=60)


# --- the service ---


def test_many_at_once(service, root, peers):
    tls = context([root.issue(NAME)], key(), versions=TLS12)
    address = peers(tls_peer(tls))
    links = [service.connect(address, level) for level in ("verify", "encrypt") * 25]
    for number, link in enumerate(links):
        assert link.handshake()[3] == ("unverified" if number % 2 else "verified")
    for number, link in enumerate(links):
        link.plain.sendall(b"%d" % number)
    for number, link in enumerate(links):
        assert link.plain.recv(100) == b"%d" % number
        link.close()


def test_anchors_replaced(programs, root, peers, scratch, users):
    """The new authorities count once the file is replaced, for new connections; those that are open
    go on. Broken certificates in it are named, an empty file verifies nothing."""
    other = Authority("Another root")
    place = make_folder(scratch, other)
    bundle = place / "bundle.pem"

    def replace(content):
        draft = place / "draft"
        draft.write_bytes(content)
        draft.rename(bundle)

    service = Service(programs, "-c", place)
    address = peers(tls_peer(context([root.issue(NAME)], key(), versions=TLS12)))
    others = peers(tls_peer(context([other.issue(NAME)], key(), versions=TLS12)))
    assert UNKNOWN in judge(service, address)
    opened = service.connect(others, "verify")
    opened.handshake()
    replace(authority.pem(root.root, b"not a certificate"))
    wait_for(lambda: judge(service, address) == VERIFIED, what="the new authorities")
    assert UNKNOWN in judge(service, others)
    wait_for(lambda: "event=tls-anchors-loaded" in service.log_text().split("skipped", 1)[-1],
             what="the count")
    assert service.log_text().count("event=tls-anchor-skipped") == 1
    opened.plain.sendall(b"still there")
    assert opened.plain.recv(100) == b"still there"
    opened.close()
    replace(b"")
    service.process.send_signal(signal.SIGHUP)  # who cannot wait
    wait_for(lambda: "the file is empty" in judge(service, address), what="no authorities")
    assert judge(service, address, "encrypt")[3] == "unverified"
    bundle.unlink()
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "No such file" in judge(service, address), what="no file")
    service.stop()


def test_template_killed(programs, folder, root, peers, users):
    """Another one takes its place, and open connections go on."""
    service = Service(programs, "-c", folder)
    address = peers(tls_peer(context([root.issue(NAME)], key(), versions=TLS12)))
    link = service.connect(address, "verify")
    link.handshake()
    master = Process(service.process.pid)
    template = wait_for(lambda: children_of(master.pid), what="a template")[0]
    os.kill(template, 9)
    assert judge(service, address) == VERIFIED
    link.close()
    service.socket.close()
    assert service.process.wait(60) == 0


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.root
def test_without_privilege(programs, folder, root, peers):
    """As any one user it does the same."""
    service = Service(programs, "-c", folder, user=(65534, 65534))
    address = peers(tls_peer(context([root.issue(NAME)], key(), versions=TLS12)))
    assert judge(service, address) == VERIFIED
    assert judge(service, address, "encrypt")[3] == "unverified"
    service.stop()


@pytest.mark.root
def test_privileges(programs, folder, root, peers, service_users):
    """All of it runs as one user without a privilege; template and engines have no other calls than
    they need, and descriptors of their own alone."""
    service = Service(programs, "-c", folder)
    address = peers(tls_peer(context([root.issue(NAME)], key(), versions=TLS12)))
    link = service.connect(address, "verify")
    link.handshake()
    template = children_of(service.process.pid)[0]
    engine = children_of(template)[0]
    user = Process(service.process.pid).uid
    assert user not in (0, 65534)
    for pid in (service.process.pid, template, engine):
        process = Process(pid)
        assert process.uid == user
        assert int(process.status("CapEff"), 16) == 0 and int(process.status("CapPrm"), 16) == 0
        assert process.status("NoNewPrivs") == "1"
    for pid in (template, engine):
        if not is_sanitized(programs):
            assert Process(pid).status("Seccomp") == "2"
    descriptors = {os.readlink(f"/proc/{engine}/fd/{name}")
                   for name in os.listdir(f"/proc/{engine}/fd")}
    sockets = {name for name in descriptors if name.startswith("socket:")}
    assert len(sockets) == 3  # connection, plain, answers
    assert not {name for name in descriptors if name.startswith("/") and "/tmp/" not in name
                and name != "/dev/null"}
    link.close()
    service.stop()


def is_sanitized(programs):
    return b"__asan_init" in (Path(programs) / "ekiden-tls").read_bytes()


def test_idle_memory(service, root, peers, programs):
    """What a connection that waits takes for itself."""
    if is_sanitized(programs):
        pytest.skip("memory of a sanitizer build is its own")
    tls = context([root.issue(NAME)], key(), versions=TLS12)
    link = service.connect(peers(tls_peer(tls)), "verify")
    link.handshake()
    link.plain.sendall(b"x")
    assert link.plain.recv(1) == b"x"
    engines = [child for template in children_of(service.process.pid)
               for child in children_of(template)]
    assert engines and max(Process(pid).private_memory for pid in engines) < 300
    link.close()
