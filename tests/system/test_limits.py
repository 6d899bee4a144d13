"""Load and exhaustion: section N of the attack cases, in seconds."""

import contextlib
import os
import resource
import signal
import socket

import pytest
from instance import DOMAIN, PATIENCE, SENDER, wait_for
from smtp_client import Closed, body_of

ALICE = f"alice@{DOMAIN}"
MESSAGE = b"Subject: limit\n\nbody\n"
MEMORY = 8192  # KiB


@pytest.fixture(autouse=True)
def many_descriptors():
    """Room for 1000 connections in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))


def check_memory(server):
    if not server.sanitized:
        for process in server.all_processes():
            assert process.peak_memory < MEMORY, f"{process}: {process.peak_memory} KiB"


def sources(count, each):
    """COUNT source addresses, EACH connections from each."""
    return [f"127.1.{number // each // 200}.{number // each % 200 + 1}" for number in range(count)]


def close_all(clients):
    for client in clients:
        client.close()


@pytest.mark.heavy
def test_a_thousand_idle_connections(make_instance):
    """N01: the next client is served as if they were not there."""
    server = make_instance({"concurrencyincoming": "1100\n"})
    clients = [server.connect(source) for source in sources(1000, 50)]
    try:
        for client in clients:
            assert client.reply().code == 220
        server.send(MESSAGE)
        server.wait_for_mail("alice")
        check_memory(server)
        sample = [p.private_memory for p in server.processes().get("smtpd-dialogue", [])][:200]
        if sample:
            print(f"private memory of a connection: {sum(sample) / len(sample):.0f} KiB")
    finally:
        close_all(clients)


def test_the_total_cap(make_instance):
    """N08: beyond concurrencyincoming 421 at once; those inside are served; room comes back."""
    server = make_instance({"concurrencyincoming": "20\n"})
    clients = [server.connect(source) for source in sources(20, 2)]
    try:
        for client in clients:
            assert client.reply().code == 220
        with server.connect("127.1.9.9") as one_more:
            answer = one_more.reply()
            assert (answer.code, answer.enhanced) == (421, "4.3.2"), answer
            assert one_more.is_closed()
        assert clients[7].command("EHLO client.example").code == 250
        assert clients[7].deliver(SENDER, [ALICE], MESSAGE).code == 250
    finally:
        close_all(clients)
    wait_for(lambda: is_welcome(server), what="room for another session")
    server.wait_for_mail("alice")


def is_welcome(server, source=None):
    with server.connect(source) as client:
        return client.reply().code == 220


def test_the_cap_of_an_address(make_instance):
    """N08: one address fills its own share only."""
    server = make_instance({"concurrencyperip": "5\n"})
    clients = [server.connect("127.1.1.1") for _ in range(5)]
    try:
        for client in clients:
            assert client.reply().code == 220
        with server.connect("127.1.1.1") as one_more:
            answer = one_more.reply()
            assert (answer.code, answer.enhanced) == (421, "4.7.0"), answer
        assert is_welcome(server, "127.1.1.2")
    finally:
        close_all(clients)
    wait_for(lambda: is_welcome(server, "127.1.1.1"), what="room for this address")


def test_caps_survive_killed_sessions(make_instance):
    """A session that dies by a signal gives its place back."""
    server = make_instance({"concurrencyperip": "3\n"})
    for _ in range(4):
        clients = wait_for(lambda: connect_all(server, 3), what="room for three")
        kill_dialogues(server)
        for client in clients:
            assert client.is_closed()
        close_all(clients)
    wait_for(lambda: is_welcome(server), what="room for this address")
    server.expected_signals = True


def connect_all(server, count):
    """COUNT connections, all of them welcome; or None."""
    clients = [server.connect() for _ in range(count)]
    if all(client.reply().code == 220 for client in clients):
        return clients
    close_all(clients)
    return None


def kill_dialogues(server):
    """Those that serve, and the spares beside them."""
    for process in server.processes()["smtpd-dialogue"]:
        with contextlib.suppress(ProcessLookupError):  # one of those before, at its end
            os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("count", [2000])
def test_connect_and_close(instance, count):
    """N02, in seconds."""
    for number in range(count):
        source = f"127.2.{number % 50}.{number % 200 + 1}"
        socket.create_connection(("127.0.0.1", instance.port), PATIENCE, (source, 0)).close()
    wait_for(lambda: is_welcome(instance), what="the next client's turn")
    instance.send(MESSAGE)
    instance.wait_for_mail("alice")
    wait_for(lambda: len(instance.all_processes()) < 20, what="the end of their processes")


@pytest.mark.parametrize("count", [200])
def test_slow_clients(make_instance, count):
    """N03: 200 that stop in the midst of a line, of a group of commands, of the data."""
    server = make_instance({"concurrencyincoming": "400\n"})
    stops = [b"", b"EHLO slow", b"EHLO x\r\nMAIL FROM:<", b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<"]
    stops.append(f"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\nSubject: ".encode())
    slow = [server.connect(source) for source in sources(count, 20)]
    try:
        for number, client in enumerate(slow):
            client.send(stops[number % len(stops)])
        for _ in range(50):
            server.send(MESSAGE)
        server.wait_for_mail("alice", 50)
        check_memory(server)
    finally:
        close_all(slow)
    server.wait_for_empty_queue()
    assert len(server.mailbox("alice")) == 50


def test_timeout(make_instance):
    """RFC 5321 4.5.3.2: a silent client is told, and closed."""
    server = make_instance({"timeoutsmtpd": "2\n"})
    with server.connect() as client:
        assert client.reply().code == 220
        answer = client.reply()
        assert answer.code in (421, 451), answer
        assert client.is_closed()
    with server.connect() as client:
        assert client.reply().code == 220
        # In one write: this client is not silent before it means to be.
        client.send(
            f"EHLO client.example\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\n"
            "Subject: unfinished\r\n\r\nbody\r\n"
        )
        assert [client.reply().code for _ in range(4)] == [250, 250, 250, 354]
        try:
            assert client.reply().code in (421, 451)
        except Closed:
            pass
        assert client.is_closed()
    server.wait_for_empty_queue()
    assert not server.mailbox("alice")
    give_time(server, "timeoutsmtpd")


def give_time(server, name):
    """The setting NAME has its default again: what comes now may take its time."""
    server.remove(name)
    wait_for(lambda: "ekiden-smtpd: event=configuration-loaded" in server.log_text(), what="the default")
    server.wait_for_new_template()


def test_timeout_of_a_session(make_instance):
    """A client that always says something in time is ended too."""
    server = make_instance({"timeoutsession": "2\n"})
    with server.session() as client:

        def over():
            try:
                return client.command("NOOP").code == 421
            except (Closed, BrokenPipeError, ConnectionResetError):
                return True

        wait_for(over, what="the end of the session")
    give_time(server, "timeoutsession")


@pytest.mark.parametrize("count", [20_000])
def test_very_many_recipients(server, count):
    """N06: maxrcpt are accepted, then 452 4.5.3 (or the end, at some time); memory stays flat."""
    with server.session() as client:
        client.envelope(SENDER, [])
        codes = []
        try:
            for start in range(0, count, 1000):
                lines = (f"RCPT TO:<alice-{start + n}@{DOMAIN}>\r\n" for n in range(1000))
                client.send("".join(lines))
                codes += [client.reply().code for _ in range(1000)]
        except (Closed, BrokenPipeError, ConnectionResetError):
            assert codes[-1:] == [421] or len(codes) >= 1000
        check_memory(server)
        assert codes[:1000] == [250] * 1000
        assert set(codes[1000:]) <= {452, 421}, set(codes[1000:])


def test_maxrcpt(make_instance):
    server = make_instance({"maxrcpt": "100\n"})
    with server.session() as client:
        client.envelope(SENDER, [f"alice-{number}@{DOMAIN}" for number in range(100)])
        answer = client.command(f"RCPT TO:<bob@{DOMAIN}>")
        assert (answer.code, answer.enhanced) == (452, "4.5.3"), answer
        assert client.data(b"Subject: hundred\r\n\r\nbody\r\n.\r\n").code == 250
        assert client.deliver(SENDER, [f"bob@{DOMAIN}"], MESSAGE).code == 250
    server.wait_for_mail("alice", 100)
    server.wait_for_mail("bob", 1)


@pytest.mark.parametrize("count", [2000])
def test_many_messages_in_a_session(instance, count):
    """N07: pipelined, 50 at a time."""
    one = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\nSubject: %d\r\n\r\nbody\r\n.\r\n"
    with instance.session() as client:
        for start in range(0, count, 50):
            client.send("".join(one % number for number in range(start, start + 50)))
            codes = [client.reply().code for _ in range(200)]
            assert codes == [250, 250, 354, 250] * 50
        check_memory(instance)
        client.quit()
    messages = instance.wait_for_mail("alice", count, timeout=120)
    assert len({body_of(message) for message in messages}) == count
    check_memory(instance)
