"""The installation of INSTALL under xinetd, which stands for any inetd."""

import contextlib
import os
import signal

import pytest

from deploy import check_processes, check_user_ports, deliver, message, stop
from instance import wait_for
from machine import Machine

pytestmark = [
    pytest.mark.root,
    pytest.mark.heavy,  # a sanitizer build has no seccomp filter, and does not fit the units
    pytest.mark.needs("unshare", "nsenter", "ip", "xinetd"),
]


@pytest.fixture(scope="module")
def server(build):
    with Machine(build) as machine:
        machine.install("Install", "Users by hand", "Configure", "xinetd")
        machine.install("Certificate", "Users who send", "Users' ports: xinetd")
        wait_for(lambda: machine.processes("ekiden-send"), what="the scheduler")
        inetd = machine.start("exec xinetd -dontfork")
        wait_for(machine.listens, what="xinetd")
        yield machine
        for process in machine.processes("ekiden-send"):  # and who is about to become its agent
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        stop(machine, inetd)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_delivers(server, host):
    deliver(server, message(f"through inetd from {host}"), host)


def test_processes(server):
    check_processes(server, keeper="root")
    check_processes(server, keeper="root", count=5)


def test_users_submit(server):
    check_user_ports(server, (587, 465))


def test_the_log_does_not_reach_the_client(server):
    """inetd gives the client's socket as standard error."""
    log = server.path("/var/log/ekiden-smtpd.log")
    before = log.stat().st_size
    with server.connect() as client:
        client.sendall(b"EHLO client.example\r\nNONSENSE\r\nQUIT\r\n")
        answers = client.makefile("rb").read()
    assert all(line[:3].isdigit() for line in answers.splitlines()), answers
    assert answers.splitlines()[-1].startswith(b"221 ")
    wait_for(lambda: log.stat().st_size > before, what="a line in the log")
