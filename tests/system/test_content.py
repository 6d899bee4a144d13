"""What is in a message: section G of the attack cases."""

import os
import random

import pytest
from instance import DOMAIN, SENDER
from smtp_client import body_of, split_trace, to_wire

ALICE = f"alice@{DOMAIN}"
CONTROL = {"databytes": "0\n"}
MEMORY = 8192  # KiB: no process may have had more, ever


def check_memory(server):
    if not server.sanitized:
        for process in server.all_processes():
            assert process.peak_memory < MEMORY, f"{process}: {process.peak_memory} KiB"


def stream(client, pieces):
    """Sends a message in pieces after DATA; returns the reply and whether all could be sent."""
    assert client.command("DATA").code == 354
    for piece in pieces:
        client.send(piece)
    client.send(b"\r\n.\r\n")


# --- trace ---


def received_fields(count):
    return b"".join(b"Received: from a by b; %d\n" % number for number in range(count))


@pytest.mark.parametrize("count, code", [(0, 250), (99, 250), (100, 554), (101, 554)])
def test_loop_by_received(server, count, code):
    """G01: RFC 5321 6.3. More than 100 with ours."""
    with server.session() as client:
        answer = client.deliver(SENDER, [ALICE], received_fields(count) + b"Subject: hop\n\nbody\n")
        assert answer.code == code or (count == 100 and answer.code == 250), answer
        if answer.code == 554:
            assert answer.enhanced == "5.4.6"
        client.quit()


def test_received_in_the_body_is_no_hop(server):
    message = b"Subject: quoted\n\n" + received_fields(200)
    server.send(message)
    assert body_of(server.wait_for_mail("alice")[0]) == message


@pytest.mark.heavy
def test_very_many_received(server):
    """G02."""
    with server.session() as client:
        answer = client.deliver(SENDER, [ALICE], received_fields(100_000) + b"\nbody\n")
        assert (answer.code, answer.enhanced) == (554, "5.4.6"), answer
        check_memory(server)
        client.quit()


def test_forged_trace(server):
    """G06: exactly one own Return-Path; all else stays."""
    forged = (
        b"Return-Path: <forged@x.test>\nReturn-path:\n <folded@x.test>\nDelivered-To: mallory@x.test\n"
        b"Received: from x by y; z\nBcc: hidden@x.test\nX-Return-Path: stays\nSubject: forged\n\n"
        b"Return-Path: <in the body, stays>\n"
    )
    server.send(forged)
    (message,) = server.wait_for_mail("alice")
    fields, rest = split_trace(message)
    assert sum(field.startswith(b"Return-Path: <" + SENDER.encode()) for field in fields) == 1
    expected = forged.replace(b"Return-Path: <forged@x.test>\nReturn-path:\n <folded@x.test>\n", b"")
    assert rest == expected


def test_received_names_the_client(server):
    """RFC 5321 4.4: from the name and address, by us, with the protocol, the id and the date."""
    server.send(b"Subject: trace\n\nbody\n")
    (message,) = server.wait_for_mail("alice")
    (received,) = [f for f in split_trace(message)[0] if f.startswith(b"Received:")]
    for part in (b"from client.example", b"[127.0.0.1]", b"by " + DOMAIN.encode(), b"with ESMTP", b" id "):
        assert part in received, received
    from email.utils import parsedate_to_datetime

    assert parsedate_to_datetime(received.rpartition(b";")[2].strip().decode())


# --- bytes ---

STRANGE = {
    "no-header": b"just a line\n",
    "blank-first-line": b"\nbody\n",
    "blank-first-character": b" folded from nothing\nSubject: x\n\nbody\n",
    "colon-first": b":\nSubject: x\n\nbody\n",
    "header-only": b"Subject: header only\n",
    "header-and-blank": b"Subject: header only\n\n",
    "blank-lines-only": b"\n\n\n",
    "8-bit-header": b"Subject: \xe4\xf6\xfc\nX-\xff: y\n\n\x80\xff\n",
    "folded-return-path-last": b"Subject: x\nReturn-Pathology: stays\n\nbody\n",
    "From-lines": b"From someone Mon Jul 14\nFrom: x\n\nFrom the body\n>From quoted\n",
    "controls": b"Subject: x\n\n" + bytes(set(range(1, 32)) - {10, 13}) + b"\x7f\n",
}


@pytest.mark.parametrize("message", STRANGE.values(), ids=STRANGE.keys())
def test_strange_messages_are_kept(server, message):
    """G04, G05."""
    server.send(message)
    (arrived,) = server.wait_for_mail("alice")
    if message.startswith(b" "):  # now a continuation of Received; its bytes are kept
        assert arrived.endswith(b"\n" + message)
    else:
        assert body_of(arrived) == message


def random_message(source, number):
    length = source.choice([0, 1, 10, 998, 3000, 20_000])
    body = bytes(source.choices([*range(1, 10), 11, 12, *range(14, 256)], k=length))
    lines, start = [], 0
    while start < len(body):
        size = source.choice([0, 1, 2, 60, 78, 500, 998])
        line = body[start : start + size]
        if source.random() < 0.2:
            line = b"." + line[1:]
        lines.append(line)
        start += max(size, 1)
    return b"Subject: random %d\n\n" % number + b"".join(line + b"\n" for line in lines)


@pytest.mark.parametrize("seed", range(4))
def test_random_bodies(server, seed):
    """G12, in seconds: 250 messages each, over sessions of 25."""
    source = random.Random(seed)
    sent = [random_message(source, number) for number in range(250)]
    for start in range(0, len(sent), 25):
        with server.session() as client:
            for message in sent[start : start + 25]:
                client.send(
                    b"MAIL FROM:<%s> BODY=8BITMIME\r\nRCPT TO:<%s>\r\nDATA\r\n"
                    % (SENDER.encode(), ALICE.encode())
                )
                assert [client.reply().code for _ in range(3)] == [250, 250, 354]
                client.send(to_wire(message))
                assert client.reply().code == 250
            client.quit()
    arrived = sorted(body_of(message) for message in server.wait_for_mail("alice", 250))
    assert arrived == sorted(sent)


# --- sizes ---


def test_a_message_of_20_megabytes(server):
    line = os.urandom(48).hex().encode()
    message = b"Subject: large\n\n" + (line + b"\n") * (20_000_000 // (len(line) + 1))
    server.send(message)
    check_memory(server)
    (arrived,) = server.wait_for_mail("alice")
    assert body_of(arrived) == message
    check_memory(server)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "piece, count",
    [(b"x" * 65536, 800), (b"X: y\r\n" * 10_000, 100), (b" folded\r\n" * 10_000, 100)],
    ids=["one-line-of-50-MB", "a-million-fields", "a-million-folded-lines"],
)
def test_a_huge_header(server, piece, count):
    """G03: accepted or refused, in flat memory."""
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        stream(client, [b"Subject: huge", *([piece] * count)])
        answer = client.reply()
        assert answer.code in (250, 500, 552, 554), answer
        check_memory(server)
        client.quit()
    if answer.code == 250:
        (arrived,) = server.wait_for_mail("alice")
        expected = (b"Subject: huge" + piece * count + b"\r\n").replace(b"\r\n", b"\n")
        assert body_of(arrived) == expected
    check_memory(server)


@pytest.mark.parametrize("declared", [True, False])
def test_a_message_beyond_databytes(make_instance, declared):
    """G09: refused at MAIL, or after its end; the session stays in step and the space is free."""
    server = make_instance({"databytes": "100000\n"})
    with server.session() as client:
        if declared:
            answer = client.command(f"MAIL FROM:<{SENDER}> SIZE=100001")
            assert (answer.code, answer.enhanced) == (552, "5.3.4"), answer
        else:
            answer = client.deliver(SENDER, [ALICE], b"Subject: x\n\n" + b"x" * 70 + b"\n" * 200_000)
            assert (answer.code, answer.enhanced) == (552, "5.3.4"), answer
            server.wait_for_empty_queue()
        assert client.deliver(SENDER, [ALICE], b"Subject: small\n\nbody\n").code == 250
        client.quit()
    assert body_of(server.wait_for_mail("alice")[0]) == b"Subject: small\n\nbody\n"


def test_size_is_offered(make_instance):
    server = make_instance({"databytes": "100000\n"})
    with server.connect() as client:
        assert "SIZE 100000" in client.greet().lines
