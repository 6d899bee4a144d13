"""ekiden-remote speaks LMTP (RFC 2033), to sockets of this host and by TCP: an answer for each recipient
(attack case I23), and what a server can do to that."""

import os
import socket
import tempfile
from pathlib import Path

import pytest
from hostile_server import CLOSE, SILENCE, HostileServer, pause
from test_remote_session import Remote, as_bytes

FOUR = [f"{name}@y.example" for name in ("a", "b", "c", "d")]
MESSAGE = b"Subject: x\n\n.dot\nlast"
WIRE = b"Subject: x\r\n\r\n..dot\r\nlast\r\n"


@pytest.fixture(scope="module")
def remote(scratch, build, sanitized, request):
    if os.geteuid() == 0:
        request.getfixturevalue("service_users")
    return Remote(Path(tempfile.mkdtemp(prefix="lmtp-", dir=scratch)), build, sanitized)


@pytest.fixture
def place(remote):
    """A folder for sockets, which ekiden-remote may reach."""
    folder = Path(tempfile.mkdtemp(prefix="sockets-", dir=remote.folder))
    folder.chmod(0o755)
    return folder


def lmtp(answers=None, **options):
    return HostileServer(answers, ["PIPELINING", "8BITMIME"], lmtp=True, **options)


@pytest.fixture(params=["socket", "tcp"])
def target(request, place):
    """Makes a server and says the route to it."""
    def make(answers=None):
        if request.param == "socket":
            path = place / "lmtp"
            return lmtp(answers, path=path), f":lmtp:{path}"
        server = lmtp(answers)
        return server, f":lmtp:127.0.0.1:{server.port}"

    return make


def test_a_result_for_each_recipient(remote, target):
    """4xx and 5xx to RCPT, and to the final dot."""
    server, route = target({"RCPT": ["250 ok", "550 5.1.1 no such user", "250 ok", "250 ok"],
                            "message": "250 2.0.0 stored\r\n452 4.2.2 mailbox full\r\n"
                                       "550-5.7.1 this one\r\n550 5.7.1 does not like it"})
    with server:
        result = remote(server, *FOUR, route=route, message=MESSAGE)
        server.wait()
    assert result.letters == "rhshK"
    assert "no such user" in result.texts[1] and "mailbox full" in result.texts[2]
    assert "does not like it" in result.texts[3]
    assert server.messages == [WIRE] and server.served == FOUR[:1]
    assert [line.split(b" ")[0] for line in server.commands] == [
        b"LHLO", b"MAIL", b"RCPT", b"RCPT", b"RCPT", b"RCPT", b"DATA", b"QUIT"]


def test_a_hundred_recipients(remote, target):
    names = [f"user{number}@y.example" for number in range(100)]
    answers = [f"{(250, 450, 550)[number % 3]} number {number}" for number in range(100)]
    server, route = target({"message": "\r\n".join(answers)})
    with server:
        result = remote(server, *names, route=route)
    assert result.recipients == ("rsh" * 34)[:100]
    assert all(f"number {number} " in text for number, text in enumerate(result.texts[:100]))


ODD_ENDS = {
    "missing, closed": (("250 ok\r\n550 no", CLOSE), "rhss"),
    "missing, silent": (("250 ok\r\n550 no", SILENCE), "rhss"),
    "none": (CLOSE, "ssss"),
    "surplus": ("250 ok\r\n" * 6 + "550 no", "rrrr"),
    "late": (("250 ok", pause(0.5), "250 ok", pause(0.5), "450 no\r\n250 ok"), "rrsr"),
    "421 between": (("250 ok\r\n421 4.3.2 down\r\n250 ok\r\n421 4.3.2 down", CLOSE), "rsrs"),
    "garbage": ("250 ok\r\nwhat\r\n250 ok", "rsss"),
    "one for all": ("250 ok", "rsss"),
    "354": ("354 go on\r\n250 ok\r\n250 ok\r\n250 ok", "srrr"),
}


@pytest.mark.parametrize("end", ODD_ENDS.values(), ids=ODD_ENDS.keys())
def test_odd_ends(remote, target, end):
    """What is missing is deferred, what is too much is for nobody; no second server is asked."""
    said, letters = end
    server, route = target({"message": said})
    with server, HostileServer() as other:
        result = remote(server, *FOUR, route=f"{route},127.0.0.1:{other.port}", timeout=2)
    assert result.recipients == letters
    assert len(server.messages) == 1 and not other.sessions


def test_all_recipients_refused(remote, target):
    server, route = target({"RCPT": "550 5.1.1 unknown", "DATA": "503 5.5.1 no recipients"})
    with server:
        assert remote(server, *FOUR, route=route).letters == "hhhhD"
        server.wait()
    assert not server.messages and server.sessions[0].end == "server"


def test_a_refusal_in_the_midst(remote, target):
    big = b"x" * 70 + b"\n"
    server, route = target({"body": ("552 5.2.2 too much", SILENCE)})
    with server:
        assert remote(server, *FOUR[:2], route=route, message=big * 200000).letters == "hhD"


def test_a_server_that_speaks_smtp(remote):
    """There is no HELO for it: the mail waits."""
    with HostileServer() as server:
        result = remote(server, route=f":lmtp:127.0.0.1:{server.port}")
    assert result.letters == "sZ" and "LHLO" in result.text
    assert server.commands == [b"LHLO us.example", b"QUIT"]


def test_a_second_host(remote, place):
    """Either may be one of the other kind."""
    with lmtp(path=place / "lmtp") as server, HostileServer() as other:
        route = f":lmtp:{place}/missing,lmtp:{place}/lmtp"
        assert remote(None, route=route).letters == "rK"
        route = f":lmtp:{place}/missing,127.0.0.1:{other.port}"
        assert remote(None, route=route).letters == "rK"
        route = f":127.0.0.1:{server.port or 1},lmtp:{place}/lmtp"
        assert remote(None, route=route).letters == "rK"
    assert len(server.sessions) == 2 and len(other.sessions) == 1


def test_sockets_out_of_reach(remote, place):
    """It waits until the operator mends it, and is told how."""
    def text():
        result = remote(None, route=f":lmtp:{place}/lmtp")
        assert result.letters == "sZ" and result.text.startswith(f"4.4.1 {place}/lmtp: ")
        return result.text

    assert "No such file" in text()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "lmtp"))
        (place / "lmtp").chmod(0o666)
        assert "refused" in text()  # nobody listens
        (place / "lmtp").chmod(0o600)
        if os.geteuid() == 0:
            assert "may not write to this socket" in text()
    (place / "lmtp").unlink()
    (place / "lmtp").mkdir()
    text()


def test_tls_and_options_are_for_hosts(remote, place):
    """A socket takes none of them; beside a host they are the host's."""
    with lmtp(path=place / "lmtp") as server:
        assert remote(server, route=f":lmtp:{place}/lmtp,relay.example tls=verify").letters == "rK"
    with lmtp() as server:  # offers no TLS
        route = f":lmtp:127.0.0.1:{server.port} tls=encrypt"
        result = remote(server, route=route)
        assert result.letters == "sZ" and "TLS is required" in result.text


def test_garbage_is_not_followed(remote, target):
    server, route = target({"LHLO": as_bytes("250-x\r\n250 PIPELINING") + b"250 and more\r\n"})
    with server:
        assert remote(server, route=route).letters == "sZ"
    assert not server.messages
