"""Conversations: each *.dialog file is one test.

    # a comment
    control: NAME TEXT     the instance of this file has this control file (more lines: more entries)
    C: NOOP                a line that the client sends, with CRLF; \\r \\n \\t \\0 \\xNN \\\\ as in C
    R: QU                  raw bytes, without CRLF
    S: 250-PIPELINING      the next line of the server begins with this
    S~ 250[- ]SIZE \\d+     or matches this regular expression as a whole
    C*100: NOOP            the same a hundred times; also S*100:
    X: closed              the server closes here, and has said nothing more
    X: half-close          the client closes its sending side
    X: reset               the client resets the connection
    X: connect             a new connection (the old one is closed)
    oracle: off            this server takes no mail for alice: no message is tried after the test
    mail: alice 1          alice has 1 message in the end (0 for each mailbox that is not named)

What stands between two S lines goes out in one write. A file ends in `X:` or `mail:`, so that no
reply too many goes unseen. A file can be run by hand against any server:
    test_dialog.py HOST PORT FILE...
"""

import re
import socket
import struct
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LINE = re.compile(r"(?P<kind>[CRSX]|control|oracle|mail)(?:\*(?P<count>\d+))?(?P<form>[:~])(?: (?P<text>.*))?$")
ESCAPE = re.compile(rb"\\(r|n|t|0|\\|x[0-9a-fA-F]{2})")
PLAIN = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}
REPLY = re.compile(rb"[2-5][0-9][0-9][- ][\x20-\x7e]{0,506}\r\n")


def unescape(text):
    def byte(found):
        word = found.group(1)
        return PLAIN.get(word) or bytes([int(word[1:], 16)])

    return ESCAPE.sub(byte, text.encode())


class Dialog:
    """A file, read: its steps as (line number, kind, form, count, text), its control files."""

    def __init__(self, path):
        self.steps, self.control, self.mail, self.accepts_mail = [], {}, {}, True
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            found = LINE.match(line)
            assert found, f"{path.name}:{number}: not a line of a dialog: {line}"
            kind, form, text = found["kind"], found["form"], found["text"] or ""
            if kind == "control":
                name, _, value = text.partition(" ")
                self.control[name] = self.control.get(name, "") + value + "\n"
            elif kind == "oracle":
                self.accepts_mail = text != "off"
            elif kind == "mail":
                user, count = text.split()
                self.mail[user] = int(count)
            else:
                self.steps.append((number, kind, form, int(found["count"] or 1), text))
        assert self.steps and self.steps[-1][1] == "X", f"{path.name}: the last step must be an X:"


class Conversation:
    def __init__(self, host, port):
        self.address = (host, port)
        self.outgoing = b""
        self.connect()

    def connect(self):
        self.socket = socket.create_connection(self.address, 90)
        self.file = self.socket.makefile("rb")

    def flush(self):
        outgoing, self.outgoing = self.outgoing, b""
        try:
            self.socket.sendall(outgoing)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server closed: the next S or X says whether it might

    def read_line(self):
        try:
            return self.file.readline(1000)
        except ConnectionResetError:
            return b""

    def expect(self, form, text):
        self.flush()
        line = self.read_line()
        assert REPLY.fullmatch(line), f"not a reply line: {line!r}, expected {text}"
        said = line[:-2].decode()
        if form == "~":
            assert re.fullmatch(text, said), f"got {said}, expected a match of {text}"
        else:
            assert said.startswith(text), f"got {said}, expected {text}"

    def act(self, what):
        self.flush()
        if what == "closed":
            line = self.read_line()
            assert not line, f"not closed: {line!r}"
        elif what == "half-close":
            self.socket.shutdown(socket.SHUT_WR)
        elif what == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()
        elif what == "connect":
            self.close()
            self.connect()
        else:
            raise AssertionError(f"no such act: {what}")

    def step(self, kind, form, text):
        if kind == "S":
            self.expect(form, text)
        elif kind == "X":
            self.act(text)
        else:
            self.outgoing += unescape(text) + (b"\r\n" if kind == "C" else b"")

    def close(self):
        self.file.close()
        self.socket.close()


def run(dialog, name, host, port):
    conversation = Conversation(host, port)
    try:
        for number, kind, form, count, text in dialog.steps:
            for _ in range(count):
                try:
                    conversation.step(kind, form, text)
                except (AssertionError, OSError) as problem:
                    raise AssertionError(f"{name}:{number}: {problem}") from None
    finally:
        conversation.close()


if __name__ == "__main__":
    for argument in sys.argv[3:]:
        run(Dialog(Path(argument)), argument, sys.argv[1], int(sys.argv[2]))
        print(f"{argument}: as expected")
else:
    import pytest

    # Otherwise the demonstration's own files: demo.example with alice and bob.
    CONTROL = {"maxerrors": "50\n"}

    @pytest.mark.parametrize("path", sorted(FOLDER.glob("*.dialog")), ids=lambda path: path.stem)
    def test_dialog(path, server, make_instance):
        dialog = Dialog(path)
        if dialog.control:
            server = make_instance(dialog.control)
            server.accepts_mail = dialog.accepts_mail
        run(dialog, path.name, "127.0.0.1", server.port)
        server.wait_for_empty_queue()
        for user in ("alice", "bob"):
            expected = dialog.mail.get(user, 0)
            found = server.mailbox(user) if not expected else server.wait_for_mail(user, expected)
            assert len(found) == expected, f"{path.name}: {len(found)} messages for {user}, not {expected}"
