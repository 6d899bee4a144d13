"""ekiden-remote sends by BDAT (RFC 3030) where it is offered, and never leaves a part of a message."""

import os
import tempfile
from pathlib import Path

import pytest
from hostile_server import CLOSE, SILENCE, HostileServer, pause
from test_remote_session import Remote

MESSAGE = b"Subject: x\n\n.dot\n.\nlast"
WIRE = b"Subject: x\r\n\r\n.dot\r\n.\r\nlast\r\n"
MIB = 1 << 20
BIG = b"Subject: x\n\n" + (b"x" * 70 + b"\n") * (7 * MIB // 144)  # three chunks, and half a one
TWO = ["a@y.example", "b@y.example"]


@pytest.fixture(scope="module")
def remote(scratch, build, sanitized, request):
    if os.geteuid() == 0:
        request.getfixturevalue("service_users")
    return Remote(Path(tempfile.mkdtemp(prefix="chunking-", dir=scratch)), build, sanitized)


@pytest.fixture(params=["pipelining", "lock-step"])
def extensions(request):
    return ["CHUNKING", "SIZE", *(["PIPELINING"] if request.param == "pipelining" else [])]


def verbs(server):
    return [line.split(b" ")[0].decode() for line in server.commands]


def wire(message):
    return message.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("message", [b"", b"x", b"\n", MESSAGE, b"." * 9000 + b"\n" + b".\n" * 9000],
                         ids=["empty", "no line end", "empty line", "dots", "many dots"])  # fmt: skip
def test_one_chunk(remote, extensions, message):
    with HostileServer(extensions=extensions) as server:
        assert remote(server, message=message).letters == "rK"
        server.wait()
    expected = wire(message if message.endswith(b"\n") or not message else message + b"\n")
    assert server.messages == [expected]
    assert server.commands[3:] == [b"BDAT %d LAST" % len(expected), b"QUIT"]


@pytest.mark.parametrize("length", [MIB - 1, MIB, MIB + 1, 2 * MIB, 4 * MIB + 5])
def test_many_chunks(remote, extensions, length):
    message = (b"x" * 62 + b"\n") * (length // 64 - 1)
    message += b"y" * (length - len(wire(message)) - 2) + b"\n"
    with HostileServer(extensions=extensions) as server:
        assert remote(server, message=message).letters == "rK"
    assert server.messages == [wire(message)] and len(wire(message)) == length
    sizes = [line for line in server.commands if line.startswith(b"BDAT")]
    assert sizes[:-1] == [b"BDAT 1048576"] * ((length - 1) // MIB)
    assert sizes[-1] == b"BDAT %d LAST" % ((length - 1) % MIB + 1)


@pytest.mark.parametrize("cut", range(-2, 3))
def test_line_ends_where_pieces_end(remote, cut):
    """A CR LF, a lone CR and an LF across the pieces that are read, up to the end of the message."""
    for end in (b"\r\n", b"\r", b"\r\n\r\rx"):
        message = b"x" * (8192 + cut) + end
        with HostileServer(extensions=["CHUNKING"]) as server:
            assert remote(server, message=message).letters == "rK"
        lines = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        assert server.messages == [wire(lines if lines.endswith(b"\n") else lines + b"\n")]


REFUSALS = {
    "first": ("552 5.3.4 too large", "h"),
    "second": (["250 ok", "552 5.3.4 too large"], "h"),
    "later": (["250 ok", "250 ok", "451 4.3.0 not now"], "s"),
    "closed": (["250 ok", CLOSE], "s"),
    "421": (["250 ok", ("421 4.3.2 down", CLOSE)], "s"),
    "silent": (["250 ok", SILENCE], "s"),
    "nonsense": (["250 ok", "354 go on"], "s"),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_chunk_is_refused(remote, extensions, refusal):
    """A server that refuses one, and would take the last one, never gets it."""
    answer, letter = refusal
    with HostileServer({"BDAT": answer, "message": "250 taken"}, extensions) as server:
        assert remote(server, *TWO, message=BIG, timeout=2).recipients == letter * 2
        server.wait()
    assert not server.messages and not any(b"LAST" in line for line in server.commands)


@pytest.mark.parametrize("early", ["550 5.7.1 never", "450 4.7.1 not now"])
@pytest.mark.parametrize("stage", [0, 1, 3], ids=["first", "second", "last"])
def test_a_refusal_before_the_chunk_is_there(remote, extensions, early, stage):
    script = {"chunk": [None] * stage + [(early, SILENCE)]}
    with HostileServer(script, extensions, small=stage < 2) as server:
        result = remote(server, message=BIG, timeout=5)
    assert result.recipients == ("h" if early[0] == "5" else "s")
    assert early[:3] in result.text


def test_two_answers_to_one_chunk(remote):
    """One of them would pass for the answer to the last."""
    with HostileServer({"BDAT": ["250 ok", "250 ok\r\n250 ok"]}, ["CHUNKING"]) as server:
        result = remote(server, message=BIG)
    assert result.letters == "sZ" and "before it was asked" in result.text
    assert not server.messages


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_server_that_does_not_know_what_it_offers(remote, extensions, code):
    """DATA is what it gets then, on a new connection: its parser may be anywhere."""
    for stage, message in (("message", MESSAGE), ("BDAT", BIG)):
        script = [{stage: f"{code} 5.5.1 what is BDAT?"}, {"EHLO": "250-x\r\n250 PIPELINING"}]
        with HostileServer(script, extensions) as server:
            assert remote(server, message=message).letters == "rK"
        assert verbs(server)[-2:] == ["DATA", "QUIT"] and len(server.sessions) == 2
        assert len(server.sessions[1].accepted) == 1


def test_other_refusals_of_the_last_chunk(remote, extensions):
    for said, letter in (("554 5.6.0 bad", "h"), ("452 4.3.1 full", "s"), (CLOSE, "s")):
        with HostileServer({"message": said}, extensions) as server, HostileServer() as other:
            route = f":127.0.0.1:{server.port},127.0.0.1:{other.port}"
            assert remote(server, message=MESSAGE, route=route).recipients == letter
        assert len(server.sessions) == 1 and not other.sessions


def test_refused_recipients(remote, extensions):
    """Nothing is sent for nobody."""
    with HostileServer({"RCPT": "550 5.1.1 unknown"}, extensions) as server:
        assert remote(server, *TWO).letters == "hhD"
        server.wait()
    assert verbs(server) == ["EHLO", "MAIL", "RCPT", "RCPT", "QUIT"]
    with HostileServer({"MAIL": "450 4.7.1 later"}, extensions) as server:
        assert remote(server, *TWO).letters == "ssZ"
        server.wait()
    assert "BDAT" not in verbs(server)
    with HostileServer({"RCPT": ["550 5.1.1 unknown", "250 ok"]}, extensions) as server:
        assert remote(server, *TWO).letters == "hrK"


def test_slow_answers(remote):
    """With PIPELINING the next chunk is on its way meanwhile."""
    with HostileServer({"BDAT": (pause(0.2), "250 ok")}, ["CHUNKING", "PIPELINING"]) as server:
        assert remote(server, message=BIG).letters == "rK"
    assert server.messages == [wire(BIG)]


def test_lmtp(remote):
    """An answer for each recipient to the last chunk only."""
    with HostileServer({"message": "250 ok\r\n452 4.2.2 full"}, ["CHUNKING", "PIPELINING"],
                       lmtp=True) as server:  # fmt: skip
        for message in (MESSAGE, BIG):
            result = remote(server, *TWO, message=message, route=f":lmtp:127.0.0.1:{server.port}")
            assert result.letters == "rsK"
    assert server.messages[1] == wire(BIG) and "DATA" not in verbs(server)
