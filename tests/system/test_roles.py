"""What a port is for: by its listener, by portroles, by the command line; and what no role gives."""

import os
import re
import signal
import socket
import subprocess
import sys

import certificates
import pytest
from instance import DOMAIN, PATIENCE, SENDER, processes_of_session, wait_for
from ports import free_port
from smtp_client import Client

CONTROL = {"users": "alice\npostmaster:alice\n", "relayclients": "127.0.0.0/8\n"}
ELSEWHERE = "someone@elsewhere.example"


# Puts descriptors to 3 and up, and becomes the program: LISTEN_PID must be its own number. The last
# is for the option -d.
PASS = """
import fcntl, os, sys
places = [int(word) for word in sys.argv[1].split(",")]
copies = [fcntl.fcntl(place, fcntl.F_DUPFD_CLOEXEC, 200) for place in places]
for place in places:
    os.close(place)
for number, copy in enumerate(copies, 3):
    os.dup2(copy, number)
if len(places) > 1:
    os.environ.update(LISTEN_FDS=str(len(places) - 1), LISTEN_PID=str(os.getpid()))
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Listener:
    """ekiden-smtpd by itself, with ARGUMENTS; fd 3 and more are LISTEN_FDS when PASSED has them."""

    def __init__(self, instance, *arguments, passed=(), names=None):
        reads, writes = os.pipe()
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        environment.pop("LISTEN_FDNAMES", None)
        if names is not None:
            environment["LISTEN_FDNAMES"] = names
        ready = 3 + len(passed)
        line = instance.command("ekiden-smtpd", "-C", instance.control, "-Q", instance.queue, "-d",
                                ready, *arguments)
        places = [one.fileno() for one in passed] + [writes]
        with open(instance.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PASS, ",".join(map(str, places)), *line], pass_fds=places, stderr=log, cwd="/",
                stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
        os.close(writes)
        with os.fdopen(reads, "rb") as answer:
            if answer.read() != b"\n":  # and its end: it is closed then
                self.process.kill()
                raise AssertionError(instance.log_text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0


def role_of(port):
    """By what it does: a port of TLS says nothing, one for users wants a login."""
    with Client(port, timeout=PATIENCE) as client:
        client.send(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nQUIT\r\n")
        received = b""
        try:
            while piece := client.socket.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
    if not re.match(rb"220 ", received):
        return "submissions"
    return "submission" if b"\r\n530 5.7.0 " in received else "mx"


@pytest.fixture
def prepared(make_instance):
    """An instance whose server does not run, but has made its folders."""
    instance = make_instance()
    instance.stop()
    certificates.put(instance)
    return instance


def test_by_the_command_line(prepared):
    ports = [free_port() for _ in range(4)]
    with Listener(prepared, "-R", "submission", "-l", f"mx@127.0.0.1:{ports[0]}",
                  "-l", f"submission@127.0.0.1:{ports[1]}",
                  "-l", f"submissions@127.0.0.1:{ports[2]}", "-l", f"127.0.0.1:{ports[3]}"):
        roles = [role_of(port) for port in ports]
    assert roles == ["mx", "submission", "submissions", "submission"]


def test_an_idle_listener_leaves(prepared):
    """Though ekiden-tls runs: it is no session."""
    port = free_port()
    with Listener(prepared, "-i", "1", "-l", f"mx@127.0.0.1:{port}") as listener:
        with Client(port, timeout=PATIENCE) as client:
            client.greet()
            assert client.command("STARTTLS").code == 220
        names = {process.comm for process in processes_of_session(listener.process.pid)}
        assert names >= {"ekiden-tls", "tls-key", "tls-template"}
        assert listener.process.wait(PATIENCE) == 0
        wait_for(lambda: not processes_of_session(listener.process.pid), what="the end of all")


def test_by_port(prepared):
    ports = [free_port() for _ in range(4)]
    prepared.set("portroles", f"{ports[0]}:submission\n{ports[1]}:submissions\n{ports[2]}:mx\n")
    with Listener(prepared, *(word for port in ports for word in ("-l", f"127.0.0.1:{port}"))):
        assert [role_of(port) for port in ports] == ["submission", "submissions", "mx", "mx"]
        prepared.set("portroles", f"{ports[3]}:submission\n")  # noticed without a restart

        def changed():
            return [role_of(port) for port in ports] == ["mx", "mx", "mx", "submission"]

        wait_for(changed, what="the new roles")


def test_by_name(prepared):
    """Only the exact names of roles count; the others' ports decide."""
    names = ["mx", "submission", "submissions", "Submission", "submission2", "", "unknown"]
    expected = ["mx", "submission", "submissions", "mx", "submission", "mx", "mx"]
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = [one.getsockname()[1] for one in sockets]
    prepared.set("portroles", f"{ports[0]}:submission\n{ports[4]}:submission\n")
    with Listener(prepared, passed=sockets, names=":".join(names)):
        assert [role_of(port) for port in ports] == expected
    with Listener(prepared, passed=sockets[:2]):  # systemd before 227 names none
        assert [role_of(port) for port in ports[:2]] == ["submission", "mx"]
    with Listener(prepared, passed=sockets[:2], names="submission"):  # fewer names than sockets
        assert [role_of(port) for port in ports[:2]] == ["submission", "mx"]
    for one in sockets:
        one.close()


def test_more_sockets_than_are_listened_on(prepared):
    """None is left out in silence."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(17)]
    with pytest.raises(AssertionError, match="more than 16 listening sockets"):
        Listener(prepared, passed=sockets)
    for one in sockets:
        one.close()


def test_what_is_no_role(prepared):
    for arguments in (("-R", "users"), ("-R", ""), ("-l", "users@127.0.0.1:0"),
                      ("-l", "@127.0.0.1:0"), ("-l", "127.0.0.1.5:0"), ("-l", "::1]:0"),
                      ("-l", "submission@"),
                      ("-l", "mx@submission@127.0.0.1:0")):  # fmt: skip
        line = prepared.command("ekiden-smtpd", "-C", prepared.control, "-Q", prepared.queue,
                                *arguments)
        done = subprocess.run(line, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/",
                              timeout=PATIENCE)
        assert done.returncode == 100 and b"event=usage" in done.stderr, (arguments, done.stderr)


def single(instance, *arguments, environment=None):
    """A session over pipes, as inetd or tcpserver has it; returns its replies' numbers."""
    words = (f"EHLO x\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{ELSEWHERE}>\r\n"
             f"RCPT TO:<alice@{DOMAIN}>\r\nQUIT\r\n")
    line = instance.command("ekiden-smtpd", "-C", instance.control, "-Q", instance.queue, *arguments)
    with open(instance.log_path, "ab") as log:
        done = subprocess.run(
            line, input=words.encode(), stdout=subprocess.PIPE, stderr=log, cwd="/",
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0", **(environment or {})},
            timeout=PATIENCE)
    assert done.returncode == 0
    return [int(line[:3]) for line in done.stdout.splitlines() if line[3:4] == b" "]


def test_nothing_takes_the_place_of_a_login(prepared):
    """Neither an address that may relay nor what tcprules set. With the role mx they count."""
    client = {"TCPREMOTEIP": "127.0.0.1", "TCPREMOTEPORT": "1", "TCPLOCALIP": "127.0.0.1"}
    refused, relayed = [220, 250, 530, 503, 503, 221], [220, 250, 250, 250, 250, 221]
    for port in ("587", "2525"):
        assert single(prepared, environment={**client, "TCPLOCALPORT": port}) == refused
        assert single(prepared, environment={**client, "TCPLOCALPORT": port,
                                             "RELAYCLIENT": ""}) == refused
    for port in ("25", "24", "", "x"):
        assert single(prepared, environment={**client, "TCPLOCALPORT": port}) == relayed
    assert single(prepared, "-R", "submission", environment={**client, "TCPLOCALPORT": "25",
                                                             "RELAYCLIENT": ""}) == refused
    assert single(prepared, "-R", "mx", environment={**client, "TCPLOCALPORT": "587"}) == relayed
    prepared.set("relayclients", "")
    for role in ("mx", "submission"):  # a role is no right to relay
        numbers = single(prepared, "-R", role, environment=client)
        assert numbers == ([220, 250, 250, 550, 250, 221] if role == "mx" else refused)


def test_a_port_of_tls_is_never_spoken_to_in_the_clear(prepared):
    """Not even to say that the configuration is broken."""
    prepared.set("databytes", "many\n")
    for arguments, environment, expected in (
            (("-R", "submissions"), {}, b""),
            ((), {"TCPREMOTEIP": "192.0.2.1", "TCPLOCALIP": "192.0.2.2", "TCPLOCALPORT": "465"}, b""),
            ((), {}, b"421 4.3.0 ")):
        line = prepared.command("ekiden-smtpd", "-C", prepared.control, "-Q", prepared.queue,
                                *arguments)
        done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, cwd="/", env={**os.environ, **environment},
                              timeout=PATIENCE)
        assert done.returncode == 100 and done.stdout[:10] == expected
    prepared.set("databytes", "0\n")
