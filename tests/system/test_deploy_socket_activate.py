"""ekiden-smtpd under systemd-socket-activate, in each of its ways to hand over a socket."""

import pytest

from deploy import check_processes, deliver, end, has_ended, message, stop
from instance import PATIENCE, wait_for
from machine import Machine

pytestmark = [
    pytest.mark.root,
    pytest.mark.heavy,  # a sanitizer build has no seccomp filter, and does not fit the units
    pytest.mark.needs("unshare", "nsenter", "ip", "systemd-socket-activate"),
]

PROGRAM = "/usr/local/libexec/ekiden/ekiden-smtpd"
# LISTEN_FDS; a listening fd 0; a connected fd 0 (without REMOTE_ADDR, which systemd itself sets).
WAYS = {"listen_fds": "", "listening_fd_0": "--inetd", "each": "--accept --inetd"}


@pytest.fixture(scope="module")
def machine(build):
    with Machine(build) as machine:
        machine.install("Install", "Users by hand", "Configure")
        scheduler = machine.start("exec /usr/local/share/ekiden/service/ekiden-send/run")
        yield machine
        stop(machine, scheduler)


def activate(machine, way, arguments=""):
    process = machine.start(
        f"exec systemd-socket-activate -l '[::]:25' {WAYS[way]} {PROGRAM} {arguments}"
    )
    wait_for(machine.listens, what="systemd-socket-activate")
    return process


@pytest.fixture(params=WAYS)
def server(machine, request):
    process = activate(machine, request.param)
    yield machine
    end(process)
    wait_for(lambda: has_ended(machine, "ekiden-smtpd"), what="the end of ekiden-smtpd")
    assert not machine.listens()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_delivers(server, host):
    assert server.processes("ekiden-smtpd") == []  # nothing runs before the first client
    trace = deliver(server, message(f"from {host}"), host)
    assert ("[IPv6:::1]" if host == "::1" else f"[{host}]") in trace, trace


def test_processes(server):
    check_processes(server, keeper="root")
    check_processes(server, keeper="root", count=5)


@pytest.mark.parametrize("way", ["listen_fds", "listening_fd_0"])
def test_an_idle_listener_leaves(machine, way):
    """Whoever gave it the socket gets it back: the kernel keeps it for the next start."""
    process = activate(machine, way, "-i 1")
    deliver(machine, message("one"))
    assert process.wait(PATIENCE) == 0
    wait_for(lambda: has_ended(machine, "ekiden-smtpd"), what="that no process is left")


def test_check_of_the_configuration(machine):
    assert machine.run(PROGRAM, "-t") == ""
    control = machine.path("/etc/ekiden/relayclients")
    good = control.read_text()
    control.write_text("# a comment\n\nnonsense\n")
    try:
        said = machine.run(f"{PROGRAM} -t || echo exit $?")
        assert "/etc/ekiden/relayclients:3" in said and said.endswith("exit 100"), said
    finally:
        control.write_text(good)


@pytest.mark.parametrize(
    "addresses, hosts",
    [
        ("-l :25", ["127.0.0.1", "::1"]),
        ("-l 127.0.0.1:25", ["127.0.0.1"]),
        ("-l '[::1]:25'", ["::1"]),
        ("-l 127.0.0.1:25 -l '[::1]:25'", ["127.0.0.1", "::1"]),
    ],
)
def test_binds_addresses_itself(machine, addresses, hosts):
    process = machine.start(f"exec {PROGRAM} {addresses}")
    wait_for(machine.listens, what="the listener")
    for host in ("127.0.0.1", "::1"):
        if host in hosts:
            deliver(machine, message(f"to {host}"), host)
        else:
            with pytest.raises(ConnectionRefusedError):
                machine.connect(host=host)
    assert end(process) == 0
    wait_for(lambda: has_ended(machine, "ekiden-smtpd"), what="the end of ekiden-smtpd")
