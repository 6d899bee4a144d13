"""The whole way: SMTP, queue, and the home folders of this machine's accounts."""

import os
from pathlib import Path

import pytest
from instance import DOMAIN, wait_for
from report import Report
from test_launch import FIRST_UID, IS_ROOT, can_unshare

CONTROL = {"systemusers": "ann\nben\n"}
ANN, BEN = f"ann@{DOMAIN}", f"ben@{DOMAIN}"

pytestmark = pytest.mark.skipif(not can_unshare(), reason="no mount namespaces here")


class Accounts:
    """ann and ben, in an /etc/passwd that the instance alone sees."""

    def __init__(self, instance):
        self.instance = instance
        lines = Path("/etc/passwd").read_text().splitlines()
        self.owner = {}
        for index, name in enumerate(("ann", "ben")):
            uid = gid = FIRST_UID + index
            if instance.mode == "unprivileged":
                uid, gid = (65534, 65534) if IS_ROOT else (os.getuid(), os.getgid())
            home = instance.folder / "home" / name
            home.mkdir(parents=True, mode=0o755)
            os.chown(home, uid, gid)
            self.owner[name] = (uid, gid)
            lines.append(f"{name}:x:{uid}:{gid}::{home}:/bin/sh")
        passwd = instance.folder / "passwd"
        passwd.write_text("\n".join(lines) + "\n")
        outer = ["unshare", "-m"]
        inner = 'mount --bind "$0" /etc/passwd && exec "$@"'
        if not IS_ROOT:
            outer = ["unshare", "-Um", "--keep-caps", f"--map-user={os.getuid()}",
                     f"--map-group={os.getgid()}"]
            inner = inner.replace("exec", "exec setpriv --ambient-caps=-all --inh-caps=-all")
        command = instance.command
        instance.command = lambda name, *rest: [*outer, "sh", "-c", inner, str(passwd),
                                                *command(name, *rest)]

    def write(self, user, name, text):
        path = self.instance.folder / "home" / user / name
        path.write_text(text)
        path.chmod(0o600)
        os.chown(path, *self.owner[user])

    def mail(self, user):
        new = self.instance.folder / "home" / user / "Maildir/new"
        return [path.read_bytes() for path in sorted(new.iterdir())] if new.is_dir() else []

    def wait_for_mail(self, user, count=1):
        try:
            wait_for(lambda: len(self.mail(user)) >= count, what=f"{count} messages for {user}")
        except AssertionError as e:
            raise AssertionError(self.instance.log_text())
        self.instance.wait_for_empty_queue()
        messages = self.mail(user)
        assert len(messages) == count, messages
        return messages


@pytest.fixture
def accounts(make_instance):
    instance = make_instance(start=False)
    made = Accounts(instance)
    instance.start()
    return made


def test_mail_comes_home(accounts):
    accounts.instance.send(b"Subject: hello\n\nbody\n", ANN, BEN)
    (message,) = accounts.wait_for_mail("ann")
    assert message.startswith(f"Return-Path: <{BEN}>\nDelivered-To: {ANN}\nReceived:".encode())
    assert message.endswith(b"\nSubject: hello\n\nbody\n")
    (path,) = (accounts.instance.folder / "home/ann/Maildir/new").iterdir()
    assert (path.stat().st_uid, path.stat().st_gid) == accounts.owner["ann"]


def test_forwards_and_programs(accounts):
    """A list of ann's reaches ben, with its owner as the sender; a program sees it on its way."""
    accounts.write("ann", ".qmail-list", f"|cat > seen\n&{BEN}\n")
    accounts.write("ann", ".qmail-list-owner", "./Maildir/\n")
    accounts.instance.send(b"Subject: hello\n\nbody\n", f"ann-list@{DOMAIN}", BEN)
    (message,) = accounts.wait_for_mail("ben")
    fields = message.decode().split("\n")
    assert fields[0] == f"Return-Path: <ann-list-owner@{DOMAIN}>"
    assert fields[1] == f"Delivered-To: {BEN}"
    assert f"Delivered-To: ann-list@{DOMAIN}" in fields
    seen = (accounts.instance.folder / "home/ann/seen").read_bytes()
    assert seen.endswith(b"\nSubject: hello\n\nbody\n") and b"Delivered-To" not in seen


def test_reports_of_forwards(accounts):
    """RFC 3461: a forward and nothing else keeps what the sender asks for; beside a mailbox it is the
    mailbox that is told of."""
    instance = accounts.instance
    accounts.write("ann", ".qmail-away", f"&{BEN}\n")
    accounts.write("ann", ".qmail-both", f"&{BEN}\n./mbox\n")
    with instance.session() as client:
        client.command(f"MAIL FROM:<{BEN}> ENVID=x")
        for name in ("away", "both"):
            assert client.command(f"RCPT TO:<ann-{name}@{DOMAIN}> NOTIFY=SUCCESS").code == 250
        assert client.data(b"Subject: hello\r\n\r\nbody\r\n.\r\n").code == 250
    reports = [mail for mail in accounts.wait_for_mail("ben", 4) if b"multipart/report" in mail]
    told = [Report(mail, DOMAIN).status[1] for mail in reports]
    assert sorted((fields["Action"], fields["Final-Recipient"]) for fields in told) == [
        ("delivered", f"rfc822; ann-both@{DOMAIN}"),
        ("delivered", f"rfc822; {BEN}"),
    ]


def test_a_circle_ends(accounts):
    """H05: ann to ben to ann; it ends with one report."""
    accounts.write("ann", ".qmail-loop", f"ben-loop@{DOMAIN}\n")
    accounts.write("ben", ".qmail-loop", f"ann-loop@{DOMAIN}\n")
    accounts.instance.send(b"Subject: round\n\nbody\n", f"ann-loop@{DOMAIN}", BEN)
    (report,) = accounts.wait_for_mail("ben")
    assert report.startswith(b"Return-Path: <>\n")
    assert b"5.4.6" in report


def test_a_program_that_refuses(accounts):
    """Its words come back to the sender, and nothing else of the account."""
    accounts.write("ann", ".qmail", "|echo 'Ann has moved (#5.1.6)'; exit 100\n")
    accounts.instance.send(b"Subject: x\n\nbody\n", ANN, BEN)
    (report,) = accounts.wait_for_mail("ben")
    assert b"Ann has moved" in report and b"5.1.6" in report
    assert b"/home/ann" not in report


def test_one_slow_account_does_not_stop_all(make_instance, mode):
    """All places of local delivery are taken by what waits behind a program of ann's: it is put
    off, and others are served."""
    if mode == "privileged":
        pytest.skip("the same for both, and it takes a while")
    instance = make_instance({"concurrencylocal": "3\n", "users": "alice\npostmaster:alice\n"},
                             start=False)
    accounts = Accounts(instance)
    accounts.write("ann", ".qmail", '|test "$SENDER" || sleep 300\n')
    instance.accepts_mail = False
    instance.start()
    for _ in range(8):
        instance.send(b"\nslow\n", ANN, "")
    instance.send(b"\nbody\n", f"alice@{DOMAIN}")
    instance.wait_for_mail("alice")
    assert "delivery-killed" not in instance.log_text()
    instance.kill()  # a program that sleeps would hold up the end
