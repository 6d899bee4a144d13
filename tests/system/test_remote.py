"""ekiden-remote as the scheduler's agent, and as qmail-remote. What it says to servers is the matter
of other tests; here it is who says it, what is done with the results, and what is left of them when
a process is lost."""

import array
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from instance import PATIENCE, Process, wait_for
from remote import MESSAGE, Remote, Sink, queue_file, run_as

ONE, TWO = "127.0.0.2", "127.0.0.3"


@pytest.fixture
def folder(scratch):
    path = Path(tempfile.mkdtemp(prefix="remote-", dir=scratch))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def setting(folder, build):
    """setting(script=..., CONTROL=...) -> the sink on ONE and TWO, the sender."""
    with ExitStack() as stack:

        def make(script=None, **control):
            sink = stack.enter_context(Sink(ONE, TWO, script=script))
            remote = Remote(folder, build, **control)
            stack.callback(remote.kill)
            return sink, remote

        yield make


@pytest.fixture
def message(folder, build):
    return queue_file(folder, build)


# --- the agent ---


def test_a_job_and_its_answers(setting, message):
    sink, remote = setting()
    remote.start()
    remote.give(ONE, {3: "a@x.test", 18446744073709551615: "b@x.test"}, message, sink.port, "host")
    answers = remote.answers(2)
    assert set(answers) == {3, 18446744073709551615}
    for letter, text in answers.values():
        assert letter == "K" and text.startswith(f"2.0.0 [{ONE}]:{sink.port} ")
    assert sink.messages == [(ONE, "ann@local.test", ["a@x.test", "b@x.test"],
                              MESSAGE.replace(b"\n", b"\r\n"))]
    assert remote.end() == 0


def test_answers_come_before_quit(setting, message):
    """A server that is slow to say goodbye delays nobody."""
    sink, remote = setting({ONE: ("QUIT", "221-" + "\r\n221-".join("wait" for _ in range(3)))})
    remote.start()
    remote.give(ONE, {1: "a@x.test"}, message, sink.port, "host")
    assert remote.answers(1)[1][0] == "K"
    assert remote.end() == 0


@pytest.mark.parametrize("letter, behaviour", [
    ("N", "drop"),
    ("N", ("greeting", "554 5.7.1 not you")),
    ("N", ("greeting", "HTTP/1.1 400 no")),
    ("N", ("EHLO", "421 4.3.2 busy")),
    ("N", ("MAIL", "")),
    ("Z", ("MAIL", "451 4.7.1 later")),
    ("Z", ("RCPT", "451 4.7.1 later")),
    ("Z", ("DATA", "")),
    ("Z", ("dot", "451 4.3.0 disk")),
])  # fmt: skip
def test_a_server_that_does_not_speak_is_no_refusal_of_mail(setting, message, letter, behaviour):
    """N shrinks what is tried at once there, Z does not."""
    sink, remote = setting({ONE: behaviour})
    remote.start()
    remote.give(ONE, {1: "a@x.test", 2: "b@x.test"}, message, sink.port, "host")
    assert [found for found, _ in remote.answers(2).values()] == 2 * [letter]
    assert remote.end() == 0


def test_a_server_that_is_not_there(setting, message):
    sink, remote = setting()
    remote.start()
    remote.give("127.0.0.4", {1: "a@x.test"}, message, sink.port, "host")
    assert remote.answers(1)[1][0] == "N"
    assert remote.end() == 0


def test_many_jobs_at_once(setting, message):
    sink, remote = setting({TWO: ("RCPT", "550 5.1.1 nobody")})
    remote.start()
    for number in range(60):
        remote.give(TWO if number % 3 == 0 else ONE, {number: f"r{number}@x.test"}, message,
                    sink.port, "host")
    answers = remote.answers(60)
    assert all(answers[n][0] == ("D" if n % 3 == 0 else "K") for n in range(60))
    assert all("550 5.1.1 nobody" in answers[n][1] for n in range(0, 60, 3))
    assert sorted(m[2][0] for m in sink.messages) == sorted(
        f"r{n}@x.test" for n in range(60) if n % 3)
    wait_for(lambda: not remote.children(), what="the end of all deliveries")
    assert remote.end() == 0 and not remote.events("remote-ended")


def test_a_damaged_message_is_not_sent(setting, message):
    sink, remote = setting()
    remote.start()
    remote.give(ONE, {1: "a@x.test"}, message, sink.port, "host", sum_delta=1)
    assert remote.answers(1)[1][0] == "C"
    assert not sink.messages and remote.end() == 0


def test_a_lost_process_defers_its_recipients(setting, message):
    sink, remote = setting({ONE: "silent"}, timeoutremote="600")
    remote.start()
    remote.give(ONE, {1: "a@x.test", 2: "b@x.test"}, message, sink.port, "host")
    wait_for(lambda: sink.connections, what="a connection")
    (child,) = remote.children()
    remote.give(TWO, {3: "c@x.test"}, message, sink.port, "host")
    assert remote.answers(1)[3][0] == "K"
    os.kill(child, signal.SIGKILL)
    for letter, text in remote.answers(2).values():
        assert letter == "Z" and text.startswith("4.3.0 ")
    (ended,) = remote.events("remote-ended")
    assert ended["pid"] == str(child)
    assert remote.end() == 0


def test_processes_end_with_their_master(setting, message):
    sink, remote = setting({ONE: "silent"}, timeoutremote="600")
    remote.start()
    remote.give(ONE, {1: "a@x.test"}, message, sink.port, "host")
    wait_for(lambda: sink.connections, what="a connection")
    (child,) = remote.children()
    remote.process.kill()
    wait_for(lambda: Process(child).stat()[:1] in ([], ["Z"]), what="the end of the delivery")


def test_the_scheduler_leaves_in_between(setting, message):
    sink, remote = setting({ONE: "silent"}, timeoutremote="600")
    remote.start()
    remote.give(ONE, {1: "a@x.test"}, message, sink.port, "host")
    wait_for(lambda: sink.connections, what="a connection")
    (child,) = remote.children()
    assert remote.end() == 0
    wait_for(lambda: Process(child).stat()[:1] in ([], ["Z"]), what="the end of the delivery")


def test_sigterm_lets_deliveries_end(setting, message):
    """SIGTERM reaches the processes too where a supervisor sends it to all."""
    sink, remote = setting({ONE: "silent"}, timeoutremote="2", timeoutconnect="2")
    remote.start()
    remote.give(ONE, {1: "a@x.test"}, message, sink.port, "host")
    wait_for(lambda: sink.connections, what="a connection")
    for pid in (*remote.children(), remote.process.pid):
        os.kill(pid, signal.SIGTERM)
    assert remote.answers(1)[1][0] == "N"
    assert remote.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("payload, descriptors", [(b"x\0", 1), (b"", 1), (b"a.test\00025\0mx\0", 1)])
def test_a_broken_scheduler_ends_the_agent(setting, message, payload, descriptors):
    _, remote = setting()
    remote.start()
    with open(message[0], "rb") as file:
        rights = array.array("i", [file.fileno()] * descriptors)
        remote.link.sendmsg([struct.pack(">IH", len(payload), descriptors) + payload],
                            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    assert remote.process.wait(PATIENCE) == 111
    assert "the scheduler sent something that is no job" in remote.log()


def test_changed_settings_are_taken_up(setting, message):
    sink, remote = setting()
    remote.start()
    remote.give(f"[{ONE}]", {1: "a@x.test"}, message, sink.port)
    assert remote.answers(1)[1][0] == "K"
    remote.set("notipme", f"127.0.0.0/8\n!{ONE}")
    wait_for(lambda: remote.events("settings-loaded"), what="the new settings")
    remote.give(f"[{ONE}]", {2: "a@x.test"}, message, sink.port)
    letter, text = remote.answers(1)[2]
    assert letter == "D" and text.startswith("5.4.6 ")
    remote.set("timeoutremote", "soon")
    wait_for(lambda: remote.events("settings-not-loaded"), what="the refusal")
    assert "timeoutremote:1: expected a number" in remote.log()
    remote.give(f"[{TWO}]", {3: "a@x.test"}, message, sink.port)
    assert remote.answers(1)[3][0] == "K"
    assert remote.end() == 0


@pytest.mark.root
@pytest.mark.needs("unshare", "setpriv")
def test_a_changed_resolv_conf_is_taken_up(setting, message, folder):
    """Without the control file nameservers; nobody serves names on these addresses."""
    _, remote = setting()
    resolv = folder / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.250\n")
    if subprocess.run(["unshare", "-m", "true"]).returncode != 0:
        pytest.skip("no mount namespaces here")
    setup = (f"mount --bind {resolv} /etc/resolv.conf && exec "
             'setpriv --reuid=65534 --regid=65534 --clear-groups "$@"')
    remote.start(prefix=("unshare", "-m", "sh", "-c", setup, "sh"), user=0)
    remote.give("a.test", {1: "a@a.test"}, message)
    assert remote.answers(1)[1][0] == "N"
    assert not remote.events("settings-loaded")
    resolv.write_text("nameserver 127.0.0.251\nnameserver 127.0.0.252\n")
    remote.give("a.test", {2: "a@a.test"}, message)
    assert remote.answers(1)[2][0] == "N"
    assert len(remote.events("settings-loaded")) == 1
    assert remote.end() == 0


@pytest.mark.root  # to its own user the process is closed
def test_fence_of_a_delivery(setting, message, sanitized):
    sink, remote = setting({ONE: "silent"}, timeoutremote="600")
    remote.start()
    remote.give(ONE, {1: "a@x.test"}, message, sink.port, "host")
    wait_for(lambda: sink.connections, what="a connection")
    (pid,) = remote.children()
    child = Process(pid)
    assert child.uid != 0
    if not sanitized:
        assert Process(remote.process.pid).status("Seccomp") == "2"
        assert child.status("Seccomp") == "2" and child.status("NoNewPrivs") == "1"
        # The master's, its own, and the one that lets it have sockets of the internet only.
        assert child.status("Seccomp_filters") == "3"
        limits = child.read("limits")
        assert [line.split()[2] for line in limits.splitlines()
                if line.startswith("Max processes")] == ["0"]
    # Message, answers, log, and the connection; neither the scheduler's socket nor the folder.
    descriptors = {int(name): os.readlink(f"/proc/{pid}/fd/{name}")
                   for name in os.listdir(f"/proc/{pid}/fd")}
    assert descriptors[0] == str(message[0]) and descriptors[2] == str(remote.log_path)
    assert len(descriptors) == 4
    assert all(target.startswith("socket:") for number, target in descriptors.items()
               if number not in (0, 2))


@pytest.mark.root
def test_the_agent_refuses_root(setting):
    _, remote = setting()
    done = subprocess.run([remote.program, "-C", remote.control, "-a"], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=PATIENCE)
    assert done.returncode == 100 and b"never runs as root" in done.stderr


# --- qmail-remote ---


def test_results_of_several_recipients(setting):
    sink, remote = setting()
    remote.set("smtproutes", f":[{ONE}]:{sink.port}")
    recipients, message = remote.send("x.test", "a@x.test", "b@x.test")
    assert [letter for letter, _ in recipients] == ["r", "r"]
    assert message[0] == "K" and message[1].endswith("taken (end of message)\n")
    assert sink.messages[0][2] == ["a@x.test", "b@x.test"]


@pytest.mark.parametrize("command, reply, letters", [
    ("RCPT", "550 5.1.1 nobody", "hhD"), ("RCPT", "450 4.2.1 later", "ssZ"),
    ("MAIL", "553 5.1.8 not you", "hhD"), ("dot", "554 5.6.0 spam", "hhD"),
    ("dot", "451 4.3.0 busy", "ssZ")])
def test_failures_are_reported(setting, command, reply, letters):
    sink, remote = setting({ONE: (command, reply)})
    remote.set("smtproutes", f":[{ONE}]:{sink.port}")
    recipients, message = remote.send("x.test", "a@x.test", "b@x.test")
    assert "".join(letter for letter, _ in [*recipients, message]) == letters
    assert all(reply in text for _, text in recipients)


def test_message_through_a_pipe_or_from_the_middle_of_a_file(setting):
    sink, remote = setting()
    remote.set("smtproutes", f":{ONE}:{sink.port}")
    remote.set("timeoutremote", str(PATIENCE))  # a sink in Python is slow where all tests run
    large = MESSAGE + b"x" * 70 + b"\n" + (b"y" * 70 + b"\n") * 30000
    assert remote.result("x.test", message=large, pipe=True)[0] == "r"
    assert sink.messages[-1][3] == large.replace(b"\n", b"\r\n")
    assert remote.result("x.test", message=b"", pipe=True)[0] == "r"
    assert remote.result("x.test", message=b"not this\n" + MESSAGE, prefix=(
        "sh", "-c", 'read line; exec "$@"', "sh"))[0] == "r"
    assert sink.messages[-1][3] == MESSAGE.replace(b"\n", b"\r\n")


def test_what_cannot_be_sent_is_reported(setting):
    _, remote = setting()
    assert remote.send("x.test", "a\nb@x.test") == ([], ("D", "5.1.3 an address has a control "
                                                            "character or is too long\n"))
    assert remote.send("", "a@x.test")[1][0] == "D"
    assert remote.send("x" * 300, "a@x.test")[1] == ("D", "5.1.2 the host is no domain\n")
    remote.set("smtproutes", "x.test")
    assert remote.send("x.test")[1][1].startswith("4.3.5 ")
    assert "smtproutes:1: expected DOMAIN:HOST" in remote.log()
    remote.set("outgoingip", "192.0.2.1\n192.0.2.2")
    assert remote.send("x.test")[1][0] == "Z"
    assert "outgoingip:2: expected an IPv4 or an IPv6 address" in remote.log()


def test_usage(setting):
    _, remote = setting()
    done = subprocess.run([remote.program, "x.test", "a@x.test"], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=PATIENCE, **run_as())
    assert (done.returncode, done.stdout[:1], done.stdout[-1:]) == (0, b"D", b"\0")
    assert b"usage: ekiden-remote" in done.stderr


def test_an_address_that_is_not_ours_as_outgoingip(setting):
    sink, remote = setting(outgoingip="192.0.2.1")
    remote.set("smtproutes", f":{ONE}:{sink.port}")
    letter, text = remote.result("x.test")
    assert letter == "s" and text.startswith(f"4.3.5 [{ONE}]:{sink.port}: 192.0.2.1 (outgoingip) ")
    remote.set("outgoingip", "127.0.0.9")
    assert remote.result("x.test")[0] == "r"
    assert sink.peers == ["127.0.0.9"]


@pytest.mark.root
def test_as_root_it_becomes_its_user(setting, service_users):
    sink, remote = setting({ONE: "silent"}, timeoutremote="600")
    remote.set("smtproutes", f":{ONE}:{sink.port}")
    process = subprocess.Popen([remote.program, "-C", remote.control, "x.test", "a@b.test",
                                "c@x.test"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        wait_for(lambda: sink.connections, what="a connection")
        assert Process(process.pid).uid == pwd.getpwnam(service_users[4]).pw_uid
    finally:
        process.kill()
        process.communicate()
