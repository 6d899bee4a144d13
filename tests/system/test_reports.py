"""Reports on their way through a whole instance: scheduler, ekiden-bounce and delivery together."""

import time
from collections import Counter

import pytest
from instance import DOMAIN, wait_for
from report import Report

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
CONTROL = {"users": "alice\nbob\npostmaster:alice\nroot\n", "maxrcpt": "2000\n"}


def looping(*names, header=b"", body=b"hello\n"):
    """A message that fails for these recipients for good: it was there before, it says."""
    trace = b"".join(b"Delivered-To: %s@%s\n" % (name.encode(), DOMAIN.encode()) for name in names)
    return trace + header + b"Subject: round and round\n\n" + body


def reports(instance, user="alice", count=1):
    return [Report(octets, DOMAIN) for octets in instance.wait_for_mail(user, count)]


def made(instance):
    """The kinds of the reports that were made."""
    return [event["kind"] for event in instance.log()
            if event["program"] == "ekiden-bounce" and event.get("event") == "report"]


def settled(instance):
    """Nothing is left in the queue, and nothing beside it."""
    instance.wait_for_empty_queue()
    wait_for(lambda: not list((instance.queue / "notes").iterdir()), what="no notes")


def test_a_failure_comes_back(instance):
    """H13: to the sender of the envelope, from nobody, as an automatic answer."""
    message = looping("bob", header=b"From: Else <postmaster@demo.example>\nMessage-ID: <a@b>\n")
    instance.send(message, BOB, sender=ALICE)
    (report,) = reports(instance)
    assert report.bytes.startswith(b"Return-Path: <>\nDelivered-To: alice@demo.example\n")
    assert report.message["To"] == ALICE
    assert report.message["From"].addresses[0].addr_spec == f"MAILER-DAEMON@{DOMAIN}"
    assert report.message["In-Reply-To"] == "<a@b>"
    assert f"<{BOB}>" in report.text and "mail loop" in report.text
    (fields,) = report.status[1:]
    assert fields["Final-Recipient"] == f"rfc822; {BOB}"
    assert (fields["Action"], fields["Status"]) == ("failed", "5.4.6")
    kind, original = report.original
    assert kind == "message/rfc822" and original.endswith(message)
    assert not instance.mailbox("bob")
    settled(instance)


def test_one_report_of_many_recipients(make_instance):
    """H06: half of a thousand fail; the others are served once."""
    names = [f"user{i}" for i in range(1000)]
    instance = make_instance({"users": "alice\nbob\npostmaster:alice\n" + "\n".join(names) + "\n"})
    failing, served = names[::2], names[1::2]
    instance.send(looping(*failing), [f"{name}@{DOMAIN}" for name in names], sender=ALICE)
    (report,) = reports(instance)
    assert report.recipients_reported == [f"{name}@{DOMAIN}" for name in failing]
    assert len(report.bytes) <= 100_000
    settled(instance)
    assert len(instance.mailbox("alice")) == 1
    assert all(len(instance.mailbox(name)) == 1 for name in served)
    assert not any(instance.mailbox(name) for name in failing)


def test_double_bounce(instance):
    """H03: what has no sender and fails is told to the postmaster, once."""
    instance.send(looping("bob"), BOB, sender="")
    (report,) = reports(instance)
    assert report.message["To"] == f"postmaster@{DOMAIN}"
    assert report.message["Subject"] == "A report of failed delivery was not delivered"
    settled(instance)


def test_no_report_of_a_double_bounce(make_instance):
    """H04: where the postmaster cannot be reached either, it ends."""
    instance = make_instance({"doublebounceto": "nobody-here\n"})
    instance.send(looping("bob"), BOB, sender="")
    wait_for(lambda: [e for e in instance.log() if e.get("event") == "report-discarded"],
             what="the end")
    settled(instance)
    assert made(instance) == ["double"]
    assert not instance.mailbox("alice")


@pytest.mark.parametrize("sender", ["MAILER-DAEMON", "postmaster", "bob"])
def test_nothing_goes_round(instance, sender):
    """H10: senders that are ours, or the one who fails."""
    instance.send(looping("bob"), BOB, sender=f"{sender}@{DOMAIN}")
    (report,) = reports(instance, "bob" if sender == "bob" else "alice")
    assert report.message["To"].lower() == f"{sender}@{DOMAIN}".lower()
    settled(instance)
    assert made(instance) == ["failure"]


def test_8bit_and_utf8(instance):
    """H16: the report is 7-bit and valid, and has all of the original."""
    body = "Grüße aus Übersee\n".encode()
    message = looping("bob", header="X-Note: naïve\n".encode(), body=body)
    instance.send(message, BOB, sender=ALICE)
    (report,) = reports(instance)
    assert report.bytes.isascii()
    kind, original = report.original
    assert kind == "message/global" and original.endswith(message)
    settled(instance)


def defer_bob(instance):
    """Bob's Maildir takes nothing: its new/ is gone."""
    instance.send(b"Subject: makes the folders\n\n", BOB)
    instance.wait_for_mail("bob")
    instance.empty_mailboxes()
    new = instance.mail_folder("bob") / "new"
    new.rename(new.with_name("moved"))


def mend_bob(instance):
    new = instance.mail_folder("bob") / "new"
    new.with_name("moved").rename(new)


def hurry(instance):
    """The scheduler tries everything now."""
    instance.try_all()


def try_again(instance):
    deferred = deferrals(instance)
    hurry(instance)
    wait_for(lambda: deferrals(instance) > deferred or instance.queue_is_empty(),
             what="another try")


def wait_until_late(instance):
    """The message was tried, and is older than the second after which a delay is told."""
    wait_for(lambda: deferrals(instance) == 1, what="the first try")
    late = time.monotonic() + 2
    wait_for(lambda: time.monotonic() > late)


def deferrals(instance):
    return sum(event.get("event") == "delivery-deferred" for event in instance.log())


def test_a_delay_is_told_once_and_then_the_end(make_instance):
    """H12 too: at the end of its time the message fails, with one report."""
    instance = make_instance({"delaywarning": "1\n", "queuelifetime": "100000\n"})
    defer_bob(instance)
    instance.send(b"Subject: waits\n\nhello\n", BOB, sender=ALICE)
    wait_until_late(instance)
    try_again(instance)
    (delay,) = reports(instance)
    (fields,) = delay.status[1:]
    assert (fields["Action"], fields["Status"][0]) == ("delayed", "4")
    assert fields["Will-Retry-Until"]
    try_again(instance)
    instance.set("queuelifetime", "1\n")
    wait_for(lambda: any(e.get("event") == "settings-loaded" and e["program"] == "ekiden-send"
                         for e in instance.log()), what="the new setting")
    hurry(instance)
    messages = reports(instance, count=2)
    assert sorted(m.status[1]["Action"] for m in messages) == ["delayed", "failed"]
    settled(instance)
    assert len(instance.mailbox("alice")) == 2
    mend_bob(instance)


@pytest.mark.parametrize("header", [b"Precedence: bulk\n", b"List-Id: <x.test>\n",
                                    b"Auto-Submitted: auto-generated\n"])
def test_a_delay_is_not_told_to_machines(make_instance, header):
    instance = make_instance({"delaywarning": "1\n"})
    defer_bob(instance)
    instance.send(header + b"Subject: waits\n\nhello\n", BOB, sender=ALICE)
    wait_until_late(instance)
    try_again(instance)
    wait_for(lambda: [e for e in instance.log() if e.get("event") == "report-discarded"],
             what="the decision")
    mend_bob(instance)
    hurry(instance)
    instance.wait_for_mail("bob")
    settled(instance)
    assert not instance.mailbox("alice")


def test_killed_at_any_moment_each_failure_is_told(instance):
    """H09: whatever dies when, each message that was accepted and fails is reported, at least
    once, and nothing else comes."""
    tokens = []
    for round_ in range(8):
        for part in range(5):
            tokens.append(f"token-{round_}-{part}")
            header = f"X-Token: {tokens[-1]}\n".encode()
            instance.send(looping("bob", header=header), BOB, sender=ALICE)
        time.sleep(0.004 * round_)  # any moment will do
        instance.kill()
        instance.start()
    instance.wait_for_empty_queue(unfinished=True)
    told = Counter()
    for octets in instance.mailbox("alice"):
        _, original = Report(octets, DOMAIN).original
        told[original.split(b"X-Token: ")[1].split(b"\n")[0].decode()] += 1
    assert set(told) == set(tokens)
    assert not instance.mailbox("bob")
    assert not list((instance.queue / "notes").iterdir())
