"""A scripted SMTP server: polite where a test says nothing, and whatever a test says elsewhere.

    with HostileServer({"RCPT": ["250 ok", "550 5.1.1 no such user"]}, ["PIPELINING"]) as server:
        ... 127.0.0.1, server.port ...
        assert server.messages == [b"Subject: x\\r\\n\\r\\nbody\\r\\n"]

ANSWERS maps a stage to what is done there. Stages: "connect" (before the greeting), "greeting", the
verbs ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "QUIT", ...), "body" (after 354, before the
message is read) and "message" (after its final dot). Who offers CHUNKING takes BDAT: stage "BDAT" is
after the octets of each chunk but the last, "chunk" before they are read, "message" after the last.
An action is one of

    "250 ok" or b"..."   sent; text gets its CRLF, bytes go as they are
    CLOSE                the connection is closed
    RESET                the same with a TCP reset
    SILENCE              nothing is said or read any more until the client goes
    IGNORE               nothing is said; the next command is read
    drip(TEXT, SECONDS)  one octet every SECONDS, until the client goes
    flood(PIECE, OCTETS) PIECE again and again, OCTETS altogether, then silence; less when the
                         client goes. It is what a session says: session.flooded
    pause(SECONDS)       waits
    (ACTION, ...)        one after the other
    function(session)    anything; what it returns, unless None, is done
    [ACTION, ...]        for the first time, the second, ...; the last one stays

With TLS, an ssl.SSLContext, the server offers STARTTLS, and begins with it when IMPLICIT. Stages
are then also "STARTTLS" and "handshake" (after 220, before the handshake, and first of all when
IMPLICIT); inside TLS the extensions are SECURE, unless they are the same. LOGINS, user -> password,
are who may log in: stage "AUTH" decides otherwise; session.authenticate(line) is what is done by
default. session.secure says that a session is inside TLS, .clear_commands what was said before, and
.login who logged in, .mechanism how.

An LMTP server knows LHLO in place of EHLO and HELO, and says 250 for each recipient to the final dot.
With PATH it listens at a unix socket there.

A dictionary in place of ANSWERS may be changed while the server runs; a list of dictionaries is for
the first connection, the second, ...; the last one stays.

Each connection is a Session in server.sessions: .commands (lines without CRLF, as bytes),
.messages (the octets of the wire between DATA and the final dot, dots still doubled, or those of the
chunks), .accepted (those of them that were answered 2xx), .served (the recipients of these), .end ("client" closed
first, "server", "reset" by the client, "error" in the script: .error). `server.wait()` waits until
all connections have ended.

SMALL servers take little from the network while a script does not read: what is said in "body" then
comes to the client in the midst of a message of some megabytes, and not after its end.

A client's bare CR or LF is an error of the session unless BARE is allowed: server.errors, which the
end of the `with` checks.
"""

import base64
import re
import select
import socket
import ssl
import struct
import threading
import time
import traceback

CLOSE, RESET, SILENCE, IGNORE = "\0close", "\0reset", "\0silence", "\0ignore"
LAST_OK = re.compile(r"(?:\A|\n)2[0-9][0-9](?: [^\n]*)?\r?\n?\Z")
PATIENCE = 120  # seconds until a session that nobody ends is an error


class Ended(Exception):
    """The connection has ended: by whom."""


def drip(text, seconds):
    octets = text if isinstance(text, bytes) else text.encode() + b"\r\n"

    def act(session):
        for i in range(len(octets)):
            session.send(octets[i : i + 1])
            session.linger(seconds)
        return None

    return act


def flood(piece, octets):
    piece = piece if isinstance(piece, bytes) else piece.encode() + b"\r\n"
    block = piece * max(1, 65536 // len(piece))

    def act(session):
        while session.flooded < octets:
            session.send(block)
            session.flooded += len(block)
        return SILENCE

    return act


def pause(seconds):
    return lambda session: session.linger(seconds)


class Session:
    def __init__(self, server, connection, number):
        self.server, self.socket, self.number = server, connection, number
        self.answers = server.answers_of(number)
        self.commands, self.messages, self.accepted = [], [], []
        self.clear_commands, self.secure = [], False
        self.login, self.mechanism, self.failure = None, None, None
        self.recipients, self.served = [], []
        self.chunks = b""
        self.line = b""  # the command that is answered
        self.flooded = 0
        self.end, self.error = None, None
        self.pending = b""
        self.times = {}
        self.deadline = time.monotonic() + PATIENCE
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # --- octets ---

    def wait_until(self, condition):
        """Waits for the socket, the end of the server, or the deadline."""
        while not condition():
            if self.server.stopping:
                raise Ended("server")
            if time.monotonic() > self.deadline:
                raise TimeoutError("nobody ended the session")

    def send(self, octets):
        """All of it, though the client may not read."""
        view = memoryview(octets)
        while view:
            self.wait_until(lambda: select.select([], [self.socket], [], 0.1)[1])
            try:
                view = view[self.socket.send(view) :]
            except ConnectionError as error:
                raise Ended("client") from error

    def receive(self):
        """What comes next. Empty when the client is gone."""
        self.wait_until(lambda: self.secure and self.socket.pending()
                        or select.select([self.socket], [], [], 0.1)[0])
        try:
            return self.socket.recv(65536)
        except ConnectionResetError as error:
            raise Ended("reset") from error
        except ssl.SSLError as error:
            self.failure = error
            raise Ended("TLS") from error

    def linger(self, seconds):
        """Waits, unless the client goes meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.server.stopping:
                raise Ended("server")
            if not select.select([self.socket], [], [], min(left, 0.1))[0]:
                continue
            octets = self.receive()
            if not octets:
                raise Ended("client")
            self.pending += octets

    def read_until(self, end, start=b""):
        """START and what comes, up to END, which is not part of it."""
        pending = bytearray(start + self.pending)
        searched = 0
        while (found := pending.find(end, max(0, searched - len(end)))) < 0:
            searched = len(pending)
            octets = self.receive()
            if not octets:
                raise Ended("client")
            pending += octets
        self.pending = bytes(pending[found + len(end) :])
        return bytes(pending[:found])

    def read_octets(self, count):
        octets = bytearray(self.pending[:count])
        self.pending = self.pending[count:]
        while len(octets) < count:
            if not (piece := self.receive()):
                raise Ended("client")
            self.pending = piece[count - len(octets) :]
            octets += piece[: count - len(octets)]
        return bytes(octets)

    # --- stages ---

    def action(self, stage, otherwise):
        action = self.answers.get(stage, otherwise)
        if isinstance(action, list):
            time_of = self.times.get(stage, 0)
            self.times[stage] = time_of + 1
            action = action[min(time_of, len(action) - 1)]
        return action

    def do(self, action):
        """Does ACTION. Returns the text or octets that were sent last, if any."""
        if action is None or action == IGNORE:
            return None
        if callable(action):
            return self.do(action(self))
        if isinstance(action, tuple):
            said = None
            for one in action:
                said = self.do(one) or said
            return said
        if action == CLOSE:
            raise Ended("server")
        if action == RESET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Ended("server")
        if action == SILENCE:
            while self.receive():
                pass
            raise Ended("client")
        self.send(action if isinstance(action, bytes) else action.encode() + b"\r\n")
        return action if isinstance(action, str) else action.decode("latin-1")

    def shake_hands(self):
        self.do(self.action("handshake", None))
        self.socket.settimeout(PATIENCE)
        try:
            self.socket = self.server.tls.wrap_socket(self.socket, server_side=True)
        except OSError as error:  # ssl.SSLError is one
            self.failure = error
            raise Ended("TLS") from error
        if not self.socket.version():  # wrap_socket does nothing for one that was reset before
            raise Ended("reset")
        self.secure, self.pending = True, b""

    def authenticate(self, line):
        """AUTH PLAIN and LOGIN. Returns the reply."""
        def ask(prompt):
            self.send(b"334 " + base64.b64encode(prompt) + b"\r\n")
            return base64.b64decode(self.read_until(b"\r\n"), validate=True)

        words = line.split(b" ")
        self.mechanism = words[1].decode()
        if self.mechanism == "PLAIN":
            response = base64.b64decode(words[2], validate=True) if words[2:] else ask(b"")
            identity, user, password = response.split(b"\0")
            assert not identity
        else:
            assert self.mechanism == "LOGIN" and not words[2:]
            user, password = ask(b"Username:"), ask(b"Password:")
        if self.server.logins.get(user.decode()) != password.decode():
            return "535 5.7.8 no such user, or another password"
        self.login = user.decode()
        return "235 2.7.0 welcome"

    def extensions(self):
        if self.secure:
            return self.server.secure
        return [*self.server.extensions, *(["STARTTLS"] if self.server.tls else [])]

    def converse(self):
        self.do(self.action("connect", None))
        if self.server.implicit:
            self.shake_hands()
        self.do(self.action("greeting", "220 hostile.example ESMTP"))
        while True:
            line = self.read_until(b"\r\n")
            self.check_line_ends(line)
            self.line = line
            self.commands.append(line)
            if not self.secure:
                self.clear_commands.append(line)
            verb = line.split(b" ")[0].split(b":")[0].decode("latin-1").upper()
            otherwise = "250 2.0.0 ok"
            if verb in ("EHLO", "HELO", "LHLO") and self.server.lmtp != (verb == "LHLO"):
                otherwise = "500 5.5.1 unknown command"
            elif verb in ("EHLO", "LHLO"):
                keywords = ["hostile.example", *self.extensions()]
                lines = [f"250-{keyword}" for keyword in keywords]
                otherwise = "\r\n".join(lines[:-1] + [lines[-1].replace("-", " ", 1)])
            elif verb == "DATA":
                otherwise = "354 go"
            elif verb == "QUIT":
                otherwise = "221 2.0.0 bye"
            elif verb == "STARTTLS" and self.server.tls and not self.secure:
                otherwise = "220 2.0.0 go"
            elif verb == "AUTH" and self.server.logins:
                otherwise = lambda session: session.authenticate(session.line)  # noqa: E731
            if verb == "BDAT" and "CHUNKING" in self.extensions():
                self.take_chunk(line)
                continue
            said = self.do(self.action(verb, otherwise))
            if verb in ("EHLO", "HELO", "LHLO", "MAIL", "RSET"):
                self.recipients, self.chunks = [], b""
            if verb == "RCPT" and said and LAST_OK.search(said):
                self.recipients.append(line[len("RCPT TO:<") :].split(b">")[0].decode())
            if verb == "STARTTLS" and said and said.startswith("220"):
                self.shake_hands()
            if verb == "DATA" and said and said.rstrip("\r\n").split("\r\n")[0].startswith("3"):
                self.take_message()
            if verb == "QUIT":
                raise Ended("server")

    def take_message(self):
        self.do(self.action("body", None))
        # the CRLF of DATA is the one before a dot that comes at once
        message = (self.read_until(b"\r\n.\r\n", b"\r\n") + b"\r\n")[2:]
        self.end_message(message)

    def take_chunk(self, line):
        size, *last = line.split(b" ")[1:]
        self.do(self.action("chunk", None))
        self.chunks += self.read_octets(int(size))
        if last:
            self.end_message(self.chunks)
            self.chunks = b""
        else:
            self.do(self.action("BDAT", "250 2.0.0 go on"))

    def end_message(self, message):
        self.check_line_ends(message)
        self.messages.append(message)
        otherwise = "250 2.0.0 queued"
        if self.server.lmtp:
            otherwise = "\r\n".join(f"250 2.1.5 <{one}> stored" for one in self.recipients)
        said = self.do(self.action("message", otherwise))
        if self.server.lmtp and said:
            answers = [line[:1] for line in said.split("\r\n") if line[3:4] == " "]
            self.served += [one for one, first in zip(self.recipients, answers) if first == "2"]
        elif said and LAST_OK.search(said):
            self.accepted.append(message)
            self.served += self.recipients

    def check_line_ends(self, octets):
        rest = octets.replace(b"\r\n", b"")
        if not self.server.bare and (b"\r" in rest or b"\n" in rest):
            self.error = f"bare CR or LF in {octets[:200]!r}"

    def run(self):
        try:
            self.converse()
        except Ended as ended:
            self.end = str(ended)
        except Exception:
            self.end, self.error = "error", traceback.format_exc()
        finally:
            self.socket.close()


class HostileServer:
    def __init__(self, answers=None, extensions=(), address="127.0.0.1", port=0, bare=False,
                 small=False, tls=None, implicit=False, secure=None, logins=None, lmtp=False,
                 path=None):
        self.tls, self.implicit, self.logins = tls, implicit, logins or {}
        self.secure = extensions if secure is None else secure
        self.answers, self.extensions, self.bare = answers or {}, extensions, bare
        self.sessions, self.threads = [], []
        self.stopping = False
        self.lmtp, self.path = lmtp, path
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            path.chmod(0o666)
            self.listener.listen(64)
        else:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self.listener = socket.create_server((address, port), family=family, backlog=64)
        if small:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.listener.settimeout(0.1)
        self.port = None if path else self.listener.getsockname()[1]
        self.acceptor = threading.Thread(target=self.accept)

    def answers_of(self, number):
        if isinstance(self.answers, list):
            return self.answers[min(number, len(self.answers) - 1)]
        return self.answers

    def accept(self):
        while not self.stopping:
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                continue
            connection.setblocking(True)
            session = Session(self, connection, len(self.sessions))
            self.sessions.append(session)
            thread = threading.Thread(target=session.run)
            self.threads.append(thread)
            thread.start()

    def __enter__(self):
        self.acceptor.start()
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind is None:
            assert not self.errors, "\n".join(self.errors)

    def stop(self):
        self.stopping = True
        self.acceptor.join()
        self.listener.close()
        for thread in self.threads:
            thread.join()

    def wait(self):
        """Waits until every connection so far has ended."""
        for thread in list(self.threads):
            thread.join(PATIENCE + 10)
            assert not thread.is_alive()

    @property
    def commands(self):
        return [line for session in self.sessions for line in session.commands]

    @property
    def messages(self):
        return [message for session in self.sessions for message in session.messages]

    @property
    def served(self):
        return [recipient for session in self.sessions for recipient in session.served]

    @property
    def errors(self):
        return [session.error for session in self.sessions if session.error]
