"""Envelopes that a program of this machine's users hands in as it likes: whatever stands in them, no
agent may die of it, for that would stop everybody's mail."""

import random
import socket

from instance import DOMAIN, wait_for

CONTROL = {
    "users": "alice\npostmaster:alice\n",
    "systemusers": "nobody\n",
    "smtproutes": ":127.0.0.1:1\nmx.test:\n",
    "nameservers": "127.0.0.1:1\n",
}
OPEN, COMMIT, PIECE = 1, 2, 60000  # queue/injection.h


def envelope(sender, *recipients):
    return b"F%s\0%s\0" % (sender, b"".join(b"T%s\0" % each for each in recipients))


def inject(instance, envelopes, flags=0):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as injector:
        injector.settimeout(instance.patience)
        injector.connect(str(instance.folder / "inject"))
        injector.recv(100)
        for each in envelopes:
            stream = each + b"Subject: hello\n\nbody\n"
            for at in range(0, len(stream), PIECE):
                bits = (OPEN | flags) * (at == 0) | COMMIT * (at + PIECE >= len(stream))
                injector.send(bytes([bits]) + stream[at:at + PIECE])
            assert injector.recv(100)[:1] == b"S"


def all_tried(instance):
    """Each message was put off, or is done: nothing is left that was never tried."""
    wait_for(lambda: not list((instance.queue / "new").iterdir()), what="a try of all messages")
    log = instance.log_text()
    assert "agent-gone" not in log and "remote-ended" not in log


def test_long_addresses(instance):
    """A job of a hundred of them is more than a socket may have room for: not one is sent twice."""
    recipients = [b"%04d%s@mx.test" % (i, b"x" * 980) for i in range(250)]
    inject(instance, [envelope(b"s" * 1003, *recipients)] * 4)
    all_tried(instance)
    # Each once, though four times the name: a job that came twice would show here.
    tried = sum(event.get("event") == "delivery" for event in instance.log())
    assert tried == 4 * len(recipients)


def test_odd_addresses(instance):
    here = DOMAIN.encode()
    fixed = [
        envelope(b"\xff\xfe", b"x@y.test", b"a@" + b"\xff" * 200),
        envelope(b"a@b", b"@", b"@@", b"a@", b"@b", b"x" * 1003, b"x" * 900 + b"@" + b"y" * 102),
        envelope(b"a@b", *[b"u@" + host for host in (
            b"d" * 255, b"d" * 256, b"[", b"[]", b"[IPv6:", b"[1.2.3.4", b"a b", b"-", b".", b"..",
            b"a..b", "bücher.test".encode())]),
        envelope(b"a@b", *[local + b"@" + here for local in (
            b"nobody-" + b"x" * 300, b"nobody-../../x", b"nobody-\xff", b'"|id"', b"a b",
            b"alice-" + b"e" * 500)]),
        *[envelope(sender, b"nosuch@" + here) for sender in (
            b"#@[]", b"x-@[]", b"@", b"@@[]", b" ", b"a@b\xff", b'a<>"\\@b')],
    ]
    dice = random.Random(3)

    def some():
        letters = b'ab@@[].-:"\\ <>\xff\xc3\xa9%!|/+'
        return bytes(dice.choice(letters) for _ in range(dice.choice([1, 2, 5, 20, 60])))

    ends = [b"", b"@" + here, b"@x.test", b"@mx.test", b"@[1.2.3.4]"]
    drawn = [envelope(some(), *[some() + dice.choice(ends) for _ in range(4)]) for _ in range(40)]
    for flags in (0, 8, 16, 24):  # with and without 8BITMIME and SMTPUTF8
        inject(instance, fixed + drawn, flags)
    all_tried(instance)
