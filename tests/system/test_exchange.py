"""Two instances exchange mail, byte for byte; and the path of an operator's first five minutes."""

import os
import re
import subprocess

import pytest
from contents import assert_all, assert_same, contents, message
from hostile_server import HostileServer
from instance import DOMAIN, PATIENCE, wait_for
from report import Report
from smtp_client import to_wire

BIG = 20 << 20
EIGHT_BIT = " BODY=8BITMIME"


@pytest.fixture
def two(make_instance):
    """Two instances: mail of each for the other goes to the other's port."""
    made = {}
    for name in ("one", "two"):
        control = {
            "me": f"{name}.test\n",
            "locals": f"{DOMAIN}\n{name}.test\n",
            "rcpthosts": f"{DOMAIN}\n{name}.test\n",
            "relayclients": "127.0.0.1\n",
            "users": "alice\nbob\njürgen\n日本\npostmaster:alice\n",
        }
        made[name] = make_instance(control)
    for name, other in (("one", "two"), ("two", "one")):
        made[name].set_at_once("smtproutes", f"{other}.test:127.0.0.1:{made[other].port}\n")
    return made


def submit(instance, messages, recipients, sender="alice@one.test", parameters=EIGHT_BIT):
    with instance.session() as client:
        for text in messages:
            answer = client.deliver(sender, recipients, text, parameters)
            assert answer.code == 250, answer
        client.quit()


@pytest.mark.parametrize("sender, receiver", [("one", "two"), ("two", "one")])
def test_two_instances(two, sender, receiver):
    sent = contents(BIG)
    submit(two[sender], sent.values(), [f"bob@{receiver}.test"], f"alice@{sender}.test")
    assert_all(two[receiver].wait_for_mail("bob", len(sent)), sent)
    two[sender].wait_for_empty_queue()


def test_two_instances_in_UTF_8(two):
    """Addresses and header fields in UTF-8, there and, as a report, back again."""
    text = message("utf-8", "Grüße aus 東京\n".encode(), subject="Ünïcödé 日本".encode())
    submit(two["one"], [text], ["日本@two.test", "bob@two.test", "kein-jürgen@two.test"],
           "jürgen@one.test", EIGHT_BIT + " SMTPUTF8")
    for name in ("日本", "bob"):
        assert_same(two["two"].wait_for_mail(name)[0], text)
    report = Report(two["one"].wait_for_mail("jürgen")[0], "one.test")
    assert report.recipients_reported == ["kein-jürgen@two.test"]
    assert report.status[1]["Status"] == "5.1.1"
    two["one"].wait_for_empty_queue()


def test_first_five_minutes(make_instance):
    """smtproutes to a smarthost, a message by `sendmail -t`: it is there, complete."""
    instance = make_instance()
    draft = (b"To: Bert <bert@elsewhere.example>\nCc: cleo@elsewhere.example\n"
             b"Bcc: dora@secret.example\nSubject: hello\n\n.\nthe first one\n")  # fmt: skip
    with HostileServer({}, ["PIPELINING", "8BITMIME"]) as smarthost:
        instance.set_at_once("smtproutes", f":127.0.0.1:{smarthost.port}\n")
        environment = {
            **os.environ,
            "EKIDEN_CONTROL": str(instance.control),
            "EKIDEN_INJECT": str(instance.folder / "inject"),
        }
        subprocess.run(instance.command("sendmail", "-t", "-i"), input=draft, check=True,
                       env=environment, timeout=PATIENCE)
        wait_for(lambda: len(smarthost.messages) == 1, PATIENCE, "the message")
        instance.wait_for_empty_queue()
    recipients = {line for line in smarthost.commands if line.startswith(b"RCPT")}
    assert recipients == {b"RCPT TO:<%s>" % name for name in (
        b"bert@elsewhere.example", b"cleo@elsewhere.example", b"dora@secret.example")}
    (arrived,) = smarthost.messages
    header, _, body = arrived.partition(b"\r\n\r\n")
    assert body == to_wire(b".\nthe first one\n").removesuffix(b".\r\n")
    assert b"dora" not in header
    for name in (b"Date", b"Message-ID", b"From", b"To", b"Cc", b"Subject"):
        assert len(re.findall(rb"^%s: " % name, header, re.M | re.I)) == 1, header
