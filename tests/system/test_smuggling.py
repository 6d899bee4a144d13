"""Only CRLF.CRLF ends a message: section A of the attack cases, RFC 5321 2.3.8 and 4.1.1.4."""

import pytest
from instance import DOMAIN, SENDER, wait_for
from smtp_client import Closed, body_of

ALICE = f"alice@{DOMAIN}"
SMUGGLED = (
    f"MAIL FROM:<evil@x.test>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n"
).encode()
FALSE_ENDS = {
    "A01": b"\n.\n",
    "A02": b"\n.\r\n",
    "A03": b"\r\n.\n",
    "A04": b"\r.\r",
    "A05": b"\r.\r\n",
    "A06": b"\r\n.\r",
    "A07": b"\n.\r",
    "A08": b"\r.\n",
    "A09": b"\r\n\0.\r\n",
    "A10": b"\r\n.\0\r\n",
    "A11": b"\n\n.\n\n",
    "A12": b"\r\r\n.\r\r\n",
    "A13": b"\n\n.\r\n",
    "A14": b"\r\n.\r\r\n",
}
HARMLESS_ENDS = {
    "A15-blank-behind": b"\r\n. \r\n",
    "A15-tab-behind": b"\r\n.\t\r\n",
    "A15-blank-before": b"\r\n .\r\n",
}


def in_step(client):
    """The session answers the next command, and only that."""
    answer = client.command("NOOP")
    assert answer.code == 250, answer
    client.quit()


@pytest.mark.parametrize("end", FALSE_ENDS.values(), ids=FALSE_ENDS.keys())
def test_a_false_end_refuses_the_whole_message(server, end):
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        answer = client.data(b"Subject: outer\r\n\r\nbody" + end + SMUGGLED + b".\r\n")
        assert 500 <= answer.code <= 599, answer
        in_step(client)
    server.wait_for_empty_queue()
    assert not server.mailbox("alice")


@pytest.mark.parametrize("end", HARMLESS_ENDS.values(), ids=HARMLESS_ENDS.keys())
def test_a_dot_with_blanks_is_data(server, end):
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        answer = client.data(b"Subject: outer\r\n\r\nbody" + end + b"more\r\n.\r\n")
        assert answer.code == 250, answer
        in_step(client)
    (message,) = server.wait_for_mail("alice")
    # RFC 5321 4.5.2: a leading dot with more behind it is taken away.
    kept = end.replace(b"\r\n", b"\n").replace(b"\n.", b"\n")
    assert body_of(message) == b"Subject: outer\n\nbody" + kept + b"more\n"


@pytest.mark.parametrize("cut", range(6))
def test_the_end_cut_into_segments(server, cut):
    """A17: each place between two of the bytes CR LF . CR LF, and one byte after the other."""
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        assert client.command("DATA").code == 354
        end = b"\r\n.\r\n"
        pieces = [end[:cut], end[cut:]] if 0 < cut < 5 else [bytes([byte]) for byte in end]
        client.send(b"Subject: cut\r\n\r\nbody")
        for piece in pieces:
            wait_until_read(client)
            client.send(piece)
        assert client.reply().code == 250
        in_step(client)
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == b"Subject: cut\n\nbody\n"


def wait_until_read(client):
    """Waits until the server's end has acknowledged all that was sent, so that what follows goes
    out as a segment of its own."""
    import array
    import fcntl
    import termios

    def unsent():
        size = array.array("i", [0])
        fcntl.ioctl(client.socket, termios.TIOCOUTQ, size)
        return size[0]

    wait_for(lambda: unsent() == 0, what="an empty send queue")


def test_an_empty_message(server):
    """A19."""
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        assert client.data(b".\r\n").code == 250
        in_step(client)
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == b""


def test_dots_are_taken_away_once(server):
    """A20."""
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        wire = b"Subject: dots\r\n\r\n..\r\n.x\r\n...\r\n.. \r\nx.\r\n"
        assert client.data(wire + b".\r\n").code == 250
        in_step(client)
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == b"Subject: dots\n\n.\nx\n..\n. \nx.\n"


@pytest.mark.parametrize("tail", [b"", b"\r", b"\r\n", b"\r\n.", b"\r\n.\r"], ids=repr)
def test_closed_before_the_end(server, tail):
    """A21."""
    start = len(server.log_text())
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        assert client.command("DATA").code == 354
        client.send(b"Subject: unfinished\r\n\r\nbody" + tail)
        wait_until_read(client)
    wait_for(
        lambda: " event=disconnect " in server.log_text()[start:], what="the end of the session"
    )
    server.wait_for_empty_queue()
    assert not server.mailbox("alice")


def test_two_transactions_in_one_write(server):
    """A22: the replies come in order, and each message once."""
    transaction = (
        f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\nSubject: %d\r\n\r\nbody\r\n.\r\n"
    )
    with server.session() as client:
        client.send(transaction % 1 + transaction % 2 + "QUIT\r\n")
        codes = [client.reply().code for _ in range(9)]
        assert codes == [250, 250, 354, 250] * 2 + [221]
        assert client.is_closed()
    bodies = {body_of(message) for message in server.wait_for_mail("alice", 2)}
    assert bodies == {b"Subject: 1\n\nbody\n", b"Subject: 2\n\nbody\n"}


FORBIDDEN = {
    "A23-LF-in-the-header": b"Subject: one\nX: two\r\n\r\nbody\r\n",
    "A24-CR-in-a-line": b"Subject: x\r\n\r\nfoo\rbar\r\n",
    "A24-CR-before-CRLF": b"Subject: x\r\n\r\nfoo\r\r\n",
    "A24-CR-first": b"\rSubject: x\r\n\r\nfoo\r\n",
    "LF-first": b"\nSubject: x\r\n\r\nfoo\r\n",
    "LF-last": b"Subject: x\r\n\r\nfoo\n\r\n",
    "NUL": b"Subject: x\r\n\r\nfoo\0bar\r\n",
    "NUL-first": b"\0Subject: x\r\n\r\nfoo\r\n",
}


@pytest.mark.parametrize("wire", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_forbidden_bytes_refuse_the_message(server, wire):
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        answer = client.data(wire + b".\r\n")
        assert 500 <= answer.code <= 599, answer
        answer = client.deliver(SENDER, [ALICE], b"Subject: next\n\nbody\n")
        assert answer.code == 250, answer
        in_step(client)
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == b"Subject: next\n\nbody\n"


@pytest.mark.parametrize("length", [998, 1000, 4096, 65535, 65536, 65537, 1 << 20])
def test_a_long_line_stays_one(server, length):
    """A27: the line's end is not where a buffer's is, and the dots behind it stay what they are."""
    message = b"Subject: long\n\n" + b"x" * length + b"\n.\n..x\n" + b".\n" + b"last\n"
    server.send(message)
    (arrived,) = server.wait_for_mail("alice")
    assert body_of(arrived) == message


@pytest.mark.parametrize("offset", range(-6, 3))
def test_the_end_across_a_buffer(server, offset):
    """The true end, and a false one, at each place around 64 KiB."""
    head = b"Subject: edge\r\n\r\n"
    filler = b"y" * (65536 + offset - len(head))
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        assert client.data(head + filler + b"\r\n.\r\n").code == 250
        client.envelope(SENDER, [ALICE])
        answer = client.data(head + filler + b"\r\n.\nNOOP\r\n.\r\n")
        assert 500 <= answer.code <= 599, answer
        in_step(client)
    (arrived,) = server.wait_for_mail("alice")
    assert body_of(arrived) == b"Subject: edge\n\n" + filler + b"\n"


def test_commands_behind_a_refused_data(server):
    """DATA without a recipient gives no 354: what follows are commands, and each is answered."""
    with server.session() as client:
        client.send("DATA\r\nNOOP\r\nQUIT\r\n")
        codes = [client.reply().code for _ in range(3)]
        assert codes[0] in (503, 554) and codes[1:] == [250, 221]
        with pytest.raises(Closed):
            client.reply()
