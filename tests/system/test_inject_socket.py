"""The injector's socket, against programs that want it ill: limits, deadlines, broken protocol."""

import array
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import oracle
import pytest
from conftest import IS_ROOT
from instance import PATIENCE, Process, wait_for

OPEN, COMMIT, ABORT, LIST = b"\x01", b"\x02", b"\x04", b"\x20"
OPEN_COMMIT = b"\x03"
ENVELOPE = b"Fx@y.example\0Talice@demo.example\0\0"
OK, TOO_LONG, REFUSED, TOO_LARGE, LOOP, BUSY, MALFORMED = 0, 11, 31, 34, 35, 71, 91
FIRST, SECOND = 47116, 47117  # users of their own, without limits on anything else
QUIET = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
PER_USER, ALL = 20, 160  # inject_limits.h: INJECT_PER_USER; INJECT_CONNECTIONS without the reserve


class Peer:
    """A connection to the injector, by a user of this machine."""

    def __init__(self, path, uid=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        if uid is not None and IS_ROOT:
            os.seteuid(uid)  # what SO_PEERCRED will say is decided by connect()
        try:
            self.socket.connect(str(path))
        finally:
            if uid is not None and IS_ROOT:
                os.seteuid(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *pieces):
        self.socket.send(b"".join(pieces))

    def receive(self):
        """One packet; empty when the injector has closed the connection."""
        while True:
            try:
                return self.socket.recv(1 << 17)
            except ConnectionResetError:  # it left what we sent unread; its own words come first
                continue

    def welcome(self):
        assert re.fullmatch(rb"N[0-9a-z]{20}", self.receive())
        return self

    def status(self):
        packet = self.receive()
        assert packet[:1] == b"S" and len(packet) in (2, 22), packet
        return packet[1]

    def submit(self, message=b"Subject: x\n\nx\n", envelope=ENVELOPE):
        """Returns the status of a message that is handed in as the protocol wants it."""
        stream = envelope + message
        self.send(OPEN, stream[:50_000])
        for at in range(50_000, len(stream), 50_000):
            self.send(b"\0", stream[at : at + 50_000])
        self.send(COMMIT)
        return self.status()


class Injector:
    """ekiden-queue at a socket, with nobody behind it: what it takes stays in new/."""

    def __init__(self, folder, programs, control):
        self.folder, self.programs = folder, programs
        self.path = folder / "inject"
        self.log = folder / "log"
        for name in ("control", "queue", "queue/new"):
            (folder / name).mkdir(mode=0o755)
            if IS_ROOT:
                os.chown(folder / name, 65534, 65534)
        for name, text in control.items():
            (folder / "control" / name).write_text(text)
        self.process = self.start()

    def start(self):
        """As root it drops to its own user; the queue's folders are then made by it."""
        command = [self.programs / "ekiden-queue", "-C", self.folder / "control"]
        command += ["-Q", self.folder / "queue", "-l", self.path]
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if IS_ROOT else []
        os.chmod(self.folder, 0o777)
        with open(self.log, "ab") as log:
            process = subprocess.Popen([*drop, *map(str, command)], stderr=log, env=QUIET)
        wait_for(lambda: b"event=listening" in self.log.read_bytes(), what="the injector")
        return process

    def peer(self, uid=FIRST):
        return Peer(self.path, uid)

    def queued(self):
        return sorted((self.folder / "queue" / "new").iterdir())

    def sessions(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [Process(int(pid)) for pid in children.split()]

    def log_text(self):
        return self.log.read_bytes().decode("latin-1")

    expected_signals = False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        oracle.check_log(self)
        return code


@pytest.fixture
def make_injector(scratch, programs):
    made = []

    def make(**control):
        folder = Path(tempfile.mkdtemp(dir=scratch))
        made.append(Injector(folder, programs, control))
        return made[-1]

    yield make
    for injector in made:
        try:
            if injector.process.poll() is None:
                assert injector.stop() == 0
        finally:
            injector.process.kill()


@pytest.fixture
def injector(make_injector):
    return make_injector()


def test_the_socket_is_everybodys(injector):
    status = injector.path.lstat()
    assert stat.S_ISSOCK(status.st_mode) and status.st_mode & 0o777 == 0o666
    with injector.peer().welcome() as peer:
        assert peer.submit() == OK
        assert peer.submit(b"Subject: y\n\ny\n" * 20_000) == OK
    first, second = injector.queued()
    uid = FIRST if IS_ROOT else os.getuid()
    for path in (first, second):
        assert f"invoked by uid {uid});\n ".encode() in path.read_bytes()
        assert path.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    "packets",
    [
        [b"\0garbage"],
        [b"\xff"],
        [COMMIT],
        [ABORT],
        [OPEN + ENVELOPE, OPEN + ENVELOPE],
        [OPEN + ENVELOPE, LIST],
        [LIST + b"more"],
        [OPEN + ENVELOPE + b"x", COMMIT, COMMIT],
        [OPEN + ENVELOPE, b"x" * 70_000],
    ],
)
def test_who_breaks_the_protocol_is_left(injector, packets):
    with injector.peer().welcome() as peer:
        for packet in packets:
            try:
                peer.send(packet)
            except BrokenPipeError:
                break
        while answer := peer.receive():
            assert answer[:1] in (b"S", b"N")
    wait_for(lambda: not injector.sessions(), what="the end of the session")
    for path in injector.queued():
        assert b"\nend " in path.read_bytes()  # the one whose commit was answered


@pytest.mark.parametrize(
    "envelope, status",
    [
        (b"Fa\0Tb\n@c\0\0", MALFORMED),
        (b"Fa\0T\x7f@c\0\0", MALFORMED),
        (b"Fa\n\0Tb@c\0\0", MALFORMED),
        (b"Fa\0\0", MALFORMED),
        (b"Tb@c\0\0", MALFORMED),
        (b"Fa\0T" + b"x" * 1004 + b"\0\0", TOO_LONG),
        (b"Fa\0Tb@c\0", MALFORMED),  # its end does not come before the commit
        (b"", MALFORMED),
    ],
)
def test_envelopes_that_cannot_be(injector, envelope, status):
    """A NUL cannot be in an address: it ends one. Nothing stays of such a message."""
    with injector.peer().welcome() as peer:
        peer.send(OPEN_COMMIT, envelope)
        assert peer.status() == status
        assert not injector.queued()
        assert peer.submit() == OK  # the next one


def test_half_a_message_leaves_nothing(injector):
    with injector.peer().welcome() as peer:
        peer.send(OPEN, ENVELOPE, b"Subject: half\n\n" + b"x" * 40_000)
        wait_for(injector.queued, what="the file of the message")
    wait_for(lambda: not injector.queued(), what="that it is gone")


def test_descriptors_are_not_taken(injector):
    with injector.peer().welcome() as peer, open("/dev/null") as null:
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()]))]
        peer.socket.sendmsg([OPEN + ENVELOPE], passed)
        assert peer.receive() == b""
    assert not injector.queued()


def test_more_than_databytes(make_injector):
    injector = make_injector(databytes="100000\n")
    with injector.peer().welcome() as peer:
        assert peer.submit(b"x\n" * 50_001) == TOO_LARGE
        assert peer.submit(b"x\n" * 50_000) == OK
    assert len(injector.queued()) == 1


def test_a_loop_ends(injector):
    with injector.peer().welcome() as peer:
        assert peer.submit(b"Received: x\n" * 99 + b"\nx\n") == OK
        assert peer.submit(b"Received: x\n" * 100 + b"\nx\n") == LOOP


@pytest.mark.root
def test_messages_an_hour(make_injector):
    """Each user has a budget; whom it is not meant for has none."""
    injector = make_injector(injectmessages="3\n")
    with injector.peer().welcome() as peer:
        assert [peer.submit() for _ in range(4)] == [OK] * 3 + [BUSY]
    with injector.peer().welcome() as again:  # not a matter of connections
        assert again.submit() == BUSY
    with injector.peer(SECOND).welcome() as other:
        assert other.submit() == OK
    with injector.peer(0).welcome() as root:
        assert {root.submit() for _ in range(10)} == {OK}
    assert len(injector.queued()) == 14


@pytest.mark.root
def test_recipients_an_hour(make_injector):
    injector = make_injector(injectrecipients="10\n")
    eight = b"Fx\0" + b"Ta@b\0" * 8 + b"\0"
    with injector.peer().welcome() as peer:
        assert peer.submit(envelope=b"Fx\0" + b"Ta@b\0" * 11 + b"\0") == TOO_LONG
        assert peer.submit(envelope=eight) == OK
        assert peer.submit(envelope=eight) == BUSY
    with injector.peer(SECOND).welcome() as other:
        assert other.submit(envelope=eight) == OK


@pytest.mark.root
def test_a_new_budget_holds_at_once(make_injector):
    """Settings are loaded anew; a malformed file changes nothing."""
    injector = make_injector(injectmessages="1\n")
    file = injector.folder / "control" / "injectmessages"
    with injector.peer().welcome() as peer:
        assert [peer.submit(), peer.submit()] == [OK, BUSY]
    file.write_text("many\n")
    wait_for(lambda: "injectmessages:1: expected" in injector.log_text(), what="the complaint")
    with injector.peer().welcome() as peer:
        assert peer.submit() == BUSY
    file.write_text("0\n")
    wait_for(lambda: "event=configuration-loaded" in injector.log_text(), what="the new setting")
    with injector.peer().welcome() as peer:
        assert [peer.submit(), peer.submit()] == [OK, OK]


@pytest.mark.root
def test_a_thousand_connections_of_one_user(injector):
    """So many are served at once, the others are told so; another user is served meanwhile."""
    peers = [injector.peer() for _ in range(1000)]
    try:
        first = [peer.receive() for peer in peers]
        served = [peer for peer, word in zip(peers, first, strict=True) if word[:1] == b"N"]
        assert len(served) == PER_USER
        assert first.count(bytes([ord("S"), BUSY])) == 1000 - PER_USER
        with injector.peer(SECOND).welcome() as other:
            assert other.submit() == OK
        assert served[0].submit() == OK
        wait_for(lambda: len(injector.sessions()) == PER_USER, what="the end of the other's session")
    finally:
        for peer in peers:
            peer.socket.close()
    wait_for(lambda: not injector.sessions(), what="the end of the sessions")
    with injector.peer().welcome() as peer:
        assert peer.submit() == OK


@pytest.mark.root
def test_a_program_waits_for_a_place(injector):
    """ekiden-inject does not give up at once where its user has too many connections."""
    peers = [injector.peer().welcome() for _ in range(PER_USER)]
    (injector.folder / "control" / "me").write_text("demo.example\n")
    command = ["setpriv", f"--reuid={FIRST}", f"--regid={FIRST}", "--clear-groups"]
    command += [injector.programs / "ekiden-inject", "-C", injector.folder / "control"]
    sender = subprocess.Popen(
        [*map(str, command), "-i", str(injector.path), "alice"], stdin=subprocess.DEVNULL, env=QUIET
    )
    wait_for(lambda: "event=connection-refused" in injector.log_text(), what="that it is refused")
    assert not injector.queued()
    for peer in peers:
        peer.socket.close()
    assert sender.wait(PATIENCE) == 0
    assert len(injector.queued()) == 1


@pytest.mark.root
def test_many_users_leave_a_place_for_root(injector):
    peers = [injector.peer(FIRST + at // PER_USER) for at in range(ALL)]
    try:
        for peer in peers:
            peer.welcome()
        with injector.peer(FIRST + 1000) as late:
            assert late.status() == BUSY
        with injector.peer(0).welcome() as root:
            assert root.submit() == OK
    finally:
        for peer in peers:
            peer.socket.close()


def test_the_end_waits_for_a_message_and_for_nothing_else(injector):
    with injector.peer().welcome() as idle, injector.peer().welcome() as busy:
        busy.send(OPEN, ENVELOPE, b"Subject: x\n\n")
        wait_for(injector.queued, what="the file of the message")
        injector.process.send_signal(signal.SIGTERM)
        assert idle.receive() == b""
        busy.send(COMMIT, b"x\n")
        assert busy.status() == OK
        assert busy.receive() == b""
    assert injector.process.wait(PATIENCE) == 0
    assert len(injector.queued()) == 1


def test_a_message_that_never_ends_does_not_hold_up_the_end(injector):
    with injector.peer().welcome() as peer:
        peer.send(OPEN, ENVELOPE, b"Subject: x\n\n")
        wait_for(injector.queued, what="the file of the message")
        assert injector.stop() == 0
        assert peer.receive() == b""


def test_one_server_at_a_socket(injector, tmp_path):
    """A second one is refused its path, and so is what is no socket; a stale socket is replaced."""
    command = [injector.programs / "ekiden-queue", "-C", injector.folder / "control"]
    command = [*map(str, command), "-Q", str(injector.folder / "queue"), "-l"]
    for path in (injector.path, injector.log):
        done = subprocess.run([*command, path], capture_output=True, timeout=PATIENCE)
        assert done.returncode == 111 and b"Address already in use" in done.stderr
    assert injector.stop() == 0
    assert injector.path.is_socket()
    injector.log.write_bytes(b"")
    injector.process = injector.start()
    with injector.peer().welcome() as peer:
        assert peer.submit() == OK


def test_one_connection_as_descriptor_0(injector):
    """systemd's Accept=yes: the process serves it and ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [injector.programs / "ekiden-queue", "-C", injector.folder / "control"]
    command = [*map(str, command), "-Q", str(injector.folder / "queue")]
    process = subprocess.Popen(command, stdin=theirs, env=QUIET)
    theirs.close()
    peer = Peer.__new__(Peer)
    peer.socket = ours
    ours.settimeout(PATIENCE)
    with peer.welcome():
        assert peer.submit() == OK
    assert process.wait(PATIENCE) == 0
    (path,) = injector.queued()
    assert f"invoked by uid {os.getuid()});".encode() in path.read_bytes()


def test_sessions_are_fenced(injector, sanitized):
    with injector.peer().welcome():
        (session,) = injector.sessions()
        for process in (session, Process(injector.process.pid)):
            assert process.status("NoNewPrivs") == "1"
            assert process.uid != 0
            assert int(process.status("CapEff"), 16) == 0
            assert sanitized or process.status("Seccomp") == "2"


def mailq(injector, folder, uid):
    name = folder / "mailq"
    if not name.is_symlink():
        name.symlink_to(injector.programs / "sendmail")
    drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if IS_ROOT else []
    more = {**QUIET, "EKIDEN_INJECT": str(injector.path)}
    return subprocess.run([*drop, str(name)], capture_output=True, env=more, timeout=PATIENCE)


def test_the_list_of_the_queue(injector, scratch):
    """For root and who serves; with nothing in it that a terminal would obey."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    folder.chmod(0o755)
    assert mailq(injector, folder, 0).stdout == b"The queue is empty.\n"
    with injector.peer().welcome() as peer:
        envelope = b"F\xc2\x9b2J \xc3\xbc@y.example\0" + b"Ta b\\@x.example\0" * 3000 + b"\0"
        assert peer.submit(envelope=envelope) == OK
        assert peer.submit() == OK
    done = mailq(injector, folder, 0)
    assert done.returncode == 0
    assert all(byte == 10 or 32 <= byte < 127 for byte in done.stdout)
    text = done.stdout.decode()
    assert text.count("\n    a\\x20b\\x5c@x.example\n") >= 1
    assert text.count("a\\x20b\\x5c@x.example") == 3000
    assert "<\\xc2\\x9b2J\\x20\\xc3\\xbc@y.example>  new\n" in text
    assert "<x@y.example>  new\n    alice@demo.example\n" in text
    assert re.search(r"\n2 messages, \d+ bytes\.\n$", text)
    if IS_ROOT:
        refused = mailq(injector, folder, FIRST)
        assert refused.returncode == 77 and refused.stdout == b""
        assert mailq(injector, folder, 65534).stdout == done.stdout
