"""The installation of INSTALL under s6: s6-svscan keeps the listener and the scheduler."""

import pytest

from deploy import USER_PORTS, check_processes, check_user_ports, deliver, has_ended, message
from instance import PATIENCE, wait_for
from machine import Machine

pytestmark = [
    pytest.mark.root,
    pytest.mark.heavy,  # a sanitizer build has no seccomp filter, and does not fit the units
    pytest.mark.needs("unshare", "nsenter", "ip", "s6-svscan", "s6-log"),
]


@pytest.fixture(scope="module")
def machine(build):
    with Machine(build) as machine:
        machine.install("Install", "Users by hand", "Configure", "s6")
        yield machine


@pytest.fixture
def server(machine):
    svscan = machine.start("exec s6-svscan /service")
    wait_for(machine.listens, what="the listener")
    yield machine
    machine.run("s6-svscanctl -t /service")  # bring down all services, then leave
    assert svscan.wait(PATIENCE) == 0
    wait_for(lambda: has_ended(machine), what="that no process of Ekiden is left")


def service_pid(machine, name):
    return machine.run(f"s6-svstat -o pid /service/{name}")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_delivers(server, host):
    deliver(server, message(f"through s6 from {host}"), host)


def test_processes(server):
    check_processes(server, keeper="root")
    check_processes(server, keeper="root", count=20)


def test_users_submit(server):
    server.install("Certificate", "Users who send", "Users' ports: s6")
    for port in USER_PORTS:
        wait_for(lambda: server.listens(port), what=f"the listener at {port}")
    check_user_ports(server)
    server.run(f"s6-svc -wD -T {PATIENCE}000 -d /service/ekiden-submission")
    server.run("rm -r /service/ekiden-submission; s6-svscanctl -an /service")


def test_logs_through_s6_log(server):
    deliver(server, message("for the log"))
    for name in ("ekiden-smtpd", "ekiden-send"):
        log = server.path(f"/var/log/{name}/current")
        wait_for(
            lambda: log.exists() and "event=" in log.read_text(), what=f"a line of {name} in {log}"
        )


@pytest.mark.parametrize("name", ["ekiden-smtpd", "ekiden-send"])
def test_a_killed_service_is_started_again(server, name):
    """KILL for its first process only: what it had started must go before the new one serves."""
    deliver(server, message("before"))
    before = service_pid(server, name)
    server.run(f"s6-svc -k /service/{name}")
    wait_for(lambda: service_pid(server, name) not in (before, "-1"), what="a new process")
    wait_for(server.listens, what="the listener")
    deliver(server, message("after"))


@pytest.mark.parametrize("name", ["ekiden-smtpd", "ekiden-send"])
def test_a_service_stops_when_told(server, name):
    server.run(f"s6-svc -wD -T {PATIENCE}000 -d /service/{name}")
    wait_for(lambda: has_ended(server, name), what=f"the end of {name}")
    server.run(f"s6-svc -wu -T {PATIENCE}000 -u /service/{name}")
    wait_for(server.listens, what="the listener")
    deliver(server, message("up again"))


def test_local_submission(server):
    server.install("Local submission without systemd")
    socket = server.path("/run/ekiden/inject")
    wait_for(socket.exists, what="the injector's socket")
    before = len(server.mailbox("anna"))
    run_as = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    run_as += ["/usr/local/sbin/sendmail"]
    server.run(*run_as, "anna@example.org", input="Subject: from here\n\nbody\n")
    found = server.wait_for_mail("anna", before + 1)
    assert any(b"invoked by uid 65534);" in mail for mail in found)
