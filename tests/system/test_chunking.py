"""BDAT (RFC 3030): a message in chunks is the message that DATA would have made of it, and no octet
of a chunk is ever run as a command."""

import certificates
import pytest
from instance import DOMAIN, SENDER
from smtp_client import Closed, body_of
from test_parser import check_memory
from test_smuggling import FALSE_ENDS, SMUGGLED, wait_until_read
from test_starttls import encrypt, starttls

ALICE = f"alice@{DOMAIN}"
WIRE = (b"Subject: chunks\r\n\r\n.\r\n..\r\nRSET\r\n\r\n.\r\nQUIT\r\n" + b"x" * 3000 + b"\r\n.x\r\n"
        + "grüße\r\n".encode())  # fmt: skip


def chunk(octets, last=False):
    return b"BDAT %d%s\r\n" % (len(octets), b" LAST" if last else b"") + octets


def chunks_of(wire, size):
    return [chunk(wire[start : start + size], start + size >= len(wire))
            for start in range(0, len(wire), size)]  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_the_same_bytes_as_by_data(server, size):
    """All in one write, with the next transaction behind it (RFC 3030 4.2)."""
    commands = chunks_of(WIRE, size)
    with server.session() as client:
        client.send(f"MAIL FROM:<{SENDER}> BODY=8BITMIME\r\nRCPT TO:<{ALICE}>\r\n".encode()
                    + b"".join(commands) + b"NOOP\r\n")  # fmt: skip
        codes = [client.reply().code for _ in range(2 + len(commands) + 1)]
        assert set(codes) == {250}
        client.quit()
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == WIRE.replace(b"\r\n", b"\n")


def test_cut_anywhere(server):
    """A chunk and its command in segments of one octet; the last line gets the end that it lacks."""
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        stream = chunk(b"Subject: cut\r") + chunk(b"\n\r") + chunk(b"\nbody\r\n.\r\nlast", True)
        for octet in stream:
            client.send(bytes([octet]))
            wait_until_read(client)
        assert [client.reply().code for _ in range(3)] == [250] * 3
        client.quit()
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == b"Subject: cut\n\nbody\n.\nlast\n"


@pytest.mark.parametrize("end", FALSE_ENDS.values(), ids=FALSE_ENDS.keys())
def test_a_false_end_in_a_chunk(server, end):
    """Section A: what no end of data is is none in a chunk either, and is refused there as well."""
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        client.send(chunk(b"Subject: outer\r\n\r\nbody" + end + SMUGGLED + b".\r\n", True))
        assert client.reply().code == 554
        assert client.command("NOOP").code == 250
        client.quit()
    server.wait_for_empty_queue()
    assert not server.mailbox("alice")


def test_the_true_end_in_a_chunk_is_data(server):
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        wire = b"Subject: outer\r\n\r\nbody\r\n.\r\n" + SMUGGLED + b".\r\n"
        client.send(chunk(wire, True) + b"NOOP\r\n")
        assert [client.reply().code for _ in range(2)] == [250, 250]
        client.quit()
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == wire.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("tail", [b"BDAT 100 LAST\r\nhalf", b"BDAT 4\r\nhalf", b"BDAT 4\r\nhalfQUIT\r\n"],
                         ids=["in-a-chunk", "between-chunks", "QUIT"])  # fmt: skip
def test_gone_before_the_last_chunk(server, tail):
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        client.send(chunk(b"Subject: unfinished\r\n\r\n") + tail)
        wait_until_read(client)
    server.wait_for_empty_queue()
    assert not server.mailbox("alice")


SIZES = ["-1", "+1", "0x10", "1e3", "", "18446744073709551616", "1" + "0" * 30, "40 FIRST", "40LAST",
         "40 LAST LAST", "40\0", "40\r", "9" * 600]  # fmt: skip


@pytest.mark.parametrize("size", SIZES, ids=repr)
def test_a_chunk_of_unknown_size_ends_the_session(server, size):
    """D21: octets of which nobody knows how many they are never run as commands."""
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        client.send(f"BDAT {size}\r\n" + "VRFY root\r\n" * 4)
        codes = []
        with pytest.raises(Closed):
            while True:
                codes.append(client.reply().code)
        assert codes in ([500], [501]), codes


def test_starttls_between_chunks(make_instance):
    """It is as if nothing had been said: nothing of the message is kept."""
    instance = make_instance(start=False)
    certificates.put(instance)
    instance.start()
    with instance.session() as client:
        client.envelope(SENDER, [ALICE])
        client.send(chunk(b"Subject: clear\r\n\r\n"))
        assert client.reply().code == 250
        starttls(client)
        encrypt(client)
        assert client.command("EHLO inside.example").code == 250
        client.send(chunk(b"inside\r\n", True))
        assert client.reply().code == 503
        client.envelope(SENDER, [ALICE])
        client.send(chunk(b"Subject: inside\r\n\r\n", True))
        assert client.reply().code == 250
        client.quit()
    (message,) = instance.wait_for_mail("alice")
    assert body_of(message) == b"Subject: inside\n\n"


@pytest.mark.heavy
def test_too_large(make_instance):
    """The chunk's size is enough to say 552; its octets are dropped in flat memory."""
    instance = make_instance({"databytes": "1000\n"})
    with instance.session() as client:
        client.envelope(SENDER, [ALICE])
        client.send(b"BDAT 20000000 LAST\r\n")
        for _ in range(20):
            client.send(b"NOOP\r\n" * 100000 + b"x" * 400000)
        assert client.reply().code == 552
        check_memory(instance)
        assert client.command("NOOP").code == 250
        client.quit()
    assert not instance.queue_files()


@pytest.mark.heavy
def test_a_large_chunk(server):
    """It passes through in flat memory."""
    line = b"y" * 998 + b"\r\n"
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        client.send(b"BDAT %d LAST\r\n" % (20000 * len(line)))
        for _ in range(20):
            client.send(line * 1000)
        assert client.reply().code == 250
        check_memory(server)
        client.quit()
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == b"y" * 998 + b"\n" + (b"y" * 998 + b"\n") * 19999
