"""The installation of INSTALL under tcpserver, with relaying decided by tcprules."""

import pytest

from deploy import check_processes, check_user_ports, deliver, end, message, stop
from instance import wait_for
from machine import Machine

pytestmark = [
    pytest.mark.root,
    pytest.mark.heavy,  # a sanitizer build has no seccomp filter, and does not fit the units
    pytest.mark.needs("unshare", "nsenter", "ip", "tcpserver", "tcprules"),
]

ELSEWHERE = "192.0.2.1"  # an address of the machine that no rule names


@pytest.fixture(scope="module")
def machine(build):
    with Machine(build) as machine:
        machine.install("Install", "Users by hand", "Configure", "tcpserver")
        machine.run(f"ip address add {ELSEWHERE}/32 dev lo")
        yield machine


@pytest.fixture
def server(machine):
    started = [
        machine.start(f"exec /etc/service/{name}/run")
        for name in ("ekiden-send", "ekiden-smtpd-tcpserver")
    ]
    wait_for(machine.listens, what="tcpserver")
    yield machine
    stop(machine, *started)


def test_users_submit(server):
    server.install("Certificate", "Users who send", "Users' ports: tcpserver")
    names = ("ekiden-submission-tcpserver", "ekiden-submissions-tcpserver")
    started = [server.start(f"exec /etc/service/{name}/run") for name in names]
    for port in (587, 465):
        wait_for(lambda: server.listens(port), what=f"tcpserver at {port}")
    check_user_ports(server, (587, 465))
    for process in started:
        end(process)


def set_rules(machine, text):
    machine.path("/etc/ekiden/tcp.smtp").write_text(text)
    machine.install("tcpserver")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", ELSEWHERE])
def test_delivers(server, host):
    trace = deliver(server, message(f"through tcpserver from {host}"), host)
    # The client's address is the socket's, in the form of RFC 5321 4.1.3.
    literal = "[IPv6:::1]" if host == "::1" else f"[{host}]"
    assert literal in trace, trace


def test_processes(server):
    check_processes(server, keeper="root")
    check_processes(server, keeper="root", count=5)


def test_relayclient_is_decided_by_tcprules(server):
    set_rules(server, '127.:allow,RELAYCLIENT=""\n:allow\n')
    for host, code in (("127.0.0.1", 250), (ELSEWHERE, 550), ("::1", 550)):
        with server.smtp(host=host) as client:
            client.docmd("MAIL FROM:<you@example.net>")
            answer = client.docmd("RCPT TO:<someone@other.example>")
            assert answer[0] == code, (host, answer)
            assert client.docmd("RCPT TO:<anna@example.org>")[0] == 250
    set_rules(server, ":allow\n")
    with server.smtp() as client:
        client.docmd("MAIL FROM:<you@example.net>")
        assert client.docmd("RCPT TO:<someone@other.example>")[0] == 550


def test_tcprules_turn_a_client_away(server):
    set_rules(server, f"{ELSEWHERE}:deny\n:allow\n")
    with server.connect(host=ELSEWHERE) as client:
        assert client.recv(4) == b""
    deliver(server, message("others are served"))
    set_rules(server, ":allow\n")


def test_a_session_sees_a_changed_control_file(server):
    """Each connection reads the configuration that there is."""
    rcpthosts = server.path("/etc/ekiden/rcpthosts")
    before = rcpthosts.read_text()
    for text, code in (("", 550), (before, 250)):
        rcpthosts.write_text(text)
        with server.smtp() as client:
            client.docmd("MAIL FROM:<you@example.net>")
            assert client.docmd("RCPT TO:<anna@example.org>")[0] == code
