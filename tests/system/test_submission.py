"""What the ports for users do with mail: who may send as whom, what is completed, how much."""

import re
from email.utils import parsedate_to_datetime

import certificates
import pytest
from instance import DOMAIN, wait_for
from smtp_client import CRLF, body_of
from submitter import encrypted, logged_in

PASSWORD = "a password"
ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
LOGINS = ("alice", "bob", "info@other.example", "robot", "boss", "carol", "alice-list")
CONTROL = {
    "locals": f"{DOMAIN}\nother.example\nintranet\n",
    "rcpthosts": f"{DOMAIN}\nother.example\nintranet\npartner\n",
    "virtualdomains": "virtual.example:bob\n",
    "users": "alice\nbob\npostmaster:alice\ninfo@other.example\nsales@other.example:other.example/info\n",
    "aliases": "everybody: alice, bob\n",
    "authsenders": "robot:noreply@partner.example\nrobot:@news.example\nBoss:*\n"
                   "alice:Shared@other.example\n",
    "badmailfrom": "@news.example.bad\n",
    "relayclients": "127.0.0.0/8\n",
    "smtproutes": ":[127.0.0.1]:1\n",  # what goes out is never tried with success
    "loginmessages": "0\n",
    "loginrecipients": "0\n",
}  # fmt: skip
MINIMAL = b"Subject: x\n\nbody\n"


@pytest.fixture(scope="module", autouse=True)
def logins(module_instance):
    certificates.put(module_instance)
    module_instance.wait_for_new_template()
    for login in LOGINS:
        module_instance.add_login(login, PASSWORD)


def session(server, login="alice"):
    return logged_in(server, login, PASSWORD)


def submit(server, message, login="alice", sender=ALICE):
    """Sends MESSAGE (LF line ends) to alice. Returns it as it arrived, without the trace."""
    with session(server, login) as client:
        answer = client.deliver(sender, [ALICE], message)
        assert answer.code == 250, answer
        client.quit()
    (arrived,) = server.wait_for_mail("alice")
    server.empty_mailboxes()
    return body_of(arrived)


# --- senders ---

ALLOWED = {
    "alice": [ALICE, "ALICE@Demo.Example", f"alice-lists@{DOMAIN}", "alice@other.example",
              "alice@intranet", f"postmaster@{DOMAIN}", "shared@other.example", ""],
    "bob": [BOB, "anything@virtual.example", "bob-x@virtual.example", "BOB@intranet", ""],
    "info@other.example": ["info@other.example", "Sales@other.example", "info-1@other.example"],
    "robot": [f"robot@{DOMAIN}", "noreply@partner.example", "x@news.example", ""],
    "boss": ["anybody@anywhere.example", ALICE, f"boss@{DOMAIN}"],
    "carol": [f"carol@{DOMAIN}"],
    "alice-list": [f"alice-list@{DOMAIN}"],
}  # fmt: skip
REFUSED = {
    "alice": [BOB, "alice@elsewhere.example", f"everybody@{DOMAIN}", f"alicex@{DOMAIN}",
              f"nobody@{DOMAIN}", "alice@virtual.example", "info@other.example", "alice@[127.0.0.1]",
              f'"alice "@{DOMAIN}', f'"a@b"@{DOMAIN}', "noreply@partner.example"],
    "bob": [ALICE, f"postmaster@{DOMAIN}", "bob@elsewhere.example"],
    "info@other.example": [f"info@{DOMAIN}", ALICE, "postmaster@other.example"],
    "robot": ["other@partner.example", "noreply@sub.partner.example", "x@sub.news.example"],
    "carol": [ALICE, "carol@elsewhere.example"],
    "alice-list": [ALICE, f"alice-other@{DOMAIN}"],
}  # fmt: skip


@pytest.mark.parametrize("login", LOGINS)
def test_senders(server, login):
    with session(server, login) as client:
        for sender in ALLOWED[login]:
            answer = client.command(f"MAIL FROM:<{sender}>")
            assert answer.code == 250, f"{sender}: {answer}"
            assert client.command("RSET").code == 250
        for sender in REFUSED.get(login, ()):
            answer = client.command(f"MAIL FROM:<{sender}>")
            assert (answer.code, answer.enhanced) == (553, "5.7.1"), f"{sender}: {answer}"
        client.quit()
    if REFUSED.get(login):
        event = [event for event in server.log() if event["event"] == "refused"][-1]
        assert event["rule"] == "authsenders" and event["login"] == login


def test_a_login_may_relay_and_an_address_may_not(server):
    with encrypted(server) as client:  # from an address in relayclients
        answer = client.command(f"MAIL FROM:<{ALICE}>")
        assert (answer.code, answer.enhanced) == (530, "5.7.0")
        client.quit()
    with session(server) as client:
        client.envelope(ALICE, ["x@far.example", "x@[192.0.2.1]", BOB, "postmaster"])
        assert client.command(f"RCPT TO:<nobody@{DOMAIN}>").enhanced == "5.1.1"
        client.quit()


def test_before_tls(server):
    with server.session(port=server.submission_port) as client:
        answer = client.command(f"MAIL FROM:<{ALICE}>")
        assert (answer.code, answer.enhanced) == (530, "5.7.0") and "STARTTLS" in answer.text
        client.quit()


def test_incomplete_domains(server):
    with session(server, "boss") as client:
        for address in ("x@localhost", "x@host", "x@DEMO"):
            answer = client.command(f"MAIL FROM:<{address}>")
            assert (answer.code, answer.enhanced) == (554, "5.1.8"), f"{address}: {answer}"
        assert client.command("MAIL FROM:<boss@intranet>").code == 250
        for address in ("x@localhost", "x@host"):
            answer = client.command(f"RCPT TO:<{address}>")
            assert (answer.code, answer.enhanced) == (554, "5.1.2"), f"{address}: {answer}"
        for address in ("alice@intranet", "x@partner", "x@far.example", "x@[192.0.2.1]"):
            assert client.command(f"RCPT TO:<{address}>").code == 250, address
        client.quit()
    with server.session() as client:  # other servers' mail is none of RFC 6409's
        client.envelope("x@host", [ALICE])
        client.quit()


# --- what is added ---


def added(sent, arrived):
    """What was put into SENT, between two lines and nowhere else."""
    at = next(n for n in range(len(arrived) + 1) if arrived[n : n + 1] != sent[n : n + 1]
              or n == len(sent))  # fmt: skip
    while not sent.endswith(arrived[len(arrived) - (len(sent) - at) :]) or (
        at and sent[at - 1 : at] != b"\n"
    ):
        at -= 1
    return arrived[at : len(arrived) - (len(sent) - at)]


DATE = rb"Date: (\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000)\n"
MESSAGE_ID = rb"Message-ID: <[0-9A-Za-z]{20}@demo\.example>\n"
OWN_DATE, OWN_ID = b"Date: Mon, 05 Jan 2026 10:00:00 +0000\n", b"Message-ID: <x@y.example>\n"
COMPLETED = {
    "both": (MINIMAL, DATE + MESSAGE_ID),
    "date": (OWN_ID + MINIMAL, DATE),
    "id": (OWN_DATE + MINIMAL, MESSAGE_ID),
    "none": (OWN_ID + OWN_DATE + MINIMAL, b""),
    "case": (b"DATE:x\nmessage-id: y\n" + MINIMAL, b""),
    "blank-before-colon": (b"Date : x\nMessage-Id\t: y\n" + MINIMAL, b""),
    "folded": (b"Date:\n x\nMessage-ID:\n\t<x@y.example>\n" + MINIMAL, b""),
    "in-a-folded-line": (b"Subject: x\n Date: x\n\tMessage-ID: y\n\nbody\n", DATE + MESSAGE_ID),
    "in-the-body": (MINIMAL + OWN_DATE + OWN_ID, DATE + MESSAGE_ID),
    "resent": (b"Resent-Date: x\nResent-Message-ID: y\nX-Date: x\n" + MINIMAL, DATE + MESSAGE_ID),
    "header-alone": (b"Subject: x\n", DATE + MESSAGE_ID),
    "body-alone": (b"\nbody\n", DATE + MESSAGE_ID),
    "empty": (b"", DATE + MESSAGE_ID),
    "no-header": (b"hello,\n\nworld\n", DATE + MESSAGE_ID + b"\n"),
    "no-header-blank": (b" hello: x\nworld\n", DATE + MESSAGE_ID + b"\n"),
    "no-field-in-the-middle": (b"Subject: x\nnot a field\nDate: x\n", DATE + MESSAGE_ID + b"\n"),
    "complete-and-no-field": (OWN_DATE + OWN_ID + b">From x\nmore\n", b"\n"),
    "colon-alone": (b": x\n", DATE + MESSAGE_ID + b"\n"),
    "eight-bit-name": (b"D\xc3\xa4te: x\n\nbody\n", DATE + MESSAGE_ID + b"\n"),
    "no-colon-at-the-end": (b"Subject: x\nDate\n", DATE + MESSAGE_ID + b"\n"),
    "long-name": (b"x" * 990 + b": y\n\nbody\n", DATE + MESSAGE_ID),
    "too-long-name": (b"x" * 999 + b": y\n\nbody\n", DATE + MESSAGE_ID + b"\n"),
}  # fmt: skip


def test_completed(server):
    for what, (sent, expected) in COMPLETED.items():
        put_in = added(sent, submit(server, sent))
        found = re.fullmatch(expected, put_in)
        assert found, f"{what}: {put_in}"
        if DATE in expected:
            assert parsedate_to_datetime(found.group(1).decode()).tzinfo


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_in_pieces(server, size):
    """Names across the borders of what arrives at once."""
    wire = b"From: a\r\n b\r\nDATE : x\r\n\tMessage-ID: no\r\nMessage-I: x\r\n\r\nDate: y\r\n.\r\n"
    with session(server) as client:
        client.envelope(ALICE, [ALICE])
        assert client.command("DATA").code == 354
        for start in range(0, len(wire), size):
            client.send(wire[start : start + size])
        assert client.reply().code == 250
        client.quit()
    (arrived,) = server.wait_for_mail("alice")
    sent = wire.replace(b"\r\n", b"\n").removesuffix(b".\n")
    assert re.fullmatch(MESSAGE_ID, added(sent, body_of(arrived)))


def test_other_servers_mail_is_not_touched(server):
    server.send(MINIMAL)
    (arrived,) = server.wait_for_mail("alice")
    assert body_of(arrived) == MINIMAL


def test_Bcc_is_left(server):
    sent = b"Bcc: carol@elsewhere.example\n" + OWN_DATE + OWN_ID + MINIMAL
    assert submit(server, sent) == sent


@pytest.mark.heavy
def test_a_huge_header_in_flat_memory(make_instance):
    instance = make_instance({"databytes": "0\n"}, start=False)
    certificates.put(instance)
    instance.add_login("alice", PASSWORD)
    instance.start()
    line = b"X-Field: " + b"x" * 900 + b"\n"
    sent = b"From: x\n" + line * 20000 + b" folded" * 100 + b"\n\nbody\n"
    with session(instance) as client:
        client.envelope(ALICE, [ALICE])
        assert client.command("DATA").code == 354
        client.send(sent.replace(b"\n", CRLF) + b".\r\n")
        assert client.reply().code == 250
        peak = max(one.peak_memory for one in instance.processes()["smtpd-dialogue"])
        assert peak < 8192, f"{peak} KiB"
        client.quit()
    (arrived,) = instance.wait_for_mail("alice")
    assert re.sub(DATE + MESSAGE_ID, b"", body_of(arrived)) == sent


# --- the header's From ---

FROM = {
    b"From: alice@demo.example\n": True,
    b"From: Alice <ALICE@demo.example>\n": True,
    b"fRoM :\n Alice\n\t(c) <alice-x@demo.example>\n": True,
    b"From: alice@demo.example, postmaster@demo.example\n": True,
    b"Sender: bob@demo.example\nFrom: a: alice@demo.example;\n": True,
    b"From: bob@demo.example\n": False,
    b"From: alice@demo.example, bob@demo.example\n": False,
    b"From: \"alice@demo.example\" <bob@demo.example>\n": False,
    b"From: alice@demo.example <bob@demo.example>\n": False,
    b"From: alice@demo.example\n (x), bob@demo.example\n": False,
    b"From: alice@demo.example\nFrom: alice@demo.example\n": False,
    b"From: alice@demo.example\nFROM: bob@demo.example\n": False,
    b"From: alice\n": False,
    b"From: <>\n": False,
    b"From: undisclosed:;\n": False,
    b"From:\n": False,
    b"From: alice@demo.example bob\n": False,
    b"To: alice@demo.example\n": False,
    b"From: " + b"alice@demo.example,\n " * 500 + b"bob@demo.example\n": False,
    # Behind a line that is no field there is no header any more, for nobody.
    b"From: alice@demo.example\nno field\nFrom: bob@demo.example\n": True,
    b"no field\nFrom: alice@demo.example\n": False,
}  # fmt: skip


def test_From_on_demand(make_instance):
    instance = make_instance({"authcheckfrom": "1\n"}, start=False)
    certificates.put(instance)
    for login in ("alice", "boss"):
        instance.add_login(login, PASSWORD)
    instance.start()
    for header, right in FROM.items():
        with session(instance) as client:
            answer = client.deliver(ALICE, [ALICE], header + MINIMAL)
            expected = (250, "2.0.0") if right else (550, "5.7.1")
            assert (answer.code, answer.enhanced) == expected, f"{header[:80]}: {answer}"
            client.quit()
    with session(instance, "boss") as client:
        answer = client.deliver(ALICE, [ALICE], b"From: anybody@anywhere.example\n" + MINIMAL)
        assert answer.code == 250
        client.quit()
    right = sum(FROM.values()) + 1
    for message in instance.wait_for_mail("alice", right):
        message = body_of(message)
        header, body = message.split(b"\n\n", 1)
        if body.startswith(b"no field"):
            assert header.count(b"From:") == 1
    instance.send(b"From: bob@demo.example\n" + MINIMAL)  # no matter of port 25
    refused = [event for event in instance.log() if event.get("rule") == "authcheckfrom"]
    assert len(refused) == len(FROM) - sum(FROM.values())


def test_From_is_not_checked_unasked(server):
    assert b"From: bob@" in submit(server, b"From: bob@demo.example\n" + MINIMAL)


# --- budgets ---


def budgeted(make_instance, **limits):
    instance = make_instance({name: f"{value}\n" for name, value in limits.items()}, start=False)
    certificates.put(instance)
    for login in ("alice", "bob"):
        instance.add_login(login, PASSWORD)
    return instance.start()


def refusals(instance):
    return [event for event in instance.log() if event.get("rule") == "login-budget"]


def test_messages_an_hour(make_instance):
    instance = budgeted(make_instance, loginmessages=2)
    for _ in range(2):
        submit(instance, MINIMAL)
    with session(instance) as client:
        client.envelope(ALICE, [ALICE])
        answer = client.command("DATA")
        assert (answer.code, answer.enhanced) == (450, "4.7.1")
        client.quit()
    (event,) = refusals(instance)
    assert event["login"] == "alice"
    assert any(event["event"] == "budget-spent" and event["user"] == "alice" and
               event["of"] == "loginmessages" for event in instance.log())  # fmt: skip
    submit(instance, MINIMAL, "bob", BOB)  # another has a budget of his own
    instance.send(MINIMAL)  # other servers have none


def test_a_message_in_chunks_over_the_budget(make_instance):
    """After its last chunk the next transaction may begin, as after any other refusal."""
    instance = budgeted(make_instance, loginmessages=1)
    submit(instance, MINIMAL)
    with session(instance) as client:
        for chunks in ([b"BDAT 6 LAST\r\nA: b\r\n"], [b"BDAT 6\r\nA: b\r\n", b"BDAT 0 LAST\r\n"]):
            client.envelope(ALICE, [ALICE])
            client.send(b"".join(chunks))
            assert [client.reply().code for _ in chunks] == [450, 503][: len(chunks)]
        client.envelope(ALICE, [ALICE])
        client.quit()


def test_recipients_an_hour(make_instance):
    instance = budgeted(make_instance, loginrecipients=3)
    with session(instance) as client:
        client.envelope(ALICE, [ALICE] * 4)
        assert client.command("DATA").code == 450
        assert client.command("RSET").code == 250
        assert client.deliver(ALICE, [ALICE] * 3, MINIMAL).code == 250
        client.envelope(ALICE, [ALICE])
        assert client.command("DATA").code == 450
        client.quit()
    assert len(refusals(instance)) == 2


def test_accepted_mail_names_the_login(server):
    submit(server, MINIMAL)
    event = [event for event in server.log() if event["event"] == "accepted"][-1]
    assert event["login"] == "alice" and event["from"] == ALICE
    server.wait_for_empty_queue()
