"""What our users send leaves under a signed sender; what comes back to it finds them, and reports on
mail that we never sent are refused by choice."""

import hashlib
import hmac
import os
import subprocess
import time

import certificates
import pytest
from hostile_server import HostileServer
from instance import DOMAIN, PATIENCE, wait_for
from remote import Sink
from submitter import logged_in

KEY, OLD = "the key of today", "the key of the year before"
ALICE = f"alice@{DOMAIN}"
FRIEND = "friend@remote.example"
SINK = "127.0.0.2"
CLIENT = "127.0.0.9"  # may relay
BODY = b"Subject: x\n\nbody\n"


def sign(address, key=KEY, days=7, number=0):
    """By the draft, anew: DAYS from now it ends."""
    day = (int(time.time()) // 86400 + days) % 1000
    text = f"{number}{day:03}{address.lower()}".encode()
    digits = hmac.new(key.encode(), text, hashlib.sha1).hexdigest()[:6]
    return f"prvs={number}{day:03}{digits}={address}"


def assert_signed(said, address):
    assert said in (sign(address), sign(address, days=6)), said  # midnight has passed meanwhile


def settings(sink):
    return {"aliases": f"away: {FRIEND}\ndead: nobody-there\n",
            "smtproutes": f":{SINK}:{sink.port}\n",
            "notipme": "127.0.0.0/8\n", "relayclients": f"{CLIENT}\n", "batvcheck": "1\n",
            "batvexempt": f"unsigned@{DOMAIN}\n",
            "users": "alice\nbob\nunsigned\npostmaster:alice\n" + "x" * 49 + ":long\n"}


@pytest.fixture(scope="module")
def world(module_instance):
    instance = module_instance
    with Sink(SINK) as sink:
        instance.stop()
        for name, text in settings(sink).items():
            instance.set(name, text)
        instance.set("batv", f"{KEY}\n{OLD}\n", secret_of="ekidens")
        certificates.put(instance)
        instance.add_login("alice", "right")
        instance.start()
        yield instance, sink


def leaves(world, sender, recipient=FRIEND, source=CLIENT):
    """The sender under which a message of SENDER has left."""
    instance, sink = world
    before = len(sink.messages)
    with instance.session(source) as client:
        assert client.deliver(sender, [recipient], BODY).code == 250
    wait_for(lambda: len(sink.messages) > before, what="the message")
    instance.wait_for_empty_queue()
    ((_, said, _, text),) = sink.messages[before:]
    assert b"prvs=" not in text
    return said


def rcpt(world, recipient, sender="", source=None):
    with world[0].session(source) as client:
        assert client.command(f"MAIL FROM:<{sender}>").code == 250
        return client.command(f"RCPT TO:<{recipient}>")


def assert_refused(answer, words):
    assert (answer.code, answer.enhanced) == (550, "5.7.1") and words in str(answer), answer


def bounces(world, recipient, sender="", user="alice"):
    """The message that has arrived for USER."""
    instance = world[0]
    instance.empty_mailboxes()
    instance.send(BODY, recipient, sender)
    instance.wait_for_empty_queue()
    (message,) = instance.wait_for_mail(user)
    return message


def test_there_and_back(world):
    said = leaves(world, ALICE)
    assert_signed(said, ALICE)
    message = bounces(world, said)
    assert b"Return-Path: <>\n" in message and f"Delivered-To: {ALICE}\n".encode() in message
    assert b"prvs" not in message


def test_from_the_mail_program(world):
    instance, sink = world
    before = len(sink.messages)
    with logged_in(instance) as client:
        assert client.deliver(ALICE, [FRIEND], BODY).code == 250
    wait_for(lambda: len(sink.messages) > before, what="the message")
    assert_signed(sink.messages[-1][1], ALICE)
    instance.wait_for_empty_queue()


def test_from_sendmail(world):
    instance, sink = world
    before = len(sink.messages)
    subprocess.run([instance.programs / "sendmail", "-f", ALICE, FRIEND], input=BODY, check=True,
                   timeout=PATIENCE, env={**os.environ, "EKIDEN_CONTROL": str(instance.control),
                                          "EKIDEN_INJECT": str(instance.folder / "inject")})
    wait_for(lambda: len(sink.messages) > before, what="the message")
    assert_signed(sink.messages[-1][1], ALICE)
    instance.wait_for_empty_queue()


@pytest.mark.parametrize("sender", [
    "", f"unsigned@{DOMAIN}", f"list-owner-x=y@{DOMAIN}", f"prvs=0123abcdef=alice@{DOMAIN}",
    "someone@elsewhere.example", f"{'x' * 49}@{DOMAIN}"])
def test_what_stays_as_it_is(world, sender):
    assert leaves(world, sender) == sender


def test_what_is_forwarded(world):
    """An alias of ours: its report is one on mail that has left from here."""
    assert_signed(leaves(world, ALICE, f"away@{DOMAIN}", None), ALICE)
    stranger = "someone@elsewhere.example"
    assert leaves(world, stranger, f"away@{DOMAIN}", None) == stranger


def test_mailboxes_of_ours_show_none(world):
    message = bounces(world, f"bob@{DOMAIN}", ALICE, "bob")
    assert message.startswith(f"Return-Path: <{ALICE}>\n".encode())
    assert b"prvs" not in message


def test_mailboxes_behind_lmtp_show_none(world):
    instance, sink = world
    with HostileServer(lmtp=True) as server:
        routes = f"dovecot.example:lmtp:127.0.0.1:{server.port}\n"
        instance.set_at_once("smtproutes", f"{routes}:{SINK}:{sink.port}\n")
        with instance.session(CLIENT) as client:
            assert client.deliver(ALICE, ["anna@dovecot.example"], BODY).code == 250
        wait_for(lambda: server.messages, what="the message")
        instance.wait_for_empty_queue()
        (session,) = server.sessions
        assert any(line.startswith(f"MAIL FROM:<{ALICE}>".encode()) for line in session.commands)


def test_each_key_and_each_day(world):
    for address in (sign(ALICE), sign(ALICE, OLD), sign(ALICE, number=9), sign(ALICE, days=1),
                    sign(ALICE).upper(), sign(ALICE).lower(), sign(f"Alice@{DOMAIN}"),
                    f"@other.example:{sign(ALICE)}"):
        assert rcpt(world, address).code == 250, address
    for address in (sign(ALICE, "another key"), sign(ALICE, days=-1), sign(ALICE, days=10),
                    sign(ALICE).replace("=alice", "=bob"), f"prvs=alice@{DOMAIN}",
                    f"prvs=0123abcdef@{DOMAIN}", f'"prvs=0123abcdef="@{DOMAIN}'):
        assert_refused(rcpt(world, address), "not signed here (BATV)")
        assert_refused(rcpt(world, address, "someone@elsewhere.example"), "not signed here (BATV)")
        assert_refused(rcpt(world, address, ALICE, CLIENT), "not signed here (BATV)")
    assert rcpt(world, sign("nobody@remote.example")).code == 550
    answer = rcpt(world, sign(f"nobody@{DOMAIN}"))
    assert (answer.code, answer.enhanced) == (550, "5.1.1")


def test_a_forged_bounce(world):
    instance, _ = world
    assert_refused(rcpt(world, ALICE), "we did not send")
    assert_refused(rcpt(world, f"alice-extension@{DOMAIN}"), "we did not send")
    assert instance.log()[-1]["event"] != "accepted"
    refused = [entry for entry in instance.log() if entry.get("event") == "refused"][-1]
    assert refused["rule"] == "batvcheck"
    answer = rcpt(world, f"nobody@{DOMAIN}")
    assert (answer.code, answer.enhanced) == (550, "5.1.1")


@pytest.mark.parametrize("recipient", [
    "postmaster", f"postmaster@{DOMAIN}", f"Postmaster@{DOMAIN}", f"unsigned@{DOMAIN}",
    f"alice-x=y@{DOMAIN}", f"{'x' * 49}@{DOMAIN}"])
def test_whose_bounces_need_no_signature(world, recipient):
    assert rcpt(world, recipient).code == 250


def test_other_mail_is_not_asked(world):
    assert rcpt(world, ALICE, "someone@elsewhere.example").code == 250
    assert rcpt(world, ALICE, "", CLIENT).code == 250
    message = bounces(world, sign(ALICE), "someone@elsewhere.example")
    assert f"Delivered-To: {ALICE}\n".encode() in message


def test_what_this_host_sends_back(world):
    """A report of ours on mail that came back to us under the sender that we had signed, perhaps a
    while ago: who asks for a signature is ekiden-smtpd."""
    instance, sink = world
    before = len(sink.messages)
    for sender in (sign(ALICE), sign(ALICE, days=-300)):
        instance.empty_mailboxes()
        instance.send(BODY, f"dead@{DOMAIN}", sender)
        (message,) = instance.wait_for_mail("alice")
        assert b"5.1.1" in message and f"Delivered-To: {ALICE}\n".encode() in message
    instance.empty_mailboxes()
    instance.send(BODY, f"dead@{DOMAIN}", f"prvs=0123@{DOMAIN}")
    wait_for(lambda: "no sender that we have rewritten" in instance.log_text(), what="its end")
    instance.wait_for_empty_queue()
    assert len(sink.messages) == before


def test_off_by_default(make_instance):
    with Sink(SINK) as sink:
        control = settings(sink)
        instance = make_instance(control)  # batvcheck without a key
        here = (instance, sink)
        assert leaves(here, ALICE) == ALICE
        assert rcpt(here, ALICE).code == 250
        answer = rcpt(here, sign(ALICE))
        assert (answer.code, answer.enhanced) == (550, "5.1.1")
        instance.remove("batvcheck")
        instance.wait_for_new_template()  # a file that is gone counts only after a while
        instance.set("batv", f"{KEY}\n", secret_of="ekidens")
        instance.wait_for_new_template()
        assert rcpt(here, ALICE).code == 250
        assert rcpt(here, sign(ALICE)).code == 250
        assert_refused(rcpt(here, sign(ALICE, OLD)), "not signed here")


def test_keys_that_others_may_read(make_instance):
    """Nothing goes out that could not come back, and nothing that comes back is refused for good."""
    with Sink(SINK) as sink:
        instance = make_instance(settings(sink), start=False)
        instance.set("batv", f"{KEY}\n")
        (instance.control / "batv").chmod(0o644)
        instance.start()
        with instance.session(CLIENT) as client:
            assert client.deliver(ALICE, [FRIEND], BODY).code == 250
        wait_for(lambda: any(event.get("event") == "deferred" for event in instance.log()))
        assert "keys that sign senders (batv)" in instance.log_text()
        assert rcpt((instance, sink), ALICE).code == 250
        answer = rcpt((instance, sink), sign(ALICE))
        assert (answer.code, answer.enhanced) == (451, "4.3.5")
        before = instance.log_text().count("ekiden-send: event=settings-loaded")
        instance.set("batv", f"{KEY}\n", secret_of="ekidens")
        wait_for(lambda: instance.log_text().count("ekiden-send: event=settings-loaded") > before)
        instance.try_all()
        wait_for(lambda: sink.messages, what="the message")
        assert_signed(sink.messages[0][1], ALICE)
        instance.wait_for_empty_queue()
