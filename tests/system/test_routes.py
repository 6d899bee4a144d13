"""smtproutes, tlspolicy and authroutes: which way mail takes, and what is tried when that fails.
What is said on the way is the matter of test_remote_session.py and of the tests of TLS."""

import base64
import contextlib
import itertools
import json
import os
import pwd
import re
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import pytest
from hostile_server import SILENCE, HostileServer
from instance import wait_for
from remote import SENDER, Remote, Sink, queue_file
from scheduler import Scheduler

ONE, TWO = "127.0.0.2", "127.0.0.3"
SECRET = "correct:horse battery"


@pytest.fixture
def folder(scratch):
    path = Path(tempfile.mkdtemp(prefix="routes-", dir=scratch))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def remote(folder, build):
    remote = Remote(folder, build)
    yield remote
    remote.kill()


@pytest.fixture
def closed_port():
    """One of ONE where nobody listens, and nobody can."""
    with socket.socket() as taken:
        taken.bind((ONE, 0))
        yield taken.getsockname()[1]


# --- which way ---


def test_destination_sender_and_everything_else(remote):
    """The domain, its parents, the sender, its domain, the rest."""
    with Sink(ONE, TWO) as sink:
        one, two, none = (f"{host}:{sink.port}" for host in (ONE, TWO, "127.0.0.4"))
        cases = [
            (f":{none}\nx.test:{one}\nann@local.test:{two}", "x.test", SENDER, ONE),
            (f":{none}\n.test:{one}\nann@local.test:{two}", "x.test", SENDER, ONE),
            (f":{none}\nann@local.test:{one}\n@local.test:{two}", "x.test", SENDER, ONE),
            (f":{none}\nann@local.test:{one}\n@local.test:{two}", "x.test", "Ann@Local.Test", ONE),
            (f":{none}\nann@local.test:{one}\n@local.test:{two}", "x.test", "eve@local.test", TWO),
            (f":{one}\n@local.test:{none}", "x.test", "ann@a.local.test", ONE),
            (f":{one}\n@local.test:{none}", "x.test", "", ONE),
            (f":{one}\n@local.test:{none}", "x.test", "#@[]", ONE),
        ]
        for routes, host, sender, taken in cases:
            remote.set("smtproutes", routes)
            assert remote.result(host, sender=sender)[0] == "r", routes
            assert sink.connections[-1] == taken, routes


def test_ipv6_literals_with_ports(remote):
    with Sink("::1") as sink:
        remote.set("smtproutes", f":[::1]:{sink.port}")
        assert remote.result("x.test")[0] == "r"
        assert remote.events("remote-attempt")[-1]["ip"] == "::1"


@pytest.mark.parametrize("line, hint", [
    ("x.test:one,two,three", "two hosts at most"),
    ("x.test:one password", "the options are tls=LEVEL"),
    ("x.test:one tls=always", "tls= takes none, may"),
    ("::25 auth=isp", "needs a HOST"),
    ("ann@:one", "before the colon stands"),
])
def test_a_mistake_is_explained(remote, line, hint):
    remote.set("smtproutes", f"# comment\n{line}")
    _, (letter, text) = remote.send("x.test")
    assert letter == "Z" and "smtproutes" in text
    assert "smtproutes:2: expected DOMAIN:HOST" in remote.log() and hint in remote.log()


# --- the second host ---


def test_second_host_when_nobody_listens_at_the_first(remote, closed_port):
    with Sink(TWO) as sink:
        remote.set("smtproutes", f":{ONE}:{closed_port},{TWO}:{sink.port}")
        assert remote.result("x.test")[0] == "r"
    assert [event["result"] for event in remote.events("remote-attempt")] == ["unreachable",
                                                                              "settled"]


def test_second_host_when_the_first_has_no_address(remote):
    with Sink(TWO) as sink:
        remote.set("nameservers", f"{ONE}:9")  # nobody answers
        remote.set("smtproutes", f":relay.test,{TWO}:{sink.port}")
        assert remote.result("x.test")[0] == "r"


@pytest.mark.parametrize("stage, reply", [
    ("connect", ""), ("greeting", "421 4.3.2 later"), ("greeting", "554 5.3.2 not here"),
    ("EHLO", "421 4.3.2 later"), ("MAIL", "450 4.1.7 later"), ("RCPT", "450 4.2.1 later"),
    ("DATA", "451 4.3.0 later"), ("DATA", ""),
])
def test_second_host_when_the_first_defers(remote, stage, reply):
    script = {ONE: "drop" if stage == "connect" else (stage, reply)}
    with Sink(ONE, TWO, script=script) as sink:
        remote.set("smtproutes", f":{ONE}:{sink.port},{TWO}:{sink.port}")
        assert remote.result("x.test")[0] == "r"
        assert sink.connections == [ONE, TWO]
        assert [message[0] for message in sink.messages] == [TWO]


@pytest.mark.parametrize("stage, reply, letter", [
    ("MAIL", "550 5.7.1 no", "h"), ("RCPT", "550 5.1.1 no", "h"), ("DATA", "554 5.6.0 no", "h"),
    ("dot", "550 5.7.1 spam", "h"),
    ("dot", "450 4.2.0 later", "s"), ("dot", "", "s"),  # the first may have it
])
def test_no_second_host_for_what_the_first_settled(remote, stage, reply, letter):
    with Sink(ONE, TWO, script={ONE: (stage, reply)}) as sink:
        remote.set("smtproutes", f":{ONE}:{sink.port},{TWO}:{sink.port}")
        assert remote.result("x.test")[0] == letter
        assert sink.connections == [ONE]


def test_recipients_that_the_first_refused_stay_refused(remote):
    """The second host gets those that were deferred only."""
    def answer(session):
        return "550 5.1.1 no" if b"bad@" in session.line else "450 4.2.1 later"

    with HostileServer({"RCPT": answer}, address=ONE) as first, Sink(TWO) as second:
        remote.set("smtproutes", f":{ONE}:{first.port},{TWO}:{second.port}")
        recipients, message = remote.send("x.test", "bad@x.test", "late@x.test")
        assert [letter for letter, _ in recipients] == ["h", "r"] and message[0] == "K"
        assert [message[2] for message in second.messages] == [["late@x.test"]]


def test_both_hosts_fail(remote, closed_port):
    remote.set("smtproutes", f":{ONE}:{closed_port},127.0.0.4:{closed_port}")
    letter, text = remote.result("x.test")
    assert letter == "s" and "127.0.0.4" in text


# --- authroutes ---


def assert_put_off(remote, text):
    """Before any server was asked: there is a report for the message only."""
    recipients, message = remote.send("x.test")
    assert not recipients and message[0] == "Z" and message[1].startswith(text)


def test_credentials_by_reference(remote):
    remote.set("authroutes", f"other:eve:wrong\nisp:ann@isp.test:{SECRET}", mode=0o600)
    with HostileServer({"AUTH": "235 2.7.0 welcome"}, ["AUTH PLAIN"], address=ONE) as server:
        remote.set("smtproutes", f"@local.test:{ONE}:{server.port} auth=isp tls=none clear-auth")
        assert remote.result("x.test")[0] == "r"
        server.wait()
        plain = base64.b64encode(f"\0ann@isp.test\0{SECRET}".encode())
        assert b"AUTH PLAIN " + plain in server.commands
    assert "correct" not in remote.log() and "battery" not in remote.log()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_credentials_that_others_may_read_are_refused(remote, mode):
    remote.set("authroutes", f"isp:ann:{SECRET}", mode=mode)
    with Sink(ONE) as sink:
        remote.set("smtproutes", f"x.test:{ONE}:{sink.port} auth=isp clear-auth\n"
                                 f"y.test:{ONE}:{sink.port}")
        assert_put_off(remote, "4.3.5 the credentials")
        (event,) = remote.events("credentials-refused")
        assert event["file"].endswith("/control/authroutes") and "chmod 600" in event["reason"]
        assert sink.connections == []
        assert remote.result("y.test")[0] == "r", "mail that needs none goes on"
    assert "correct" not in remote.log()


def test_chmod_is_enough(remote, build):
    """The agent notices that the file's mode was mended."""
    message = queue_file(remote.folder, build)
    remote.set("authroutes", f"isp:ann:{SECRET}", mode=0o644)
    remote.start()
    with HostileServer({"AUTH": "235 2.7.0 welcome"}, ["AUTH PLAIN"], address=ONE) as server:
        job = {"port": server.port, "way": "host", "level": "none", "auth": "isp", "flags": "C"}
        remote.give(ONE, {1: "x@x.test"}, message, **job)
        assert remote.answers(1)[1][0] == "Z"
        (remote.control / "authroutes").chmod(0o600)
        wait_for(lambda: remote.events("settings-loaded"), what="other settings")
        remote.give(ONE, {2: "x@x.test"}, message, **job)
        assert remote.answers(1)[2][0] == "K"


def test_a_login_that_was_refused_is_not_tried_by_each_message(remote, build):
    """Providers lock accounts for that; the right password counts at once."""
    message = queue_file(remote.folder, build)
    remote.set("authroutes", "isp:ann:wrong", mode=0o600)
    remote.start()
    offer = {"extensions": ["AUTH PLAIN"], "logins": {"ann": SECRET}}
    with HostileServer(address=ONE, **offer) as server, HostileServer(address=TWO, **offer) as other:
        job = {"way": "host", "level": "none", "auth": "isp", "flags": "C"}
        for number, text in (1, "refused the user name"), (2, "a moment ago"), (3, "a moment ago"):
            remote.give(ONE, {number: "x@x.test"}, message, port=server.port, **job)
            result, said = remote.answers(1)[number]
            assert result == "Z" and said.startswith("4.7.8 ") and text in said
        assert len(server.sessions) == 1
        remote.give(TWO, {4: "x@x.test"}, message, port=other.port, **job)
        assert remote.answers(1)[4][0] == "Z" and len(other.sessions) == 1, "another server"
        remote.set("authroutes", f"isp:ann:{SECRET}", mode=0o600)
        wait_for(lambda: remote.events("settings-loaded"), what="other settings")
        remote.give(ONE, {5: "x@x.test"}, message, port=server.port, **job)
        assert remote.answers(1)[5][0] == "K"


@pytest.mark.root
def test_credentials_that_ekiden_remote_cannot_read(remote):
    remote.set("authroutes", f"isp:ann:{SECRET}")
    (remote.control / "authroutes").chmod(0o600)  # root's
    remote.set("smtproutes", f"x.test:{ONE}:9 auth=isp")
    assert_put_off(remote, "4.3.5 the credentials")
    (event,) = remote.events("credentials-refused")
    assert "chown" in event["reason"]


def test_missing_reference(remote):
    remote.set("authroutes", f"isp:ann:{SECRET}", mode=0o600)
    remote.set("smtproutes", f":{ONE}:9 auth=isp2")
    assert_put_off(remote, "4.3.5 the credentials")
    (event,) = remote.events("credentials-missing")
    assert event["reference"] == "isp2" and "authroutes" in event["reason"]


def test_malformed_credentials_are_not_shown(remote):
    remote.set("authroutes", f"isp:{SECRET.replace(':', '')}", mode=0o600)
    remote.set("smtproutes", f":{ONE}:9")
    assert remote.send("x.test")[1][0] == "Z"
    assert "authroutes:1: expected REFERENCE:USER:PASSWORD" in remote.log()
    assert "horse" not in remote.log()


def holds(pid, text):
    """True when the process has TEXT in memory that it can write to."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.M):
            with contextlib.suppress(OSError):
                memory.seek(int(start, 16))
                if text in memory.read(int(end, 16) - int(start, 16)):
                    return True
    return False


@pytest.mark.root  # reads others' memory
def test_a_process_has_the_password_that_it_needs_and_no_other(remote, build, sanitized):
    if sanitized:
        pytest.skip("sanitizers keep freed memory")
    message = queue_file(remote.folder, build)
    remote.set("authroutes", "a:ann:secret-of-a\nb:bob:secret-of-b", mode=0o600)
    remote.start()
    with HostileServer({"connect": SILENCE}) as server:
        seen = set()
        for number, auth in enumerate(["a", "b", ""]):
            remote.give("127.0.0.1", {number: "x@x.test"}, message, server.port, "host",
                        auth=auth, flags="C" if auth else "")
            wait_for(lambda: len(server.sessions) > number, what="a connection")  # noqa: B023
            (child,) = set(remote.children()) - seen
            seen.add(child)
            held = {name for name in "ab" if holds(child, b"secret-of-" + name.encode())}
            assert held == set(auth)
        assert holds(remote.process.pid, b"secret-of-a")
        remote.kill()


@pytest.mark.root  # others' core limits
def test_secrets_do_not_go_into_a_core(remote, sanitized):
    remote.start()
    wait_for(lambda: "Max core file size" in
             Path(f"/proc/{remote.process.pid}/limits").read_text(), what="limits")
    entry = Path(f"/proc/{remote.process.pid}")
    wait_for(lambda: re.search(r"Max core file size +0 +0 ", (entry / "limits").read_text()),
             what="no core files")
    # What is not dumpable belongs to root in /proc.
    if not sanitized:
        wait_for(lambda: (entry / "environ").stat().st_uid == 0, what="not dumpable")


# --- what the scheduler makes of it ---


@pytest.fixture
def scheduler(folder, programs):
    folder.chmod(0o777)
    scheduler = Scheduler(folder, programs)
    yield scheduler
    scheduler.kill()


def routes(scheduler):
    return sorted(tuple(route) for route in scheduler.noted("routes"))


def test_the_scheduler_routes_by_sender(scheduler):
    scheduler.set("smtproutes",
                  "list-owner-@sender.test:lists.test\n"
                  "@sender.test:isp.test:587,second.test:465 auth=isp\n"
                  "away.test:away.test:26 tls=verify=mx.away.test\n"
                  ":rest.test auth=rest tls=may clear-auth\n")
    scheduler.start()
    isp = ("isp.test", "587", "host", "second.test", "465", "host-tls", "", "unset", "", "isp")
    rest = ("rest.test", "25", "host", "", "may", "", "rest")
    away = ("away.test", "26", "host", "", "verify", "mx.away.test", "")
    lists = ("lists.test", "25", "host", "", "unset", "", "")
    # one destination of three domains, and another
    scheduler.inject("a@one.test", "b@two.test", "c@away.test", sender="x@SENDER.test")
    scheduler.await_event("done", 1)
    assert routes(scheduler) == [away, isp]
    for count, (sender, route) in enumerate([("", rest), ("#@[]", rest), ("x@a.sender.test", rest),
                                             ("list-owner-@sender.test", lists)], 2):
        before = len(scheduler.noted("routes"))
        scheduler.inject("a@one.test", sender=sender)
        scheduler.await_event("done", count)
        assert [tuple(row) for row in scheduler.noted("routes")[before:]] == [route], sender
    # a sender for each recipient (VERP) is looked up as the list's owner
    before = len(scheduler.noted("routes"))
    scheduler.inject("a@one.test", "b@one.test", sender="list-owner-@sender.test-@[]")
    scheduler.await_event("done", 6)
    assert [tuple(row) for row in scheduler.noted("routes")[before:]] == [lists, lists]


def test_a_difference_in_the_way_is_another_transaction(scheduler):
    lines = ["a.test:relay.test", "b.test:relay.test", "c.test:relay.test auth=one",
             "d.test:relay.test auth=two", "e.test:relay.test tls=encrypt",
             "f.test:relay.test implicit", "g.test:relay.test,other.test",
             "h.test:relay.test auth=one clear-auth"]
    scheduler.set("smtproutes", "\n".join(lines) + "\n")
    scheduler.start()
    scheduler.inject(*(f"x@{line[:6]}" for line in lines))
    scheduler.await_event("done")
    assert len(scheduler.noted("transactions")) == len(lines) - 1


# --- ekiden-tls beside them ---

FAKE_TLS = '''#!/usr/bin/python3 -I
import json, os, socket, sys
from pathlib import Path
link = socket.socket(fileno=0)
data, descriptors, _, _ = socket.recv_fds(link, 512, 4)
note = {"arguments": sys.argv[1:], "uid": os.getuid(), "request": data.decode().split("\\0"),
        "descriptors": len(descriptors), "open": sorted(os.listdir("/proc/self/fd"))}
with open(Path(__file__).with_name("asked"), "a") as record:
    record.write(json.dumps(note) + "\\n")
if Path(__file__).with_name("refuse").exists():
    socket.socket(fileno=descriptors[3]).send(b"F\\0no luck today\\0")
'''


def install_fake_tls(folder):
    (folder / "asked").touch()
    (folder / "asked").chmod(0o666)
    program = folder / "ekiden-tls"
    program.write_text(FAKE_TLS)
    program.chmod(0o755)


def asked(folder):
    return [json.loads(line) for line in (folder / "asked").read_text().splitlines()]


def holder_of(scheduler):
    path = Path(f"/proc/{scheduler.process.pid}/task/{scheduler.process.pid}/children")
    return scheduler.wait(lambda: [pid for pid in map(int, path.read_text().split()) if
                                   Path(f"/proc/{pid}/comm").read_text() == "tls-holder\n"],
                          "the holder")[0]


STARTTLS = {"extensions": ["STARTTLS"]}


@pytest.mark.parametrize("refuses", [False, True])
def test_a_tls_service_that_does_not_serve(remote, refuses):
    """It is asked. Where TLS may be missing mail goes in the clear, else it waits."""
    install_fake_tls(remote.folder)
    if refuses:
        (remote.folder / "refuse").touch()
    with HostileServer({"STARTTLS": "220 2.0.0 go"}, **STARTTLS) as server:
        remote.set("smtproutes", f":127.0.0.1:{server.port}")
        assert remote.result("x.test")[0] == "r"
        (request,) = asked(remote.folder)
        assert request["arguments"] == ["-c", "-C", f"3:{remote.control}"]
        assert request["request"][0] == "C" and request["request"][2] == "encrypt"
        assert request["descriptors"] == 4
        remote.set("smtproutes", f":127.0.0.1:{server.port} tls=encrypt")
        letter, text = remote.result("x.test")
        assert letter == "s" and text.startswith("4.7.5")
        assert b"MAIL" not in b"".join(server.sessions[-1].commands)


def test_tls_is_not_installed(remote):
    with HostileServer({"STARTTLS": "220 2.0.0 go"}, **STARTTLS) as server:
        remote.set("smtproutes", f":127.0.0.1:{server.port}")
        assert remote.result("x.test")[0] == "r"
        (event,) = remote.events("tls-not-installed")
        assert event["name"].endswith("/ekiden-tls")
        remote.set("smtproutes", f":127.0.0.1:{server.port} tls=encrypt")
        letter, text = remote.result("x.test")
        assert letter == "s" and text.startswith("4.7.5")


def test_tls_that_nobody_needs_is_not_started(remote):
    install_fake_tls(remote.folder)
    with Sink(ONE) as sink:
        remote.set("smtproutes", f":{ONE}:{sink.port}")
        assert remote.result("x.test")[0] == "r"
    assert asked(remote.folder) == []


def test_the_scheduler_holds_a_tls_service(scheduler):
    """ekiden-remote can ask it, it is started anew, and ends with the scheduler."""
    install_fake_tls(scheduler.folder / "agent")
    scheduler.start()
    rows = scheduler.wait(lambda: [row for row in scheduler.noted("started")
                                   if row[0] == "ekiden-remote"], "the agent")
    assert rows[0][1] == ["-C", f"4:{scheduler.folder}/control", "-a", "-T", "3"]
    count = itertools.count(1)

    def ask():
        scheduler.inject("asks@tls.test")
        scheduler.await_event("done", next(count))
        return asked(scheduler.folder / "agent")

    scheduler.wait(ask, "a request")
    # One that has just been started and is gone is not started anew within the second.
    requests = scheduler.wait(lambda: len(found := ask()) > 1 and found, "another request")
    for request in requests:
        assert request["arguments"] == ["-c", "-C", f"3:{scheduler.folder}/control"]
        assert request["request"] == ["C", "1", "encrypt", "", ""]
        assert request["descriptors"] == 4
    assert scheduler.stop() == 0


@pytest.mark.root
def test_whom_the_tls_service_runs_as(scheduler, service_users):
    scheduler.user = {}
    install_fake_tls(scheduler.folder / "agent")
    scheduler.start()
    uid = str(pwd.getpwnam("ekident").pw_uid)
    scheduler.wait(lambda: re.search(rf"^Uid:\t{uid}\t{uid}\t{uid}\t{uid}$", Path(
        f"/proc/{holder_of(scheduler)}/status").read_text(), re.M), "another user")


def test_the_scheduler_ends_when_its_tls_service_is_gone(scheduler):
    install_fake_tls(scheduler.folder / "agent")
    scheduler.start()
    os.kill(holder_of(scheduler), signal.SIGKILL)
    assert scheduler.end() == 111
    assert scheduler.events("tls-gone")


def test_without_ekiden_tls_the_scheduler_serves(scheduler):
    scheduler.start()
    scheduler.inject("a@one.test")
    scheduler.await_event("done")
    assert scheduler.events("tls-not-installed")
    rows = [row for row in scheduler.noted("started") if row[0] == "ekiden-remote"]
    assert rows[0][1] == ["-C", f"4:{scheduler.folder}/control", "-a"]
