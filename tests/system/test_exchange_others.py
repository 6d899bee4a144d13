"""Ekiden exchanges mail with Debian's Postfix, Exim and OpenSMTPD, byte for byte, both ways.

All of them run in one machine's network; see other_servers.py.
"""

import re
from email import message_from_bytes

import oracle
import pytest
from conftest import discard
from contents import OF_OTHERS, assert_all, assert_same, contents, message
from instance import DOMAIN, Instance, wait_for
from machine import Machine
from other_servers import Exim, OpenSMTPD, Postfix
from report import Report
from smtp_client import Client

pytestmark = [
    pytest.mark.root,
    pytest.mark.heavy,
    pytest.mark.needs("unshare", "nsenter", "ip", "dpkg-deb"),
]

BIG = 20 << 20
MANY = [f"many{number}" for number in range(300)]
USERS = ["alice", "bob", *MANY]
KINDS = {kind.name: kind for kind in (Postfix, Exim, OpenSMTPD)}
SENDER = f"alice@{DOMAIN}"


@pytest.fixture(scope="module")
def machine(build):
    with Machine(build) as machine:
        yield machine


@pytest.fixture(scope="module")
def ekiden(machine, scratch, programs, service_users):
    ports = {kind: 2601 + number for number, kind in enumerate(KINDS)}
    control = {
        "relayclients": "127.0.0.1\n",
        "users": "\n".join([*USERS, "jürgen", "postmaster:alice"]) + "\n",
        "smtproutes": "".join(f"{kind}.test:127.0.0.1:{port}\n" for kind, port in ports.items()),
        "concurrencyincoming": "1000\n",
    }
    instance = Instance(scratch / "exchange-others", programs, "privileged", control=control)
    instance.machine = machine
    yield instance.start()
    try:
        assert instance.stop() == 0
        oracle.check_log(instance)
    finally:
        discard(instance)


@pytest.fixture(scope="module")
def others(machine, build, ekiden):
    """The servers that have been started, by name."""
    started = {}

    def other(name):
        """The server, running: started when it is first asked for."""
        if name not in started:
            kind = KINDS[name]
            if reason := kind.missing(build / "other-servers"):
                pytest.skip(f"{name}: {reason}")
            server = kind(f"/srv/{name}", 2601 + list(KINDS).index(name), f"{name}.test",
                          [*USERS, "jürgen"], ekiden.port, f"/proc/{machine.pid}/root")
            server.install(build / "other-servers")
            server.configure()
            settings = [f"{key}={value}" for key, value in server.environment.items()]
            machine.start("env", *settings, *server.command())
            wait_for(lambda: machine.listens(server.port), what=f"{name}, {machine.log()}")
            started[name] = server
        return started[name]

    return other


@pytest.fixture
def mailboxes(machine, ekiden):
    """Empty ones."""
    ekiden.empty_mailboxes()
    for path in machine.path("/srv").glob("*/mail/*/Maildir/new/*"):
        path.unlink()


def submit(server, messages, recipients, sender=SENDER, parameters=" BODY=8BITMIME"):
    """Hands MESSAGES in to Ekiden or to another server."""
    for text in messages:
        with server() as client:
            client.greet()
            answer = client.deliver(sender, recipients, text, parameters)
            assert answer.code == 250, answer
            client.quit()


def await_mail(server, machine, user, count):
    try:
        wait_for(lambda: len(server.mailbox(user)) >= count, what=f"{count} messages for {user}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{machine.log()[-4000:]}") from None
    return server.mailbox(user)


@pytest.fixture
def exchange(machine, ekiden, others, mailboxes):
    """exchange(name, way) -> (submit at, receiver, domain, fields that may be added)."""

    def ends(name, way):
        other = others(name)

        def client():
            return Client(other.port, connected=machine.connect(other.port))

        if way == "to":
            return ekiden.connect, other, other.domain, OF_OTHERS
        return client, ekiden, DOMAIN, ()

    return ends


@pytest.mark.parametrize("way", ["to", "from"])
@pytest.mark.parametrize("name", KINDS)
def test_byte_for_byte(machine, exchange, name, way):
    source, receiver, domain, added = exchange(name, way)
    sent = contents(BIG)
    submit(source, sent.values(), [f"bob@{domain}"])
    assert_all(await_mail(receiver, machine, "bob", len(sent)), sent, added)


CHUNKED = {  # what the log of a server says of BDAT
    ("postfix", "to"): ("log", r"disconnect from .* bdat=\d"),
    ("exim", "to"): ("spool/log-main", r" <= .* K "),
    ("exim", "from"): ("spool/log-main", r" => .* K "),
}


@pytest.mark.parametrize("name, way", CHUNKED, ids=" ".join)
def test_BDAT_is_spoken(machine, others, exchange, name, way):
    """By all who know it: what goes byte for byte above goes by chunks."""
    source, receiver, domain, added = exchange(name, way)
    sent = contents(3 << 20)["big"]
    submit(source, [sent], [f"bob@{domain}"])
    (arrived,) = await_mail(receiver, machine, "bob", 1)
    assert_same(arrived, sent, added)
    log, line = CHUNKED[name, way]
    path = others(name).outside(log)
    wait_for(lambda: re.search(line, path.read_text()), what=f"{line} in {path.read_text()[-1000:]}")


@pytest.mark.parametrize("way", ["to", "from"])
@pytest.mark.parametrize("name", KINDS)
def test_many_recipients(machine, exchange, ekiden, name, way):
    """Each has it, once."""
    source, receiver, domain, added = exchange(name, way)
    sent = contents(1000)["dots"]
    submit(source, [sent], [f"{user}@{domain}" for user in MANY])
    for user in MANY:
        await_mail(receiver, machine, user, 1)
    ekiden.wait_for_empty_queue()
    for user in MANY:
        (arrived,) = receiver.mailbox(user)
        assert_same(arrived, sent, added)


@pytest.mark.parametrize("way", ["to", "from"])
@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_UTF_8(machine, exchange, name, way):
    source, receiver, domain, added = exchange(name, way)
    sent = message("utf-8", "Grüße aus 東京\n".encode(), subject="Ünïcödé 日本".encode())
    submit(source, [sent], [f"jürgen@{domain}"], "jürgen@sender.test",
           " BODY=8BITMIME SMTPUTF8")
    (arrived,) = await_mail(receiver, machine, "jürgen", 1)
    assert_same(arrived, sent, added)


def test_no_UTF_8(machine, exchange, ekiden):
    """OpenSMTPD has no SMTPUTF8: what needs it comes back, and what does not need it passes."""
    source, receiver, domain, added = exchange("opensmtpd", "to")
    sent = {"utf-8": message("utf-8", b"x\n", subject="Ünïcödé".encode()),
            "plain": message("plain", "Grüße\n".encode())}  # fmt: skip
    submit(source, sent.values(), [f"bob@{domain}"], parameters=" BODY=8BITMIME SMTPUTF8")
    assert_all(await_mail(receiver, machine, "bob", 1), {"plain": sent["plain"]}, added)
    (report,) = ekiden.wait_for_mail("alice")
    report = Report(report, DOMAIN)
    assert report.recipients_reported == [f"bob@{domain}"]
    assert report.status[1]["Status"] == "5.6.7"


@pytest.mark.parametrize("way", ["to", "from"])
def test_DSN(machine, exchange, ekiden, others, way):
    """RFC 3461: who delivers tells the sender, as he asked, in his words. (Exim offers it to nobody by
    itself.)"""
    source, receiver, domain, _ = exchange("postfix", way)
    reader, home = (ekiden, DOMAIN) if way == "to" else (others("postfix"), "postfix.test")
    with source() as client:
        client.greet()
        for command in (f"MAIL FROM:<alice@{home}> RET=HDRS ENVID=both+2Bways",
                        f"RCPT TO:<bob@{domain}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;B+2Bb@old.test"):
            answer = client.command(command)
            assert answer.code == 250, answer
        assert client.data(b"Subject: x\r\n\r\nbody\r\n.\r\n").code == 250
        client.quit()
    await_mail(receiver, machine, "bob", 1)
    (report,) = await_mail(reader, machine, "alice", 1)
    status = next(part for part in message_from_bytes(report).walk()
                  if part.get_content_type() == "message/delivery-status")
    whole, bob = status.get_payload()
    assert whole["Original-Envelope-Id"] == "both+ways"
    assert bob["Original-Recipient"].replace(" ", "") == "rfc822;B+b@old.test"
    assert bob["Final-Recipient"].replace(" ", "") == f"rfc822;bob@{domain}"
    assert bob["Action"].split(" ")[0] == "delivered" and bob["Status"].startswith("2.")
