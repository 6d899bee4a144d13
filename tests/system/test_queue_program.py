"""The qmail-queue interface, both ways: another queue program as ours, ours as another server's."""

import os
import signal
import subprocess

import pytest
from hostile_server import HostileServer
from instance import DOMAIN, PATIENCE, SENDER
from smtp_client import body_of

ALICE = f"alice@{DOMAIN}"
STAND_IN = """#!/usr/bin/python3
import os, sys
def read(descriptor):
    pieces = []
    while piece := os.read(descriptor, 65536):
        pieces.append(piece)
    return b"".join(pieces)
message = read(0)
envelope = read(1)
with open({folder!r} + "/message", "wb") as file:
    file.write(message)
with open({folder!r} + "/envelope", "wb") as file:
    file.write(envelope)
if {text!r}:
    os.write(6, {text!r})
os._exit({code}) if {code} >= 0 else os.kill(os.getpid(), -{code})
"""


@pytest.fixture
def with_program(make_instance):
    """Makes an instance whose queue program is a stand-in that ends with CODE."""

    def make(code, text=b""):
        instance = make_instance({"queueprogram": "/set/below\n"}, start=False)
        instance.accepts_mail = False  # it queues nothing
        folder = instance.folder / "stand-in"
        folder.mkdir()
        folder.chmod(0o777)
        program = folder / "program"
        program.write_text(STAND_IN.format(folder=str(folder), code=code, text=text))
        program.chmod(0o755)
        instance.set("queueprogram", f"{program}\n")
        return instance.start(), folder

    return make


def try_message(instance, recipients=(ALICE,)):
    with instance.session() as client:
        answer = client.deliver(SENDER, recipients, b"Subject: x\n\n.dot\nbody\n")
        assert client.command("NOOP").code == 250
        client.quit()
    return answer


def test_what_the_program_is_given(with_program):
    instance, folder = with_program(0)
    assert try_message(instance, [ALICE, f"bob@{DOMAIN}"]).code == 250
    envelope = (folder / "envelope").read_bytes()
    assert envelope == f"F{SENDER}\0T{ALICE}\0Tbob@{DOMAIN}\0\0".encode()
    message = (folder / "message").read_bytes()
    assert message.startswith(b"Received: from ") and b"\r" not in message
    assert message.endswith(b"\nSubject: x\n\n.dot\nbody\n")


def test_dsn_is_not_offered_for_it(with_program):
    """RFC 3461: the interface of qmail-queue has no place for what it asks."""
    instance, _ = with_program(0)
    with instance.connect() as client:
        assert "DSN" not in client.greet().lines
        assert client.command(f"MAIL FROM:<{SENDER}> RET=HDRS").code == 555
        assert client.command(f"MAIL FROM:<{SENDER}>").code == 250
        assert client.command(f"RCPT TO:<{ALICE}> NOTIFY=NEVER").code == 555
        assert client.command(f"RCPT TO:<{ALICE}>").code == 250


@pytest.mark.parametrize(
    "code, text, expected",
    [
        (11, b"", 5),
        (31, b"", 5),
        (51, b"", 4),
        (53, b"", 4),
        (71, b"", 4),
        (81, b"", 4),
        (91, b"", 4),
        (1, b"", 4),
        (115, b"", 4),  # qmail's old 11; above 40, so temporary
        (40, b"", 5),
        (41, b"", 4),
        (-9, b"", 4),
        (82, b"Dyour message is not wanted (#5.7.1)", 5),
        (82, b"Zcome back later (#4.3.0)", 4),
        (82, b"", 4),
        (82, b"Dtwo\r\n250 lines\n\0\xff", 5),
        (82, b"D" + b"long " * 1000, 5),
    ],
)
def test_exit_codes(with_program, code, text, expected):
    instance, _ = with_program(code, text)
    instance.expected_signals = code < 0
    answer = try_message(instance)
    assert answer.code // 100 == expected, answer
    if text.startswith((b"Dyour", b"Zcome")):
        assert text[1:20].decode() in answer.text
    assert answer.code != 250


def test_a_program_that_is_not_there(make_instance):
    instance = make_instance({"queueprogram": "/nonexistent/queue\n"}, start=False)
    instance.accepts_mail = False
    try:
        instance.start()
    except AssertionError:
        assert "queueprogram" in instance.log_text()  # named at the start: as good
        return
    assert try_message(instance).code // 100 == 4


def test_a_message_that_is_refused_midway(with_program):
    """A bare LF: the program is not told an envelope, and so must not queue."""
    instance, folder = with_program(0)
    with instance.session() as client:
        client.envelope(SENDER, [ALICE])
        assert client.data(b"Subject: x\r\n\r\nbody\nbody\r\n.\r\n").code // 100 == 5
        client.quit()
    envelope = folder / "envelope"
    assert not envelope.exists() or not envelope.read_bytes().endswith(b"\0\0")


# --- ours, as another server calls it ---


def queue(instance, message, envelope, *arguments):
    """Runs ekiden-queue with MESSAGE on fd 0 and ENVELOPE on fd 1. Returns exit code and fd 6."""
    custom_read, custom_write = os.pipe()
    envelope_read, envelope_write = os.pipe()

    def arrange():
        os.dup2(envelope_read, 1)
        os.dup2(custom_write, 6)

    with open(instance.log_path, "ab") as log:
        process = subprocess.Popen(
            instance.command("ekiden-queue", "-Q", instance.queue, *arguments),
            stdin=subprocess.PIPE,
            stderr=log,
            preexec_fn=arrange,
            close_fds=False,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
            cwd="/",
        )
    os.close(custom_write)
    os.close(envelope_read)
    try:
        process.stdin.write(message)
        process.stdin.close()
        os.write(envelope_write, envelope)
    except BrokenPipeError:
        pass
    os.close(envelope_write)
    code = process.wait(PATIENCE)
    with os.fdopen(custom_read, "rb") as custom:
        return code, custom.read()


def test_ours_for_another_server(server):
    message = b"Received: by another server\nSubject: x\n\nbody\n"
    envelope = f"F{SENDER}\0T{ALICE}\0Tbob@{DOMAIN}\0\0".encode()
    assert queue(server, message, envelope) == (0, b"")
    for user in ("alice", "bob"):
        (arrived,) = server.wait_for_mail(user)
        assert arrived.endswith(message)
        assert arrived.startswith(b"Return-Path: <" + SENDER.encode() + b">\n")
    server.wait_for_empty_queue()


def test_ours_with_DSN_and_a_sender_for_each(make_instance):
    """The records of RFC 3461 behind what they are about, and VERP beside them."""
    instance = make_instance()
    envelope = (b"Flist-owner-@demo.example-@[]\0Vid\0RH\0Ta@far.example\0NSF\0Orfc822;A\0"
                b"Tb@far.example\0NN\0\0")
    with HostileServer({}, ["DSN"]) as sink:
        instance.set_at_once("smtproutes", f":127.0.0.1:{sink.port}\n")
        assert queue(instance, b"Subject: x\n\nbody\n", envelope)[0] == 0
        instance.wait_for_empty_queue()
    said = [line for line in sink.commands if line[:4] in (b"MAIL", b"RCPT")]
    for name, asked in (("a", b"NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;A"), ("b", b"NOTIFY=NEVER")):
        mail = f"MAIL FROM:<list-owner-{name}=far.example@demo.example> RET=HDRS ENVID=id".encode()
        rcpt = f"RCPT TO:<{name}@far.example> ".encode() + asked
        assert said[said.index(mail) + 1] == rcpt


def test_ours_with_the_null_sender(server):
    assert queue(server, b"Subject: x\n\nbody\n", f"F\0T{ALICE}\0\0".encode())[0] == 0
    assert server.wait_for_mail("alice")[0].startswith(b"Return-Path: <>\n")


ENVELOPES = {
    "empty": (b"", 54, 91),
    "no-end": (f"F{SENDER}\0T{ALICE}\0".encode(), 54, 91),
    "no-sender": (f"T{ALICE}\0\0".encode(), 91),
    "no-recipient": (f"F{SENDER}\0\0".encode(), 91),
    "two-senders": (f"F{SENDER}\0F{SENDER}\0T{ALICE}\0\0".encode(), 91),
    "other-letter": (f"F{SENDER}\0X{ALICE}\0\0".encode(), 91),
    "cut-in-an-address": (b"Fsend", 54, 91),
    "behind-the-end": (f"F{SENDER}\0T{ALICE}\0\0Tbob@{DOMAIN}\0\0".encode(), 91, 0),
    "LF-in-an-address": (f"F{SENDER}\0Ta\nb@{DOMAIN}\0\0".encode(), 91, 31),
    "address-too-long": (f"F{SENDER}\0T{'x' * 5000}@{DOMAIN}\0\0".encode(), 11),
}


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES.keys())
def test_ours_with_a_malformed_envelope(server, envelope):
    """E20: nothing is queued, and the exit code says what was wrong."""
    data, *codes = envelope
    code, _ = queue(server, b"Subject: x\n\nbody\n", data)
    assert code in codes
    if code != 0:
        server.wait_for_empty_queue()
        assert not server.mailbox("alice")


def test_ours_with_many_recipients(server):
    recipients = b"".join(b"Talice-%d@%s\0" % (n, DOMAIN.encode()) for n in range(1000))
    assert queue(server, b"Subject: x\n\nbody\n", b"F\0" + recipients + b"\0")[0] == 0
    server.wait_for_mail("alice", 1000, timeout=120)


def test_ours_without_a_queue(server):
    code, _ = queue(server, b"x\n", b"Fa@b\0Tc@d\0\0", "-Q", "/nonexistent")
    assert code in (61, 62, 63, 66, 55)


def test_the_end_of_the_server_waits_for_the_program(make_instance):
    """What the program says is passed on, though SIGTERM came while it worked."""
    instance = make_instance({"queueprogram": "/set/below\n"}, start=False)
    instance.accepts_mail = False
    folder = instance.folder / "stand-in"
    folder.mkdir()
    folder.chmod(0o777)
    os.mkfifo(folder / "go")
    (folder / "go").chmod(0o666)
    program = folder / "program"
    program.write_text(
        f"#!/bin/sh\ncat > {folder}/message\ncat <&1 > {folder}/envelope\nread word < {folder}/go\n"
    )
    program.chmod(0o755)
    instance.set("queueprogram", f"{program}\n")
    instance.start()
    with instance.session() as client:
        client.envelope(SENDER, [ALICE])
        assert client.command("DATA").code == 354
        client.send(b"Subject: x\r\n\r\nbody\r\n.\r\n")
        with open(folder / "go", "w") as go:  # opens when the program waits for it
            instance.signal(signal.SIGTERM)
            go.write("go\n")
        assert client.reply().code == 250
    instance.await_end()
