"""A plain SMTP client that sends exactly the bytes it is told, and checks the form of each reply.

smtplib repairs and refuses too much to be used against a server: it doubles dots, mends line ends,
and never pipelines.
"""

import re
import socket
from collections import namedtuple

CRLF = b"\r\n"
REPLY_LINE = re.compile(rb"^([2-5][0-9][0-9])([ -])([\x20-\x7e]*)\r\n$")
REPLY_MAXIMUM = 512  # RFC 5321 4.5.3.1.5, with the CRLF


class Reply(namedtuple("Reply", "code lines")):
    """One reply: its code, and the text of each of its lines."""

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def enhanced(self):
        """The enhanced status code (RFC 3463) of the last line, or an empty string."""
        found = re.match(r"([245]\.\d{1,3}\.\d{1,3}) ", self.lines[-1] + " ")
        return found.group(1) if found else ""

    def __str__(self):
        return f"{self.code} {self.text}"


class Closed(Exception):
    """The server closed the connection."""


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


class Client:
    """CONNECTED is a socket that somebody else has connected, in another network for example."""

    def __init__(self, port, source=None, host="127.0.0.1", timeout=90, connected=None):
        self.socket = connected or socket.create_connection(
            (host, port), timeout, source_address=(source, 0) if source else None
        )
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.greeting = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(as_bytes(data))

    def read_line(self):
        while b"\n" not in self.pending:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Closed(f"closed by the server, after {self.pending!r}")
            self.pending += piece
            assert len(self.pending) < (1 << 22), "replies without an end"
        line, self.pending = self.pending.split(b"\n", 1)
        return line + b"\n"

    def reply(self):
        """Reads one reply and checks its form: RFC 5321 4.2."""
        lines, code = [], None
        while True:
            line = self.read_line()
            found = REPLY_LINE.match(line)
            assert found, f"not a reply line: {line!r}"
            assert len(line) <= REPLY_MAXIMUM, f"reply line of {len(line)} octets"
            assert code in (None, found.group(1)), f"codes differ within a reply: {line!r}"
            code = found.group(1)
            lines.append(found.group(3).decode())
            if found.group(2) == b" ":
                return Reply(int(code), lines)

    def command(self, line):
        self.send(as_bytes(line) + CRLF)
        return self.reply()

    def greet(self, name="client.example", verb="EHLO"):
        """Reads the greeting and says EHLO. Returns the reply to EHLO."""
        self.greeting = self.reply()
        assert self.greeting.code == 220, f"greeted with {self.greeting}"
        answer = self.command(f"{verb} {name}")
        assert answer.code == 250, f"{verb}: {answer}"
        return answer

    def envelope(self, sender, recipients, parameters=""):
        """MAIL and RCPT, all of which must be accepted."""
        answer = self.command(f"MAIL FROM:<{sender}>{parameters}")
        assert answer.code == 250, f"MAIL: {answer}"
        for recipient in recipients:
            answer = self.command(f"RCPT TO:<{recipient}>")
            assert answer.code == 250, f"RCPT {recipient}: {answer}"

    def data(self, wire):
        """DATA, then WIRE as it stands (the end of data included), then the reply."""
        answer = self.command("DATA")
        assert answer.code == 354, f"DATA: {answer}"
        self.send(wire)
        return self.reply()

    def deliver(self, sender, recipients, message, parameters=""):
        """A whole transaction of a message with LF line ends. Returns the reply after its end."""
        self.envelope(sender, recipients, parameters)
        return self.data(to_wire(message))

    def is_closed(self):
        """True when the server has closed: waits for it within the socket's timeout."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def quit(self):
        answer = self.command("QUIT")
        assert answer.code == 221, f"QUIT: {answer}"
        assert self.is_closed()
        self.close()


def to_wire(message):
    """A message with LF line ends in the form of the wire: CRLF, dots doubled, CRLF.CRLF."""
    if message and not message.endswith(b"\n"):
        message += b"\n"
    lines = message.split(b"\n")[:-1]
    return b"".join((b"." if line[:1] == b"." else b"") + line + CRLF for line in lines) + b".\r\n"


TRACE = (b"Return-Path:", b"Delivered-To:", b"Received:")


def split_trace(message):
    """Divides a delivered message into the fields that we added, one of each, and the rest."""
    fields, rest = [], message
    for _ in TRACE:
        found = re.match(rb"(?:Return-Path|Delivered-To|Received):[^\n]*\n(?:[ \t][^\n]*\n)*", rest)
        assert found, f"a trace field is missing in {message[:600]!r}"
        fields.append(found.group(0))
        rest = rest[found.end() :]
    names = sorted(field.split(b":")[0] + b":" for field in fields)
    assert names == sorted(TRACE), f"trace fields {names}"
    return fields, rest


def body_of(message):
    """What the sender sent: the message without the fields that we added."""
    return split_trace(message)[1]
