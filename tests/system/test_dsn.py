"""DSN (RFC 3461, 3464, 6533): what a sender asks for is kept on the whole way, and told once."""

import os
import subprocess

import pytest
from hostile_server import HostileServer
from instance import DOMAIN, PATIENCE
from report import Report
from smtp_client import to_wire

OLD = "Old.Bob+2Bx@old.test"  # in xtext


@pytest.fixture
def make(make_instance):
    """Makes an instance of a name, which also takes mail of its users for NAME.test."""
    def make(name, **control):
        return make_instance({
            "me": f"{name}.test\n",
            "locals": f"{DOMAIN}\n{name}.test\n",
            "rcpthosts": f"{DOMAIN}\n{name}.test\n",
            "relayclients": "127.0.0.1\n",
            "users": "alice\nbob\njürgen\npostmaster:alice\n",
            **control,
        })

    return make


def send(instance, sender, recipients, asked="", text=b"Subject: x\n\nhello\n"):
    """RECIPIENTS: address -> what RCPT asks for."""
    with instance.session() as client:
        assert client.command(f"MAIL FROM:<{sender}>{asked}").code == 250
        for address, parameters in recipients.items():
            answer = client.command(f"RCPT TO:<{address}> {parameters}")
            assert answer.code == 250, answer
        assert client.data(to_wire(text)).code == 250
        client.quit()


def told(instance, host, count=1, user="alice"):
    """Waits for COUNT reports, and no more: (action, recipient) -> the fields of the message, those of
    the recipient, and the report."""
    found = {}
    for mail in instance.wait_for_mail(user, count):
        report = Report(mail, host)
        for fields in report.status[1:]:
            recipient = fields["Final-Recipient"].split("; ", 1)[1]
            found[fields["Action"], recipient] = (report.status[0], fields, report)
    return found


def test_what_is_delivered_here(make):
    instance = make("one")
    send(instance, "alice@one.test", {
        "bob@one.test": f"NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;{OLD}",
        "jürgen@one.test": "NOTIFY=SUCCESS ORCPT=utf-8;jürgen@älter.test",
        "postmaster@one.test": "NOTIFY=NEVER",
    }, " SMTPUTF8 ENVID=QQ+2B314 RET=FULL")  # fmt: skip
    # The last recipient is the sender himself: his mail, and one report of the two others.
    mails = instance.wait_for_mail("alice", 2)
    (report,) = (Report(mail, "one.test") for mail in mails if b"multipart/report" in mail)
    assert report.status[0]["Original-Envelope-Id"] == "QQ+314"
    assert [(fields["Action"], fields["Original-Recipient"], fields["Final-Recipient"])
            for fields in report.status[1:]] == [
        ("delivered", "rfc822; Old.Bob+x@old.test", "rfc822; bob@one.test"),
        ("delivered", "utf-8; jürgen@älter.test", "utf-8; jürgen@one.test"),
    ]
    assert report.part(1)[0] == "message/global-delivery-status"
    assert report.original[0] == "text/rfc822-headers"
    instance.wait_for_empty_queue()


def test_two_instances(make):
    """What the other one offers is passed on, and it reports; what it refuses we report."""
    one, two = make("one"), make("two")
    one.set_at_once("smtproutes", f"two.test:127.0.0.1:{two.port}\n")
    two.set_at_once("smtproutes", f"one.test:127.0.0.1:{one.port}\n")
    send(one, "alice@one.test", {
        "bob@two.test": f"NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;{OLD}",
        "alice@two.test": "NOTIFY=FAILURE",
        "nobody1@two.test": f"NOTIFY=FAILURE ORCPT=rfc822;{OLD}",
        "nobody2@two.test": "NOTIFY=NEVER",
        "nobody3@two.test": "NOTIFY=SUCCESS,DELAY",
        "nobody4@two.test": "",
    }, " ENVID=both+20ways RET=HDRS")  # fmt: skip
    mails = one.wait_for_mail("alice", 2)
    by_two = [mail for mail in mails if b"MAILER-DAEMON@two.test" in mail]
    by_one = [mail for mail in mails if b"MAILER-DAEMON@one.test" in mail]
    (report,) = (Report(mail, "two.test") for mail in by_two)
    assert report.status[0]["Original-Envelope-Id"] == "both ways"
    assert report.status[1]["Action"] == "delivered"
    assert report.status[1]["Original-Recipient"] == "rfc822; Old.Bob+x@old.test"
    (report,) = (Report(mail, "one.test") for mail in by_one)
    assert report.recipients_reported == ["nobody1@two.test", "nobody4@two.test"]
    assert report.status[0]["Original-Envelope-Id"] == "both ways"
    assert report.status[1]["Original-Recipient"] == "rfc822; Old.Bob+x@old.test"
    assert report.original[0] == "text/rfc822-headers"
    two.wait_for_mail("bob", 1)
    for instance in (one, two):
        instance.wait_for_empty_queue()


def test_servers_with_and_without(make):
    instance = make("one")
    with (HostileServer({}, ["DSN", "PIPELINING"]) as offers,
          HostileServer({}, ["PIPELINING"]) as lacks):
        instance.set_at_once("smtproutes", f"offers.test:127.0.0.1:{offers.port}\n"
                                           f"lacks.test:127.0.0.1:{lacks.port}\n")
        send(instance, "alice@one.test", {
            "a@offers.test": f"NOTIFY=DELAY,SUCCESS ORCPT=rfc822;{OLD}",
            "b@offers.test": "NOTIFY=NEVER",
            "c@offers.test": "ORCPT=utf-8;jürgen@x.test",
            "a@lacks.test": f"NOTIFY=SUCCESS ORCPT=rfc822;{OLD}",
            "b@lacks.test": "NOTIFY=FAILURE",
        }, " SMTPUTF8 ENVID=a+3Db RET=FULL")  # fmt: skip
        found = told(instance, "one.test")
        instance.wait_for_empty_queue()
    assert list(found) == [("relayed", "a@lacks.test")]
    head, fields, report = found["relayed", "a@lacks.test"]
    assert head["Original-Envelope-Id"] == "a=b"
    assert fields["Original-Recipient"] == "rfc822; Old.Bob+x@old.test"
    assert fields["Remote-MTA"] == "dns; [127.0.0.1]" and fields["Status"] == "2.0.0"
    assert sorted(line for line in offers.commands if line[:4] in (b"MAIL", b"RCPT")) == [
        b"MAIL FROM:<alice@one.test> RET=FULL ENVID=a+3Db",
        b"RCPT TO:<a@offers.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;" + OLD.encode(),
        b"RCPT TO:<b@offers.test> NOTIFY=NEVER",
        b"RCPT TO:<c@offers.test> ORCPT=utf-8;j\\x{FC}rgen@x.test",
    ]
    assert [line for line in lacks.commands if b" ENVID" in line or b" NOTIFY" in line] == []


def test_forwards(make):
    """RFC 3461 5.2.7: one address in place of another keeps all; of several only the fork is told; a list
    with an owner is where the way ends."""
    instance = make("one", aliases="single: bob@one.test\nseveral: bob, jürgen\nlist: bob, jürgen\n"
                                   "owner-list: postmaster\nbroken: nobody\nbroken2: nobody, bob\n")
    send(instance, "alice@one.test", {
        f"single@{DOMAIN}": f"NOTIFY=SUCCESS ORCPT=rfc822;{OLD}",
        f"several@{DOMAIN}": "NOTIFY=SUCCESS",
        f"list@{DOMAIN}": "NOTIFY=SUCCESS,FAILURE",
        f"broken@{DOMAIN}": "NOTIFY=NEVER",
        f"broken2@{DOMAIN}": "NOTIFY=SUCCESS",
    }, " ENVID=id RET=HDRS")  # fmt: skip
    instance.wait_for_empty_queue()
    found = told(instance, "one.test", 2)
    assert sorted(found) == [
        ("delivered", "bob@one.test"),
        ("delivered", f"list@{DOMAIN}"),
        ("expanded", f"broken2@{DOMAIN}"),
        ("expanded", f"several@{DOMAIN}"),
    ]
    head, fields, _ = found["delivered", "bob@one.test"]
    assert head["Original-Envelope-Id"] == "id"
    assert fields["Original-Recipient"] == "rfc822; Old.Bob+x@old.test"
    instance.wait_for_mail("bob", 4)
    instance.wait_for_mail("jürgen", 2)


def sendmail(instance, *arguments, code=0):
    environment = {**os.environ, "EKIDEN_CONTROL": str(instance.control),
                   "EKIDEN_INJECT": str(instance.folder / "inject")}
    done = subprocess.run(instance.command("sendmail", "-f", "alice@one.test", *arguments),
                          input=b"Subject: x\n\nhello\n", env=environment, timeout=PATIENCE)
    assert done.returncode == code


def test_sendmail(make):
    instance = make("one", aliases="broken: nobody@one.test\n")
    sendmail(instance, "-N", "success,delay", "-V", "x+2By", "bob@one.test")
    sendmail(instance, "-Nnever", f"broken@{DOMAIN}")
    sendmail(instance, "-Rhdrs", f"broken@{DOMAIN}")
    instance.wait_for_empty_queue()
    found = told(instance, "one.test", 2)
    assert sorted(found) == [("delivered", "bob@one.test"), ("failed", "nobody@one.test")]
    assert found["delivered", "bob@one.test"][0]["Original-Envelope-Id"] == "x+y"
    assert found["failed", "nobody@one.test"][2].original[0] == "text/rfc822-headers"
    for wrong in (("-N", "always"), ("-N", "never,success"), ("-R", "some"), ("-V", "a=b")):
        sendmail(instance, *wrong, "bob@one.test", code=64)
