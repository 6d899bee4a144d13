"""ekiden-remote and what a server can do to it (attack cases I01-I04, I10, I12-I15, I18, I19, G15).

Each run is ekiden-remote with the arguments of qmail-remote, in little memory.
"""

import hashlib
import os
import random
import re
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile_server import CLOSE, RESET, SILENCE, HostileServer, drip, flood, pause
from name_server import NameServer

MESSAGE = b"Subject: x\n\n.dot\nlast"
BIG = b"Subject: x\n\n" + (b"x" * 70 + b"\n") * ((8 << 20) // 71)  # more than the kernel's buffers hold
MEMORY = 24 << 20  # octets of address space
LEEWAY = 60  # seconds, for a slow machine
REPORT = re.compile(rb"([rhsKZD])([\x20-\x7e]*)\n\0")  # nothing else may come out
TEXT = re.compile(r"[245]\.\d{1,3}\.\d{1,3} .+")
CLASS = {"r": "2", "h": "5", "s": "4", "K": "2", "D": "5", "Z": "4"}


class Result:
    def __init__(self, output, seconds):
        fields = REPORT.findall(output)
        assert b"".join(b"%s%s\n\0" % field for field in fields) == output, output
        self.seconds = seconds
        self.letters = b"".join(letter for letter, _ in fields).decode()
        self.texts = [text.decode() for _, text in fields]
        for letter, text in zip(self.letters, self.texts):
            assert TEXT.fullmatch(text) and text[0] == CLASS[letter], (letter, text)

    @property
    def recipients(self):
        return self.letters[:-1]

    @property
    def text(self):
        """That of the first recipient."""
        return self.texts[0]


class Remote:
    """Runs ekiden-remote; its timeouts are short."""

    def __init__(self, folder, build, sanitized):
        self.folder, self.sanitized = folder, sanitized
        folder.chmod(0o755)
        self.program = folder / "ekiden-remote"
        shutil.copy2(build / "ekiden-remote", self.program)

    def control(self, route, timeout, nameserver=None):
        """A control folder of one run."""
        control = Path(tempfile.mkdtemp(prefix="control-", dir=self.folder))
        control.chmod(0o755)
        files = {"me": "us.example", "smtproutes": route, "timeoutremote": str(timeout),
                 "nameservers": nameserver or "127.0.0.1:1"}
        for name, text in files.items():
            (control / name).write_text(f"{text}\n")
        return control

    def __call__(self, server, *recipients, sender="s@x.example", message=MESSAGE, timeout=60,
                 route=None, nameserver=None):
        control = self.control(route or f":127.0.0.1:{server.port}", timeout, nameserver)
        limit = [] if self.sanitized else ["prlimit", f"--as={MEMORY}"]
        recipients = recipients or ("a@y.example",)
        command = [*limit, self.program, "-C", control, "y.example", sender, *recipients]
        with tempfile.TemporaryFile() as file:
            file.write(message)
            file.seek(0)
            start = time.monotonic()
            done = subprocess.run(command, stdin=file, capture_output=True, timeout=240)
            seconds = time.monotonic() - start
        assert done.returncode == 0, done.stderr
        assert b"Sanitizer" not in done.stderr and b"runtime error" not in done.stderr, done.stderr
        result = Result(done.stdout, seconds)
        assert len(result.recipients) == len(recipients)
        return result


@pytest.fixture(scope="module")
def remote(scratch, build, sanitized, request):
    if os.geteuid() == 0:
        request.getfixturevalue("service_users")
    return Remote(Path(tempfile.mkdtemp(prefix="remote-", dir=scratch)), build, sanitized)


# --- every stage, every way to go wrong ---

STAGES = ("connect", "greeting", "EHLO", "MAIL", "RCPT", "DATA", "body", "message")


def as_bytes(good):
    return good if isinstance(good, bytes) else good.encode() + b"\r\n"


GOOD = {"connect": b"", "greeting": "220 hi", "DATA": "354 go", "body": b""}
WAYS = {
    "right": lambda good: good,
    "421": lambda good: ("421 4.3.2 closing", CLOSE),
    "4xx": lambda good: "450 4.7.1 not now",
    "5xx": lambda good: "550 5.7.1 never",
    "5xx and gone": lambda good: ("550 5.7.1 never", CLOSE),
    "garbage": lambda good: b"\0\xff\x1b[2J garbage\r\n",
    "bare-code": lambda good: b"25\r\n",
    "354": lambda good: "354 go",
    "silence": lambda good: SILENCE,
    "close": lambda good: CLOSE,
    "reset": lambda good: RESET,
    "half": lambda good: (b"250-ok\r\n25", CLOSE),
    "surplus": lambda good: as_bytes(good) + b"250 and more\r\n",
    "drip": lambda good: drip(b"250-" + b"x" * 3000, 0.05),
}
TIMEOUT = 1  # seconds, of each answer
DEADLINE = 3 * TIMEOUT + 3  # of a session, and QUIT


def expected(stage, way, pipelining):
    """The letter of the recipient."""
    if way == "right":
        return "r"
    if way == "5xx":
        # a server that does not want us at all says nothing about this mail
        return {"connect": "s", "greeting": "s", "EHLO": "r"}.get(stage, "h")
    if way == "5xx and gone":
        # there is nobody left for HELO
        return "s" if stage in ("greeting", "EHLO") else "h"
    if way == "354":
        # in the place of another answer
        return {"DATA": "r"}.get(stage, "s")
    if way == "surplus":
        # after the end of the message all is said
        return "r" if stage == "message" else "s"
    return "s"


CASES = [
    (stage, way, pipelining)
    for stage in STAGES
    for way in WAYS
    for pipelining in (False, True)
    # before the greeting the answers of `connect` are the greeting itself
    if not (stage == "connect" and way not in ("silence", "close", "reset"))
]


def message_of(stage):
    """What is said in the midst of a message needs a midst."""
    return BIG if stage == "body" else MESSAGE


def wire_of(message):
    message += b"" if message.endswith(b"\n") or not message else b"\n"
    return re.sub(rb"(?m)^\.", b"..", message).replace(b"\n", b"\r\n")


@pytest.fixture(scope="module")
def outcomes(remote):
    """Plays all cases, several at once for most of them wait. By case: (result, server)."""

    def play(case):
        stage, way, pipelining = case
        action = WAYS[way](GOOD.get(stage, "250 ok"))
        extensions = ["PIPELINING"] if pipelining else []
        with HostileServer({stage: action}, extensions, small=stage == "body") as server:
            timeout = TIMEOUT if way in ("silence", "drip") else 30
            result = remote(server, timeout=timeout, message=message_of(stage))
            server.wait()
            return result, server

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(CASES, pool.map(play, CASES)))


@pytest.mark.parametrize("stage, way, pipelining", CASES)
def test_stage(outcomes, stage, way, pipelining):
    result, server = outcomes[stage, way, pipelining]
    letter = expected(stage, way, pipelining)
    assert result.recipients == letter, result.texts
    assert result.letters[1] == {"r": "K", "h": "D", "s": "Z"}[letter]
    if way in ("silence", "drip"):
        assert result.seconds < DEADLINE + LEEWAY
    wire = wire_of(message_of(stage))
    # after 354 for nobody there is an empty one
    accepted = [message for session in server.sessions for message in session.accepted if message]
    assert accepted == ([wire] if letter == "r" else [])
    assert "127.0.0.1" in result.text
    assert all(message in (wire, b"") for message in server.messages)


# --- each recipient its own ---


@pytest.mark.parametrize("extensions", [[], ["PIPELINING"]])
def test_mixed_recipients(remote, extensions):
    """I13: each is right, and the report of the message says that it was taken."""
    answers = {"RCPT": ["250 ok", "450 4.2.1 later", "550 5.1.1 no such user", "452 4.5.3 enough",
                        "251 will forward", "551 try <z@z.example>", "552 5.2.2 full"]}
    with HostileServer(answers, extensions) as server:
        result = remote(server, *(f"{name}@y.example" for name in "abcdefg"))
    assert result.letters == "rshsrhsK"
    assert server.messages == [wire_of(MESSAGE)]
    assert not any(b"z.example" in line for line in server.commands)
    assert "said: 550 5.1.1 no such user (RCPT)" in result.texts[2]


def test_thousands_of_recipients(remote):
    """The pipeline is longer than all buffers, and the server reads a command at a time."""
    count = 4000
    recipients = [f"somebody-with-a-longer-name-{number}@y.example" for number in range(count)]
    answers = {"RCPT": lambda session: "550 5.1.1 no" if len(session.commands) % 2 else "250 ok"}
    with HostileServer(answers, ["PIPELINING"]) as server:
        result = remote(server, *recipients)
    assert result.letters == "hr" * (count // 2) + "K"
    assert len(server.messages) == 1


def test_no_recipient_and_354(remote):
    """I12: nothing of the message goes out as commands, nor as a message."""
    with HostileServer({"RCPT": "550 5.1.1 no", "message": "554 none"}, ["PIPELINING"]) as server:
        result = remote(server)
    assert result.letters == "hD"
    assert server.messages == [b""]
    assert server.commands[-1] == b"QUIT"


def test_recipients_without_a_sender(remote):
    """A server that takes recipients and DATA after it refused MAIL gets no empty message."""
    with HostileServer({"MAIL": "451 4.3.0 later"}, ["PIPELINING"]) as server:
        result = remote(server, "a@y.example", "b@y.example")
        server.wait()
    assert result.letters == "ssZ"
    assert server.messages == []


# --- what is too much ---

FLOODS = {
    "endless line": ("greeting", flood(b"220 " + b"x" * 65000, 100 << 20)),
    "endless greeting": ("greeting", flood("220-welcome", 100 << 20)),
    "keywords": ("EHLO", flood("250-X-KEYWORD some text", 100 << 20)),
    "a million lines": ("RCPT", flood("250-more", 1000000 * 10)),
    "no line": ("MAIL", flood(b"\0" * 1000, 100 << 20)),
    "replies": ("MAIL", flood("250 ok", 100 << 20)),
    "in the message": ("body", flood("250 ok", 100 << 20)),
    "after the message": ("message", flood("250-ok", 100 << 20)),
    "after all": ("QUIT", flood("250-ok", 100 << 20)),
}


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("extensions", [[], ["PIPELINING"]])
def test_flood(remote, name, extensions):
    """I02: it is cut off long before its end, in little memory (see Remote), and deferred."""
    stage, action = FLOODS[name]
    with HostileServer({stage: action}, extensions, small=stage == "body") as server:
        result = remote(server, message=message_of(stage))
        server.wait()
    assert result.recipients == ("r" if stage == "QUIT" else "s")
    assert len(server.sessions) == 1 and server.sessions[0].end != "server"
    # what the buffers of both kernels hold, and not much more
    assert server.sessions[0].flooded < 50 << 20


def test_drip_between_messages_ends_with_the_session(remote):
    """I15: each answer is in time, all of them together are not: they would take half a minute."""
    answers = {"RCPT": (pause(0.5), "250 ok")}
    with HostileServer(answers) as server:
        result = remote(server, *(f"a{number}@y.example" for number in range(60)), timeout=2)
        server.wait()
    assert set(result.recipients) == {"s"}
    # on a machine that is too slow for any promise a single answer may have been late
    assert re.search("is too slow|does not answer in time", result.text)
    assert len(server.commands) < 62 and not server.messages


def test_a_server_that_does_not_read(remote):
    """The message has nowhere to go."""
    with HostileServer({"body": lambda session: session.wait_until(lambda: False)},
                       small=True) as server:
        result = remote(server, message=BIG, timeout=1)
    assert result.letters == "sZ"
    assert server.messages == []


# --- another server, or none ---


def two_servers(remote, first, second):
    """Both have the name that the mail goes to, one address each; which is asked first is chance."""
    with HostileServer(first, address="127.0.0.2") as one:
        with HostileServer(second, address="127.0.0.3", port=one.port) as two:
            addresses = {("mx.y.example", "A"): ["127.0.0.2", "127.0.0.3"]}
            with NameServer(addresses) as names:
                result = remote(None, route=f":mx.y.example:{one.port}",
                                nameserver=f"127.0.0.1:{names.port}", timeout=30)
            return result, one, two


@pytest.mark.parametrize("stage, action", [
    ("greeting", ("421 no", CLOSE)), ("greeting", "554 no"), ("greeting", CLOSE),
    ("EHLO", RESET), ("MAIL", ("421 no", CLOSE)), ("RCPT", CLOSE), ("DATA", "250 ok"),
    ("DATA", b"354 go\r\n250 ok\r\n"),
])
def test_the_next_server_gets_it(remote, stage, action):
    """I01, I14: what failed before the final dot goes to the other server, once."""
    asked = []

    def once(session):
        asked.append(session)
        return action if len(asked) == 1 else GOOD.get(stage, "250 ok")

    result, one, two = two_servers(remote, {stage: once}, {stage: once})
    assert result.letters == "rK"
    assert len(asked) == 2
    assert [m for s in (one, two) for x in s.sessions for m in x.accepted] == [wire_of(MESSAGE)]


def test_no_other_server_after_the_final_dot(remote):
    """I10: nobody knows whether the first has it. Deferred, and not doubled now."""
    answers = {"message": CLOSE}
    result, one, two = two_servers(remote, answers, answers)
    assert result.letters == "sZ" and "may have the message" in result.text
    assert len(one.messages + two.messages) == 1


# --- what goes out ---


def test_line_ends_and_dots(remote):
    """The A cases on their way out: none of these ends the message early, no CR or LF is bare."""
    ends = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\r\n.\r\n",
            b"\r\r\n.\r\r\n", b"\n\n.\n\n")
    for end in ends:
        message = b"body" + end + b"MAIL FROM:<evil@x>\r\nRCPT TO:<a@y.example>\r\nDATA\r\nx"
        with HostileServer() as server:  # checks line ends
            assert remote(server, message=message).letters == "rK"
        assert len(server.messages) == 1
        assert server.commands[-1] == b"QUIT" and len(server.commands) == 5
        lines = server.messages[0].split(b"\r\n")
        assert b".." in lines and b"." not in lines


def test_random_messages(remote):
    """G12: what comes out is what went in, whatever the pieces."""
    randomness = random.Random(7)
    for size in (0, 1, 16383, 16384, 16385, 65536, 1000000):
        message = bytes(randomness.choice(b"\n\n..abc\xff\x00") for _ in range(size))
        with HostileServer(extensions=["8BITMIME"]) as server:
            assert remote(server, message=message).letters == "rK"
        assert server.messages == [wire_of(message)]


def test_twenty_megabytes(remote):
    message = b"Subject: large\n\n" + (b"x" * 70 + b"\n") * ((20 << 20) // 71 + 1)
    message = message[: 20 << 20]
    with HostileServer(extensions=["PIPELINING", "SIZE 30000000"]) as server:
        assert remote(server, message=message).letters == "rK"
    wire = wire_of(message)
    assert hashlib.sha256(server.messages[0]).digest() == hashlib.sha256(wire).digest()
    assert b" SIZE=%d" % len(wire) in server.commands[1]


def test_8bit(remote):
    """G15"""
    message = b"Subject: x\n\n\xc3\xa4\n"
    with HostileServer() as server:
        result = remote(server, message=message)
    assert result.letters == "hD" and result.text.startswith("5.6.3 ")
    assert not server.messages
    with HostileServer(extensions=["8BITMIME"]) as server:
        assert remote(server, message=message).letters == "rK"
    assert server.messages == [message.replace(b"\n", b"\r\n")]
    assert b" BODY=8BITMIME" in server.commands[1]


def test_size(remote):
    """I18"""
    with HostileServer(extensions=["SIZE 20"]) as server:
        result = remote(server)
    assert result.letters == "hD" and result.text.startswith("5.3.4 ")
    assert server.commands == [b"EHLO us.example", b"QUIT"]


def test_utf8_address(remote):
    with HostileServer(extensions=["8BITMIME"]) as server:
        result = remote(server, "a@y.example", "ä@y.example")
    assert result.letters == "rhK" and result.texts[1].startswith("5.6.7 ")
    with HostileServer(extensions=["8BITMIME", "SMTPUTF8"]) as server:
        assert remote(server, "a@y.example", "ä@y.example").letters == "rrK"
    assert server.commands[1].endswith(b" SMTPUTF8")


@pytest.mark.parametrize("address", ["x> NOTIFY=NEVER", "x@y.example> SIZE=1", "@y.example",
                                     "x@y..example", "x@[127.0.0.1", "x y@z w"])
def test_no_parameter_is_smuggled(remote, address):
    with HostileServer() as server:
        result = remote(server, "a@y.example", address)
    assert all(re.fullmatch(rb"RCPT TO:<(\"[^\r\n]*\"|[a-z@.]*)(@[a-z.]*)?>", line)
               for line in server.commands if line.startswith(b"RCPT"))
    assert result.recipients[0] == "r"


def test_control_octets_in_texts(remote):
    """L01: Result checks the octets of the report."""
    with HostileServer({"RCPT": b"550 \x1b[2J\x07\x9b\xc3\xa4\0\r\x7f no\r\n"}) as server:
        result = remote(server)
    assert "said: 550 ?[2J??????? no" in result.text
