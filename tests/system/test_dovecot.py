"""Mail for a domain of ours goes to Debian's Dovecot by LMTP: as doc/man/ekiden-control.5 has it under
smtproutes."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import USERS
from contents import assert_all, assert_same, contents
from instance import DOMAIN, PATIENCE, wait_for
from other_servers import Dovecot
from ports import free_port
from report import Report

pytestmark = [pytest.mark.root, pytest.mark.heavy, pytest.mark.needs("unshare", "dpkg-deb")]

MAIL_DOMAIN = "dovecot.test"
MANY = [f"many{number}" for number in range(120)]  # more than one transaction
REMOTE = USERS[4]  # the user of remote deliveries
ALICE = f"alice@{DOMAIN}"


@pytest.fixture(scope="module")
def dovecot(scratch, build, service_users):
    folder = Path(tempfile.mkdtemp(prefix="dovecot-", dir=scratch))
    folder.chmod(0o755)
    if reason := Dovecot.missing(build / "other-servers"):
        pytest.skip(f"dovecot: {reason}")
    server = Dovecot(folder, free_port(), MAIL_DOMAIN, ["bob", "full", *MANY], root=folder / "root",
                     remote=REMOTE, full=["full"])
    server.install(build / "other-servers")
    server.configure()
    process = subprocess.Popen(server.command(), stdin=subprocess.DEVNULL)
    wait_for((folder / "lmtp-nobody").exists, what="dovecot")
    yield server
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)


@pytest.fixture(params=["socket", "tcp"])
def ekiden(request, mode, make_instance, dovecot):
    """An instance that hands the domain over."""
    name = {"privileged": "lmtp-system", "unprivileged": "lmtp-nobody"}[mode]
    path = f"lmtp:{dovecot.folder}/{name}"
    route = path if request.param == "socket" else f"lmtp:127.0.0.1:{dovecot.port}"
    for user in dovecot.users:
        shutil.rmtree(dovecot.folder / "mail" / user, ignore_errors=True)
    return make_instance({"rcpthosts": f"{DOMAIN}\n{MAIL_DOMAIN}\n",
                          "smtproutes": f"{MAIL_DOMAIN}:{route}\n"})


def await_mail(server, user, count):
    wait_for(lambda: len(server.mailbox(user)) >= count, what=f"{count} messages for {user}")
    return server.mailbox(user)


def test_byte_for_byte(ekiden, dovecot):
    """Also a message of several chunks: Dovecot offers CHUNKING. Return-Path is Dovecot's."""
    sent = contents(3 << 20)
    for text in sent.values():
        with ekiden.session() as client:
            assert client.deliver(ALICE, [f"bob@{MAIL_DOMAIN}"], text, " BODY=8BITMIME").code == 250
            client.quit()
    arrived = await_mail(dovecot, "bob", len(sent))
    assert_all(arrived, sent)
    for one in arrived:
        assert one.startswith(b"Return-Path: <%s>\n" % ALICE.encode())
        assert one.count(b"\nDelivered-To:") + one.startswith(b"Delivered-To:") <= 1
        assert one.count(b"Return-Path:") == 1


def test_a_result_for_each_recipient(ekiden, dovecot):
    """One message: taken, unknown at RCPT, no room at the end of the message."""
    sent = contents(1000)["dots"]
    names = ["bob", "nobody", "full", "many1"]
    with ekiden.session() as client:
        recipients = [f"{name}@{MAIL_DOMAIN}" for name in names]
        assert client.deliver(ALICE, recipients, sent).code == 250
        client.quit()
    for user in ("bob", "many1"):
        (arrived,) = await_mail(dovecot, user, 1)
        assert_same(arrived, sent)
    (octets,) = ekiden.wait_for_mail("alice")
    fields = Report(octets, DOMAIN).status[1:]
    assert {one["Final-Recipient"]: one["Status"] for one in fields} == {
        f"rfc822; nobody@{MAIL_DOMAIN}": "5.1.1", f"rfc822; full@{MAIL_DOMAIN}": "5.2.2"}
    ekiden.wait_for_empty_queue()


def test_many_recipients(ekiden, dovecot):
    sent = contents(1000)["eight-bit"]
    with ekiden.session() as client:
        recipients = [f"{name}@{MAIL_DOMAIN}" for name in MANY]
        assert client.deliver(ALICE, recipients, sent, " BODY=8BITMIME").code == 250
        client.quit()
    for user in MANY:
        await_mail(dovecot, user, 1)
    ekiden.wait_for_empty_queue()
    for user in MANY:
        (arrived,) = dovecot.mailbox(user)
        assert_same(arrived, sent)
