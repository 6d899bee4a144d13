"""Connections of ekiden-remote that are kept for more mail: how many a server sees, and that no
message is lost, doubled or counted as a failure because of it."""

import os
import re
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import authority
import pytest
from hostile_server import CLOSE, SILENCE, HostileServer, pause
from instance import DOMAIN, wait_for
from remote import HOST, MESSAGE, Remote, queue_file, run_as
from tls_service import Service, context

ONE, TWO = "127.0.0.2", "127.0.0.3"
WIRE = MESSAGE.replace(b"\n", b"\r\n")
QUEUED, BYE = "250 2.0.0 queued", "421 4.3.2 enough"


@pytest.fixture
def folder(scratch):
    path = Path(tempfile.mkdtemp(prefix="reuse-", dir=scratch))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def message(folder, build):
    return queue_file(folder, build)


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def remote(stack, folder, build):
    remote = Remote(folder, build, timeoutremote="60")
    stack.callback(remote.kill)
    return remote


@pytest.fixture
def serve(stack):
    """serve(ANSWERS, EXTENSIONS, ...) -> a server on ONE."""
    return lambda *arguments, **options: stack.enter_context(
        HostileServer(*arguments, **{"address": ONE, **options}))


class Sender:
    """Gives jobs to REMOTE, one when the one before is done."""

    def __init__(self, remote, message):
        self.remote, self.message, self.number = remote, message, 0

    def __call__(self, server, recipients=("a@x.test",), host=ONE, **options):
        """The answers, in order of the recipients."""
        numbers = range(self.number, self.number + len(recipients))
        self.number += len(recipients)
        self.remote.give(host, dict(zip(numbers, recipients)), self.message,
                         **{"port": server.port, "way": "host", **options})
        answers = self.remote.answers(len(recipients))
        return [answers[number] for number in numbers]

    def letters(self, count, server, **options):
        return "".join(self(server, **options)[0][0] for _ in range(count))


@pytest.fixture
def send(remote, message):
    return Sender(remote.start(), message)


def stages(session):
    """What a server heard, a word for each command."""
    return " ".join(line.split(b" ")[0].split(b":")[0].decode() for line in session.commands)


def taken(server):
    """Without what ends a DATA that came along with recipients who were all refused."""
    return [message for message in server.messages if message]


def held(hold, reply):
    """REPLY, once HOLD is not empty."""
    return (lambda _: wait_for(lambda: hold, what="the test") and None, reply)


def open_files(remote):
    """Those of the one process, sockets apart. An idle one has no message any more."""
    (child,) = remote.children()
    paths = [os.readlink(f"/proc/{child}/fd/{name}") for name in os.listdir(f"/proc/{child}/fd")]
    return [path for path in paths if not path.startswith("socket:")]


def gone(remote):
    wait_for(lambda: not remote.children(), what="the end of all deliveries")


MAIL = "MAIL RCPT DATA"

# --- one connection for many ---


@pytest.mark.parametrize("extensions", [(), ["PIPELINING"]])
def test_one_connection_takes_many_messages(send, remote, serve, extensions):
    server = serve({}, extensions)
    assert send.letters(20, server) == "K" * 20
    (session,) = server.sessions
    assert remote.end() == 0
    server.wait()
    assert server.messages == [WIRE] * 20
    assert stages(session) == " ".join(["EHLO", *[MAIL] * 20, "QUIT"])
    attempts = remote.events("remote-attempt")
    assert [int(event["transaction"]) for event in attempts] == list(range(1, 21))


def test_each_has_its_own_envelope_and_result(send, serve):
    server = serve({"RCPT": [QUEUED, "550 5.1.1 nobody", QUEUED], "message": [QUEUED, "554 5.6.0 spam"]})
    (first, second), (third,) = send(server, ["a@x.test", "b@x.test"]), send(server, ["c@x.test"],
                                                                             sender="eve@y.test")
    assert first[0] == "K" and second[0] == "D" and "550 5.1.1 nobody" in second[1]
    assert third[0] == "D" and f"[{ONE}]:{server.port} said: 554 5.6.0 spam" in third[1]
    (session,) = server.sessions
    assert b"MAIL FROM:<eve@y.test>" in session.commands and session.served == ["a@x.test"]


def test_chunks(send, serve):
    server = serve({}, ["CHUNKING"])
    assert send.letters(5, server) == "K" * 5
    assert stages(server.sessions[0]).startswith("EHLO MAIL RCPT BDAT" + f" {MAIL}" * 4)
    assert server.messages == [WIRE] * 5


@pytest.mark.parametrize("extensions", [(), ["CHUNKING"], ["PIPELINING", "CHUNKING"]], ids=" ".join)
def test_an_answer_too_many_is_none_to_the_next(send, serve, extensions):
    """It comes when the next transaction has begun: the answer to RCPT is not the one to the message."""
    server = serve({"MAIL": [QUEUED, (QUEUED, pause(0.3), QUEUED), QUEUED],
                    "RCPT": [QUEUED, (pause(0.3), QUEUED), QUEUED],
                    "message": [QUEUED, (pause(0.3), "554 5.7.1 spam")]}, extensions)  # fmt: skip
    assert send.letters(2, server) == "KK"
    assert len(server.sessions) == 2
    wait_for(lambda: len(server.served) == 2, what="both, taken")


@pytest.mark.parametrize("extensions", [(), ["PIPELINING"], ["CHUNKING"], ["PIPELINING", "CHUNKING"]],
                         ids=" ".join)  # fmt: skip
@pytest.mark.parametrize("surplus", ["", "250 ok", (pause(0.3), "250 ok"), (pause(0.3), "550 no")],
                         ids=["none", "at once", "late", "late refusal"])  # fmt: skip
def test_lmtp(folder, send, serve, extensions, surplus):
    """An answer too many (case I23) is never one to the next message."""
    end = ("250 taken\r\n450 4.2.2 full", *([surplus] if isinstance(surplus, str) else surplus))
    server = serve({"message": end if surplus else "250 taken\r\n550 5.2.2 full"}, extensions,
                   lmtp=True, path=folder / "lmtp")  # fmt: skip
    server.port = 0
    for _ in range(4):
        (first, _), (second, _) = send(server, ["a@x.test", "b@x.test"], host=str(folder / "lmtp"),
                                       way="lmtp")  # fmt: skip
        assert first == "K" and second in "ZD"
    assert server.messages == [WIRE] * 4
    assert bool(surplus) or len(server.sessions) == 1


def test_two_at_once_stay_two(send, remote, message, serve):
    server = serve()
    for number in (1000, 1001):
        remote.give(ONE, {number: "x@x.test"}, message, server.port, "host")
    assert {letter for letter, _ in remote.answers(2).values()} == {"K"}
    assert send.letters(10, server) == "K" * 10
    assert len(server.sessions) <= 2 and len(server.messages) == 12


# --- servers that have their own idea of it ---


@pytest.mark.parametrize("end", [
    {"message": ("250 ok", CLOSE)},  # at once, and the next message may find out
    {"message": ("250 ok", BYE, CLOSE)},
    {"message": ["250 ok"], "MAIL": ["250 ok", BYE]},
    {"message": ["250 ok"], "MAIL": ["250 ok", (BYE, CLOSE)]},
    {"message": ["250 ok"], "MAIL": ["250 ok", CLOSE]},
    {"message": ["250 ok"], "MAIL": ["250 ok", "452 4.5.3 one message is enough"]},
    {"message": ["250 ok"], "MAIL": ["250 ok", "503 5.5.1 one message is enough"]},
    {"message": ["250 ok"], "MAIL": ["250 ok", "garbage"]},
    {"message": ["250 ok"], "RCPT": ["250 ok", "452 4.5.3 too many recipients"]},
    {"message": ["250 ok"], "RCPT": ["250 ok", CLOSE]},
    {"message": ["250 ok"], "RCPT": ["250 ok", BYE]},
    {"message": ["250 ok"], "DATA": ["354 go", "451 4.3.0 no more of that"]},
    {"message": ["250 ok"], "DATA": ["354 go", (BYE, CLOSE)]},
])  # fmt: skip
@pytest.mark.parametrize("extensions", [(), ["PIPELINING"]])
def test_a_server_takes_one_message_a_connection(send, remote, serve, end, extensions):
    """Whatever it does before the second one's final dot: nobody hears of it."""
    server = serve(end, extensions)
    assert send.letters(4, server) == "KKKK"
    assert taken(server) == [WIRE] * 4 and len(server.sessions) == 4
    assert {event["result"] for event in remote.events("remote-attempt")} <= {"settled", "stale"}


@pytest.mark.parametrize("end", [CLOSE, (BYE, CLOSE), "452 4.3.1 full"])
def test_a_server_breaks_off_in_a_message(remote, build, serve, scratch, end):
    """One that is large enough to be on its way then."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        message = queue_file(folder, build, MESSAGE + (b"y" * 70 + b"\n") * 60000)
        server = serve({"body": [None, end]}, small=True)
        assert Sender(remote.start(), message).letters(2, server) == "KK"
        assert len(server.sessions) == 2 and len(server.messages) == 2


def test_a_server_takes_five_messages_a_connection(send, serve):
    server = serve({"MAIL": [*["250 ok"] * 5, (BYE, CLOSE)]})
    assert send.letters(20, server) == "K" * 20
    assert server.messages == [WIRE] * 20
    assert [len(session.messages) for session in server.sessions] == [5, 5, 5, 5]


def test_what_is_lost_behind_the_final_dot_is_not_sent_again(send, serve):
    """It may have been taken, over a connection that was used before as over any other."""
    server = serve({"message": ["250 ok", CLOSE]})
    assert send.letters(2, server) == "KZ"
    assert len(server.messages) == 2 and len(server.sessions) == 1


def test_a_server_that_cannot_be_reached_again(send, remote, serve):
    server = serve([{"MAIL": ["250 ok", CLOSE]}, {"greeting": "554 5.3.2 no more"}])
    assert send.letters(2, server) == "KN"
    assert len(server.sessions) == 2


@pytest.mark.root  # to its own user the process is closed
def test_a_refusal_for_good_stays_one(send, remote, serve):
    """5xx to RCPT is about the recipient, and needs no other connection."""
    server = serve({"RCPT": ["250 ok", "550 5.1.1 nobody"]})
    assert send.letters(2, server) == "KD"
    (session,) = server.sessions
    # one that has not heard the answer to RSET yet would be passed over
    wait_for(lambda: open_files(remote) == [str(remote.log_path)], what="an idle process")
    assert send.letters(1, server) == "D" and len(server.sessions) == 1
    assert stages(session).startswith(f"EHLO {MAIL} MAIL RCPT RSET MAIL RCPT")


def test_mail_that_is_put_off_takes_its_own_connections(send, serve):
    """What is said to one message must not be about the one before."""
    server = serve({"RCPT": "450 4.2.0 greylisted"})
    assert send.letters(3, server) == "ZZZ"
    assert [stages(session).split().count("MAIL") for session in server.sessions] == [1, 1, 1]


@pytest.mark.parametrize("answer", [SILENCE, CLOSE, BYE, "502 5.5.1 RSET?"])
def test_a_server_that_does_not_reset(send, remote, serve, answer):
    """Results are there before RSET, and the next message does not wait for it."""
    server = serve({"RCPT": ["550 5.1.1 nobody", "250 ok"], "RSET": answer})
    began = time.monotonic()
    assert send.letters(1, server) == "D"
    assert time.monotonic() - began < 4, "RSET has five seconds"
    server.answers = {}
    assert send.letters(1, server) == "K" and len(server.sessions) == 2


def test_a_connection_that_is_dropped_while_it_is_idle(send, remote, serve):
    """It does not take up a place until the next message finds out."""
    server = serve({"message": ("250 ok", lambda session: session.linger(0.3), CLOSE)})
    assert send.letters(1, server) == "K"
    gone(remote)
    server.wait()
    assert [session.end for session in server.sessions] == ["server"]
    assert stages(server.sessions[0]) == f"EHLO {MAIL}", "no QUIT where nobody listens"
    assert send.letters(1, server) == "K"
    assert not remote.events("remote-ended")


# --- bounds ---


def test_idle_connections_end_soon(send, remote, serve):
    server = serve()
    assert send.letters(1, server) == "K"
    began = time.monotonic()
    time.sleep(1)
    assert send.letters(1, server) == "K" and len(server.sessions) == 1, "a second is not long"
    gone(remote)
    assert 2 < time.monotonic() - began < 60
    server.wait()
    assert stages(server.sessions[0]) == f"EHLO {MAIL} {MAIL} QUIT"
    assert not remote.events("remote-ended")


@pytest.mark.parametrize("limit, messages", [("1", [1] * 7), ("1 300", [1] * 7), ("3", [3, 3, 1]),
                                             ("3\t60", [3, 3, 1])])
def test_reuselimit_messages(remote, message, serve, limit, messages):
    server = serve()
    remote.set("reuselimit", limit)
    assert Sender(remote.start(), message).letters(7, server) == "K" * 7
    assert [len(session.messages) for session in server.sessions] == messages
    full = server.sessions[:-1]
    wait_for(lambda: all(session.end for session in full), what="the end of those that are full")
    assert all(stages(session).endswith(" QUIT") for session in full)


def test_reuselimit_seconds(remote, message, serve):
    server = serve()
    remote.set("reuselimit", "100 1")
    send = Sender(remote.start(), message)
    assert send.letters(1, server) == "K"
    (first,) = server.sessions
    wait_for(lambda: first.end, what="the end of the first connection")
    assert send.letters(1, server) == "K" and len(server.sessions) == 2


@pytest.mark.parametrize("text", ["0", "many", "5 0", "5 5 5", "100001", "1 86401", "5\n5", "-1"])
def test_reuselimit_that_is_none(remote, text):
    remote.set("reuselimit", text)
    assert remote.start().process.wait(60) == 111
    assert re.search(r"reuselimit:[12]: expected one line MESSAGES SECONDS", remote.log())


def test_new_settings_count_for_the_next_message(send, remote, serve):
    server = serve()
    assert send.letters(1, server) == "K"
    remote.set("helohost", "new.test")
    wait_for(lambda: remote.events("settings-loaded"), what="the new settings")
    assert send.letters(1, server) == "K"
    assert [session.commands[0] for session in server.sessions] == [
        f"EHLO {HOST}".encode(), b"EHLO new.test"]
    wait_for(lambda: server.sessions[0].end, what="the end of the first connection")
    assert stages(server.sessions[0]).endswith(" QUIT")


def test_new_settings_count_behind_a_transaction_that_began_before(send, remote, message, serve):
    hold = []
    server = serve([{"DATA": held(hold, "354 go")}, {}])
    remote.give(ONE, {1000: "a@x.test"}, message, server.port, "host")
    wait_for(lambda: server.sessions and b"DATA" in server.sessions[0].commands, what="DATA")
    remote.set("helohost", "new.test")
    wait_for(lambda: remote.events("settings-loaded"), what="the new settings")
    hold.append(True)
    assert remote.answers(1)[1000][0] == "K"
    assert send.letters(1, server) == "K"
    assert [len(session.messages) for session in server.sessions] == [1, 1]


@pytest.mark.parametrize("by_signal", [True, False])
def test_the_master_ends(send, remote, message, serve, by_signal):
    """Idle connections end in good order; when the scheduler is gone, others at once."""
    server, silent = serve(), serve({"connect": SILENCE}, address=TWO)
    assert send.letters(1, server) == "K"
    if by_signal:
        os.kill(remote.process.pid, signal.SIGTERM)
        assert remote.process.wait(60) == 0
    else:
        remote.give(TWO, {1000: "a@x.test"}, message, silent.port, "host")
        wait_for(lambda: silent.sessions, what="a connection")
        assert remote.end() == 0
        silent.wait()
    server.wait()
    assert stages(server.sessions[0]).endswith(" QUIT")
    assert not remote.events("remote-ended")


def test_a_process_that_is_killed_while_it_is_idle(send, remote, serve):
    server = serve()
    assert send.letters(1, server) == "K"
    (child,) = remote.children()
    os.kill(child, signal.SIGKILL)
    gone(remote)
    assert send.letters(1, server) == "K"


# --- who shares ---


@pytest.mark.parametrize("other", [{"flags": "C"}, {"level": "none"}, {"host": TWO},
                                   {"way": "mx", "host": f"[{ONE}]"}])
def test_another_way_is_another_connection(send, serve, other):
    server = serve()
    both = serve(address=TWO, port=server.port)
    assert send.letters(1, server) + send.letters(1, server, **other) == "KK"
    assert [len(session.messages) for session in [*server.sessions, *both.sessions]] == [1, 1]
    assert send.letters(1, server) + send.letters(1, server, **other) == "KK"
    assert [len(session.messages) for session in [*server.sessions, *both.sessions]] == [2, 2]


def test_a_login_is_shared_by_its_own_mail_only(remote, message, serve):
    logins = {"ann": "one:two", "eve": "three"}
    remote.set("authroutes", "first:ann:one:two\nsecond:eve:three", mode=0o600)
    server = serve({}, ["AUTH PLAIN"], logins=logins)
    send = Sender(remote.start(), message)
    for _ in range(3):
        for reference in "first", "second", "":
            options = {"auth": reference, "flags": "C"} if reference else {}
            assert send.letters(1, server, level="none", **options) == "K"
    assert [session.login for session in server.sessions] == ["ann", "eve", None]
    assert [len(session.messages) for session in server.sessions] == [3, 3, 3]
    assert stages(server.sessions[0]).split().count("AUTH") == 1


@pytest.mark.root
def test_a_process_keeps_no_message_but_its_own(send, remote, message, serve, folder):
    """The one before is closed before the next one's server hears of it."""
    hold = []
    server = serve({"DATA": ["354 go", held(hold, "354 go")]})
    assert send.letters(1, server) == "K"
    (child,) = remote.children()
    wait_for(lambda: open_files(remote) == [str(remote.log_path)], what="an idle process")
    copy = folder / "copy"
    shutil.copy2(message[0], copy)
    remote.give(ONE, {1000: "a@x.test"}, (copy, *message[1:]), server.port, "host")
    wait_for(lambda: len(server.sessions[0].commands) == 7, what="the second DATA")
    assert sorted(open_files(remote)) == sorted([str(remote.log_path), str(copy)])
    hold.append(True)
    assert remote.answers(1)[1000][0] == "K" and remote.children() == [child]


def test_idle_connections_do_not_pile_up(send, remote, message, serve):
    """More destinations than connections may wait."""
    server = serve()
    hosts = [f"127.0.1.{n}" for n in range(1, 131)]
    everywhere = serve(address="0.0.0.0")
    for number, host in enumerate(hosts):
        remote.give(host, {1000 + number: "a@x.test"}, message, everywhere.port, "host")
    assert {letter for letter, _ in remote.answers(len(hosts)).values()} == {"K"}
    wait_for(lambda: len(remote.children()) <= 100, what="no more than may wait")
    assert send.letters(1, server) == "K"


# --- TLS ---


@pytest.fixture
def tls_remote(request, stack, remote, programs, folder):
    """The agent with ekiden-tls beside it; trusts what authority() signs."""
    if os.geteuid() == 0:
        request.getfixturevalue("service_users")
    root = authority.Authority()
    anchors = folder / "roots.pem"
    anchors.write_bytes(root.root)
    anchors.chmod(0o644)
    remote.set("tlsanchors", str(anchors))
    service = Service(programs, "-c", remote.control)
    stack.callback(service.stop, killed=True)
    number = service.socket.fileno()
    remote.root = root
    stack.callback(remote.kill)  # before the service, which ends with the last one that may ask
    return remote.start(arguments=("-T", str(number)), pass_fds=(number,), **run_as())


@pytest.mark.parametrize("implicit", [False, True])
def test_tls_stays(tls_remote, message, serve, implicit):
    certificates = context([tls_remote.root.issue("mx.good.test")], authority.key())
    server = serve({"MAIL": [*["250 ok"] * 5, (BYE, CLOSE)]}, tls=certificates, implicit=implicit)
    send = Sender(tls_remote, message)
    way = "host-tls" if implicit else "host"
    assert send.letters(8, server, level="encrypt", way=way) == "K" * 8
    assert [len(session.messages) for session in server.sessions] == [5, 3]
    assert all(session.secure for session in server.sessions)
    if not implicit:
        assert all(session.clear_commands[1:] == [b"STARTTLS"] for session in server.sessions)
    assert tls_remote.end() == 0
    server.wait()
    assert stages(server.sessions[1]).endswith(" QUIT")


# --- a whole instance ---


def test_few_connections_for_many_messages(make_instance, serve):
    """Each message is delivered once, over connections that end in all the ways there are."""
    count = 60
    ends = {"message": [*["250 ok"] * 9, ("250 ok", BYE, CLOSE)]}
    server = serve([ends, {"MAIL": [*["250 ok"] * 4, CLOSE]}, {"RCPT": [*["250 ok"] * 7, BYE]},
                    {"DATA": [*["354 go"] * 5, (BYE, CLOSE)]}, ends], ["PIPELINING"])
    instance = make_instance({"smtproutes": f"x.test:{ONE}:{server.port}\n",
                              "relayclients": "127.0.0.1\n"})
    with instance.session() as client:
        for number in range(count):
            text = f"Subject: {number}.\n\nhello\n".encode()
            assert client.deliver(f"alice@{DOMAIN}", [f"r{number}@x.test"], text).code == 250
        client.quit()
    instance.wait_for_empty_queue()
    heard = sorted(int(re.search(rb"Subject: (\d+)\.", text)[1]) for text in taken(server))
    assert heard == list(range(count))
    assert len(server.sessions) <= count / 2  # how many depends on what waits at the same time
    results = [event["result"] for event in instance.log()
               if event["program"] == "ekiden-send" and event.get("event") == "delivery"]
    assert results == ["delivered"] * count, "nothing was put off"
