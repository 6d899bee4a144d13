"""The command parser and the order of commands: section D of the attack cases."""

import itertools

import pytest
from instance import DOMAIN, SENDER, wait_for
from smtp_client import Closed, body_of

ALICE = f"alice@{DOMAIN}"
CONTROL = {"concurrencyperip": "1000\n"}


def ehlo_keywords(answer):
    return [line.split(" ")[0].upper() for line in answer.lines[1:]]


def test_ehlo_offers_what_there_is(server):
    with server.connect() as client:
        keywords = ehlo_keywords(client.greet())
    for keyword in ("PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8",
                    "CHUNKING", "DSN"):
        assert keyword in keywords
    for keyword in ("STARTTLS", "AUTH", "BINARYMIME", "ETRN", "VRFY"):
        assert keyword not in keywords


def test_helo(server):
    with server.connect() as client:
        answer = client.greet(verb="HELO")
        assert len(answer.lines) == 1
        assert client.deliver(SENDER, [ALICE], b"Subject: helo\n\nbody\n").code == 250
        client.quit()
    (message,) = server.wait_for_mail("alice")
    assert b" with SMTP" in message and b" with ESMTP" not in message


# --- D01 to D05: lines ---


@pytest.mark.parametrize("length", [513, 1000, 4096, 65536, 1 << 20])
def test_a_line_that_is_too_long(server, length):
    """D01: 500, then the session is in step at the next CRLF."""
    with server.session() as client:
        answer = client.command(b"NOOP " + b"x" * (length * 3))
        assert answer.code == 500 and answer.enhanced.startswith("5.5."), answer
        assert client.command("NOOP").code == 250
        client.quit()


@pytest.mark.parametrize("length", [100, 511, 512])
def test_a_line_that_fits(server, length):
    with server.session() as client:
        line = b"NOOP " + b"x" * (length - len(b"NOOP \r\n"))
        assert client.command(line).code == 250
        client.quit()


@pytest.mark.heavy
def test_a_line_without_an_end(server):
    """D01: 30 MB of command line in flat memory."""
    with server.session() as client:
        try:
            for _ in range(30):
                client.send(b"x" * (1 << 20))
            check_memory(server)
            client.send(b"\r\n")
            assert client.reply().code in (421, 500)
        except (BrokenPipeError, ConnectionResetError):
            check_memory(server)


def check_memory(server):
    for process in server.all_processes():
        assert process.peak_memory < 8192, f"{process}: {process.peak_memory} KiB"


@pytest.mark.parametrize(
    "command", ["EHLO client.example", f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{ALICE}>", "DATA", "NOOP"]
)
def test_a_nul_anywhere(server, command):
    """D02: refused, and never understood up to the NUL."""
    raw = command.encode()
    for position in range(len(raw) + 1):
        with server.session() as client:
            if command.startswith(("RCPT", "DATA")):
                assert client.command(f"MAIL FROM:<{SENDER}>").code == 250
            if command == "DATA":
                assert client.command(f"RCPT TO:<{ALICE}>").code == 250
            answer = client.command(raw[:position] + b"\0" + raw[position:])
            assert answer.code in (500, 501, 502, 553, 555), f"{position}: {answer}"
            assert client.command("NOOP").code == 250


@pytest.mark.parametrize("end", [b"\n", b"\r"], ids=["LF", "CR"])
def test_a_bare_line_end_ends_no_command(server, end):
    """D03: one line, and one reply, however many it looks like."""
    with server.session() as client:
        answer = client.command(b"NOOP" + end + b"RSET" + end + b"QUIT")
        assert answer.code in (500, 501), answer
        assert client.command("VRFY x").code == 252
        client.quit()


@pytest.mark.parametrize(
    "command, code",
    [
        ("noop", 250),
        ("nOOp", 250),
        ("NOOP ", 250),
        ("RSET  ", 250),
        (" NOOP", 500),
        ("\tNOOP", 500),
        ("", 500),
        ("XYZZY", 500),
        ("NOOPX", 500),
        ("NOO", 500),
        ("HELP", 214),
        ("NOOP x", 250),
        ("VRFY alice", 252),
        (f"VRFY alice@{DOMAIN}", 252),
        ("VRFY nobody-here", 252),
        ("EXPN list", 502),
        ("EHLO", 501),
        ("HELO", 501),
        ("DEBUG", 500),
        ("WIZ", 500),
        ("TURN", (500, 502)),
        ("ETRN x", (500, 502)),
        (f"SEND FROM:<{SENDER}>", (500, 502)),
        (f"SOML FROM:<{SENDER}>", (500, 502)),
        (f"SAML FROM:<{SENDER}>", (500, 502)),
        ("XCLIENT ADDR=127.0.0.1", (500, 502)),
        ("XFORWARD ADDR=127.0.0.1", (500, 502)),
        ("XEXCH50 2 2", (500, 502)),
        ("STARTTLS", (500, 502)),
        ("AUTH PLAIN AGEAYg==", (500, 502, 503)),
        ("RSET x", (250, 501)),
        ("QUIT x", (221, 501)),
    ],
)
def test_one_command(server, command, code):
    """D04 to D06, D08, D13, D15."""
    with server.session() as client:
        answer = client.command(command)
        assert answer.code in (code if isinstance(code, tuple) else (code,)), answer
        if answer.code != 221:
            client.quit()


@pytest.mark.parametrize("length", [255, 400])
def test_a_long_name_in_ehlo(server, length):
    """D07."""
    with server.connect() as client:
        assert client.reply().code == 220
        label = "a" * 60 + "."
        answer = client.command("EHLO " + (label * 9)[:length])
        assert answer.code in (250, 501), answer
        client.quit()


@pytest.mark.parametrize(
    "name", ["a(b", "a)b;", "a\\", 'a"b', "\x1b[2J", "a\tb", "[1.2.3.4", "a b", "ä", "<x>", "x;y", "--", "."]
)
def test_a_strange_name_in_ehlo(server, name):
    """D09: refused, or the Received field stays well-formed."""
    with server.connect() as client:
        assert client.reply().code == 220
        answer = client.command(f"EHLO {name}")
        assert answer.code in (250, 501), answer
        if answer.code == 501:
            answer = client.command("EHLO client.example")
        assert client.deliver(SENDER, [ALICE], b"Subject: name\n\nbody\n").code == 250
        client.quit()
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == b"Subject: name\n\nbody\n"
    received = message[message.index(b"Received:") :].split(b"\nSubject:")[0]
    depth = 0
    for byte in received.replace(b"\\(", b"").replace(b"\\)", b""):
        depth += {ord("("): 1, ord(")"): -1}.get(byte, 0)
        assert depth >= 0 and (byte in b"\n\t" or 32 <= byte < 127), received
    assert depth == 0 and received.count(b";") >= 1, received


def test_ehlo_resets(server):
    """D08."""
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        assert client.command("EHLO client.example").code == 250
        assert client.command("DATA").code == 503
        assert client.command(f"RCPT TO:<{ALICE}>").code == 503
        client.quit()


# --- D29: the order of commands ---

VERBS = {
    "HELO": "HELO client.example",
    "EHLO": "EHLO client.example",
    "MAIL": f"MAIL FROM:<{SENDER}>",
    "RCPT": f"RCPT TO:<{ALICE}>",
    "DATA": "DATA",
    "RSET": "RSET",
    "NOOP": "NOOP",
    "VRFY": "VRFY alice",
    "EXPN": "EXPN list",
    "HELP": "HELP",
    "QUIT": "QUIT",
    "????": "XYZZY",
}
ALWAYS = {"RSET": 250, "NOOP": 250, "VRFY": 252, "EXPN": 502, "HELP": 214, "QUIT": 221, "????": 500}


class Model:
    """RFC 5321 4.1.4 in a few lines: what each command answers, given those before it."""

    def __init__(self):
        self.greeted = self.sender = self.recipient = False

    def forget(self):
        self.sender = self.recipient = False

    def answer(self, verb):
        if verb in ("HELO", "EHLO"):
            self.greeted = True
            self.forget()
            return 250
        if verb == "MAIL":
            if not self.greeted or self.sender:
                return 503
            self.sender = True
            return 250
        if verb == "RCPT":
            if not self.sender:
                return 503
            self.recipient = True
            return 250
        if verb == "DATA":
            if not self.recipient:
                return 503
            self.forget()
            return 354
        if verb == "RSET":
            self.forget()
        return ALWAYS[verb]


def run_sequence(server, sequence):
    model = Model()
    with server.connect() as client:
        assert client.reply().code == 220
        for number, verb in enumerate(sequence):
            expected = model.answer(verb)
            answer = client.command(VERBS[verb])
            assert answer.code == expected or (verb == "DATA" and expected == 503 and answer.code == 554), (
                f"{' '.join(sequence[: number + 1])}: {answer}, not {expected}"
            )
            if answer.code == 354:
                client.send(b".\r\n")
                assert client.reply().code == 250
            if verb == "QUIT":
                assert client.is_closed()
                return
        client.send("QUIT\r\n")
        assert client.reply().code == 221
        assert client.is_closed()


@pytest.mark.parametrize(
    "prefix", [(), ("EHLO",), ("HELO", "MAIL", "RCPT")], ids=["fresh", "greeted", "with-recipient"]
)
@pytest.mark.parametrize("first", VERBS)
def test_every_triple_of_verbs(server, first, prefix):
    """D29."""
    if first == "QUIT":
        return run_sequence(server, (*prefix, first))
    for rest in itertools.product(VERBS, repeat=2):
        run_sequence(server, (*prefix, first, *rest))


@pytest.mark.parametrize("first", VERBS)
def test_every_pair_pipelined(server, first):
    """The same replies when all commands arrive at once (RFC 2920)."""
    for second in VERBS:
        model = Model()
        sequence = ["EHLO", first, second, "QUIT"]
        if "DATA" in sequence:
            continue  # not the last of a group that the model could end
        expected = [model.answer(verb) for verb in sequence]
        if "QUIT" in sequence[1:3]:
            expected = expected[: sequence.index("QUIT") + 1]
        with server.connect() as client:
            assert client.reply().code == 220
            client.send("".join(VERBS[verb] + "\r\n" for verb in sequence))
            assert [client.reply().code for _ in expected] == expected, sequence
            with pytest.raises(Closed):
                client.reply()


# --- D11 and later ---


def test_too_many_errors(make_instance):
    """D11."""
    server = make_instance({"maxerrors": "5\n"})
    with server.session() as client:
        codes = []
        while len(codes) < 50:
            codes.append(client.command("XYZZY").code)
            if codes[-1] == 421:
                break
        assert codes[-1] == 421 and 5 <= len(codes) <= 7, codes
        assert client.is_closed()


def test_commands_that_do_nothing(server):
    """A session that only talks is ended, and nobody who sends mail comes near to it."""
    with server.session() as client:
        for count in range(1, 100_000):
            if client.command("NOOP").code == 421:
                break
        assert 50 <= count < 99_999
        assert client.is_closed()


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "POST / HTTP/1.1", "CONNECT x:25 HTTP/1.1"])
def test_http(server, line):
    """D14: closed at once; nothing behind it is a command."""
    with server.connect() as client:
        assert client.reply().code == 220
        client.send(
            f"{line}\r\nHost: x\r\n\r\nEHLO x.test\r\nMAIL FROM:<{SENDER}>\r\n"
            f"RCPT TO:<{ALICE}>\r\nDATA\r\n\r\n.\r\nQUIT\r\n"
        )
        codes = []
        try:
            while True:
                codes.append(client.reply().code)
        except Closed:
            pass
        assert len(codes) <= 1 and all(code >= 400 for code in codes), codes
    assert not server.mailbox("alice")


@pytest.mark.parametrize(
    "command, codes",
    [
        ("MAIL FROM:a@b.test", (250, 501)),
        ("MAIL FROM: <a@b.test>", (250, 501)),
        ("MAIL FROM <a@b.test>", (501,)),
        ("MAIL FROM:<a@b.test", (501,)),
        ("MAIL FROM:a@b.test>", (501,)),
        ("MAIL FROM:<<a@b.test>>", (501,)),
        ("MAIL FROM:", (501,)),
        ("MAIL", (501,)),
        ("MAIL TO:<a@b.test>", (501,)),
        ("MAIL FROM:<a@b.test>x", (501, 555)),
        ("MAIL FROM:<a@b.test> FOO", (555,)),
        ("MAIL FROM:<a@b.test> FOO=bar", (555,)),
        ("MAIL FROM:<a@b.test> AUTH=<>", (555, 250)),
        ("MAIL FROM:<a@b.test> RET=FULL", (250,)),
        ("MAIL FROM:<a@b.test> RET=", (501,)),
        ("MAIL FROM:<a@b.test> BODY=8BITMIME", (250,)),
        ("MAIL FROM:<a@b.test> body=7bit", (250,)),
        ("MAIL FROM:<a@b.test> BODY=BINARYMIME", (501, 504, 555)),
        ("MAIL FROM:<a@b.test> BODY=", (501, 504, 555)),
        ("MAIL FROM:<a@b.test> BODY", (501, 504, 555)),
        ("MAIL FROM:<a@b.test> SIZE=1 SIZE=1", (501,)),
        ("MAIL FROM:<a@b.test> BODY=7BIT BODY=7BIT", (501,)),
        ("MAIL FROM:<a@b.test> SIZE=0", (250,)),
        ("MAIL FROM:<a@b.test> SIZE=1000", (250,)),
        ("MAIL FROM:<a@b.test> SIZE=", (501,)),
        ("MAIL FROM:<a@b.test> SIZE", (501,)),
        ("MAIL FROM:<a@b.test> SIZE=-1", (501,)),
        ("MAIL FROM:<a@b.test> SIZE=+1", (501,)),
        ("MAIL FROM:<a@b.test> SIZE=1e9", (501,)),
        ("MAIL FROM:<a@b.test> SIZE=0x10", (501,)),
        (f"MAIL FROM:<a@b.test> SIZE={1 << 31}", (552,)),
        (f"MAIL FROM:<a@b.test> SIZE={1 << 32}", (552,)),
        (f"MAIL FROM:<a@b.test> SIZE={1 << 63}", (552, 501)),
        (f"MAIL FROM:<a@b.test> SIZE={1 << 64}", (552, 501)),
        (f"MAIL FROM:<a@b.test> SIZE={10**20}", (552, 501)),
        (f"MAIL FROM:<a@b.test> SIZE={10**30}", (552, 501)),
        ("MAIL FROM:<a@b.test> SMTPUTF8", (250,)),
        ("MAIL FROM:<a@b.test> SMTPUTF8=x", (501, 555)),
        ("MAIL FROM:<ä@b.test>", (553, 550, 501)),
        ("MAIL FROM:<a@ä.test>", (553, 550, 501)),
        ("MAIL FROM:<ä@ä.test> SMTPUTF8", (250,)),
        (b"MAIL FROM:<\xff@b.test> SMTPUTF8", (501, 553)),
        (b"MAIL FROM:<\xc0\xaf@b.test> SMTPUTF8", (501, 553)),
        (b"MAIL FROM:<\xed\xa0\x80@b.test> SMTPUTF8", (501, 553)),
        ("MAIL FROM:<\u202ea@b.test> SMTPUTF8", (501, 553)),
    ],
)
def test_the_form_of_mail(server, command, codes):
    """D16 to D19, D27."""
    with server.session() as client:
        answer = client.command(command)
        assert answer.code in codes, answer
        assert client.command("RSET").code == 250
        assert client.command(f"MAIL FROM:<{SENDER}>").code == 250
        client.quit()


def test_parameters_after_helo(server):
    """D17."""
    with server.connect() as client:
        client.greet(verb="HELO")
        assert client.command(f"MAIL FROM:<{SENDER}> SIZE=10").code in (501, 555)
        assert client.command(f"MAIL FROM:<{SENDER}>").code == 250
        client.quit()


def test_half_close_after_the_end(server):
    """D24."""
    import socket

    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        assert client.command("DATA").code == 354
        client.send(b"Subject: half\r\n\r\nbody\r\n.\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.reply().code == 250
        assert client.is_closed()
    server.wait_for_mail("alice")


def test_reset_between_the_end_and_the_reply(server):
    """D25: no message or one, never a part of one."""
    import socket
    import struct

    start = len(server.log_text())
    for number in range(20):
        client = server.session()
        client.envelope(SENDER, [ALICE])
        assert client.command("DATA").code == 354
        client.send(b"Subject: rst\r\n\r\n" + b"body\r\n" * number * 100 + b".\r\n")
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    wait_for(
        lambda: server.log_text()[start:].count(" event=disconnect ") == 20,
        what="the end of all sessions",
    )
    server.wait_for_empty_queue()
    for message in server.mailbox("alice"):
        body = body_of(message)
        head = b"Subject: rst\n\n"
        lines = body[len(head) :].count(b"\n")
        assert body == head + b"body\n" * lines and lines % 100 == 0


def test_a_client_that_talks_first(server):
    """D26."""
    with server.connect() as client:
        client.send("EHLO client.example\r\nQUIT\r\n")
        first = client.reply()
        assert first.code in (220, 421, 521, 554), first
