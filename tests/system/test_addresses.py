"""Addresses: section E of the attack cases, RFC 5321 4.1.2, 4.1.3 and 4.5.3.1."""

import pytest
from instance import DOMAIN, SENDER
from smtp_client import body_of, split_trace

MESSAGE = b"Subject: address\n\nbody\n"
REFUSED = (501, 550, 551, 553, 554)


def label_domain(length):
    """A domain of LENGTH octets in labels of at most 63."""
    labels = []
    while length > 0:
        size = min(63, length)
        if length - size == 1:
            size -= 1
        labels.append("d" * size)
        length -= size + 1
    return ".".join(labels)


@pytest.mark.parametrize(
    "sender, accepted",
    [
        ("l" * 64 + "@b.test", True),
        ("l" * 65 + "@b.test", False),
        ("l" * 256 + "@b.test", False),
        ("a@" + "b" * 63 + ".test", True),
        ("a@" + "b" * 64 + ".test", False),
        ("a@" + label_domain(252), True),
        ("a@" + label_domain(254), False),  # a path of 258 octets
        ("a@" + label_domain(255), False),
        ("a@" + label_domain(256), False),
        ("a@" + label_domain(400), False),
        ('"a b"@b.test', True),
        ('"a\\"b"@b.test', True),
        ('"a@b"@b.test', True),
        ('"a.b"@b.test', True),
        ('"a@b.test', False),
        ('a"b"@b.test', False),
        ("a..b@b.test", False),
        (".a@b.test", False),
        ("a.@b.test", False),
        ("a@b..test", False),
        ("a@.test", False),
        ("a@-b.test", False),
        ("a@b-.test", False),
        ("a@b_c.test", True),
        ("a@[192.0.2.1]", True),
        ("a@[IPv6:2001:db8::1]", True),
        ("a@[ipv6:::1]", True),
        ("a@[256.0.0.1]", False),
        ("a@[1.2.3]", False),
        ("a@[]", False),
        ("a@[IPv6:]", False),
        ("a@[IPv6:", False),
        ("a@[IPv6:1:2:3:4:5:6:7:8:9]", False),
        ("a@[192.0.2.1", False),
        ("@b.test", False),
        ("a@", False),
        ("a@@b.test", False),
        ("a@b.test@", False),
        ("a\tb@b.test", False),
        ("a b@b.test", False),
        ("a\x1bb@b.test", False),
        ("a\x07b@b.test", False),
        ("a\x7fb@b.test", False),
        ("!#$%&'*+-/=?^_`{|}~@b.test", True),
        ("(comment)a@b.test", False),
        ("a,b@b.test", False),
        ("a;b@b.test", False),
        ("@r1.test,@r2.test:a@b.test", True),
        ("@r1.test:", False),
        ("@r1.test,a@b.test", False),
        ("", True),
    ],
)
def test_the_grammar(server, sender, accepted):
    """E01, E02, E04, E05, E16."""
    with server.session() as client:
        answer = client.command(f"MAIL FROM:<{sender}>")
        if accepted:
            assert answer.code == 250, answer
        else:
            assert answer.code in (501, 553), answer
        client.quit()


@pytest.mark.parametrize("sender", ["#@[]", "x-@[]"])
def test_verp_of_qmail_means_nothing_from_outside(server, sender):
    """E19."""
    with server.session() as client:
        answer = client.command(f"MAIL FROM:<{sender}>")
        assert answer.code in (501, 553), answer


@pytest.mark.parametrize(
    "local",
    [
        "|/bin/sh", "/etc/passwd", ":include:/etc/shadow", "~root", "\\alice", "..", ".", "../alice",
        "../../x", "alice/../bob", "alice/", "/", "-froot", "--help", "-oX", "root", "0", "65534",
        "${run{/bin/id}}", "%{alice}", "$h", "$(id)", "`id`", ";touch", "() { :;}; touch",
        "alice\n", "alice/Maildir", "bob@demo.example", "alice ", " alice", "*", "-", "-alice",
    ],
)  # fmt: skip
@pytest.mark.parametrize("quoted", [True, False], ids=["quoted", "plain"])
def test_a_local_part_is_only_a_name(server, local, quoted):
    """E06 to E09, E21: unknown, whatever a shell or a path would make of it."""
    text = '"' + local.replace("\\", "\\\\") + '"' if quoted else local
    with server.session() as client:
        client.envelope(SENDER, [])
        client.send(f"RCPT TO:<{text}@{DOMAIN}>\r\n")
        answer = client.reply()
        assert answer.code in (*REFUSED, 500), answer
        assert client.command("DATA").code in (503, 554)
    assert not server.mailbox("alice") and not server.mailbox("bob")


@pytest.mark.parametrize(
    "recipient, user",
    [
        (f"alice@{DOMAIN}", "alice"),
        (f"ALICE@{DOMAIN}", "alice"),
        (f"alice@{DOMAIN.upper()}", "alice"),
        (f'"alice"@{DOMAIN}', "alice"),
        (f'"al\\ice"@{DOMAIN}', "alice"),
        (f"alice-list@{DOMAIN}", "alice"),
        (f"alice-List-2@{DOMAIN}", "alice"),
        (f"alice-@{DOMAIN}", "alice"),
        (f"alice-default@{DOMAIN}", "alice"),
        (f"alice-a.b@{DOMAIN}", "alice"),
        (f"alice-{'-' * 50}@{DOMAIN}", "alice"),
        (f"bob@{DOMAIN}", "bob"),
        ("alice@[127.0.0.1]", "alice"),
        (f"@a.test,@b.test:bob@{DOMAIN}", "bob"),
        (f"@b.test:bob@{DOMAIN}", "bob"),
    ],
)
def test_delivery(server, recipient, user):
    """E02, E04, E05, E10: and nobody else gets it."""
    server.send(MESSAGE, recipient)
    (message,) = server.wait_for_mail(user)
    assert body_of(message) == MESSAGE
    other = {"alice": "bob", "bob": "alice"}[user]
    assert not server.mailbox(other)


@pytest.mark.parametrize("extension", ["../../x", "a/b", "..", ".", "/etc", "a/../../b"])
def test_an_extension_is_no_path(server, extension):
    """E10: accepted to alice or refused, but no file outside her Maildir is made."""
    before = {path for path in (server.folder / "mail").rglob("*") if "Maildir" not in path.parts}
    with server.session() as client:
        client.envelope(SENDER, [])
        answer = client.command(f'RCPT TO:<"alice-{extension}"@{DOMAIN}>')
        if answer.code == 250:
            assert client.data(b"Subject: path\r\n\r\nbody\r\n.\r\n").code == 250
            server.wait_for_mail("alice")
        else:
            assert answer.code in REFUSED
    after = {path for path in (server.folder / "mail").rglob("*") if "Maildir" not in path.parts}
    assert before == after


@pytest.mark.parametrize(
    "recipient",
    ["Postmaster", "postmaster", "POSTMASTER", f"postmaster@{DOMAIN}", f"PostMaster@{DOMAIN}",
     f"abuse@{DOMAIN}", "postmaster@[127.0.0.1]"],
)  # fmt: skip
def test_postmaster_is_always_there(server, recipient):
    """E13: RFC 5321 4.5.1."""
    with server.session() as client:
        client.envelope(SENDER, [recipient])
        assert client.data(b"Subject: postmaster\r\n\r\nbody\r\n.\r\n").code == 250
        client.quit()

    # Where it goes is the operator's matter; it must go somewhere.
    from instance import wait_for

    found = wait_for(
        lambda: [path for path in (server.folder / "mail").rglob("Maildir/new/*")],
        server.patience,
        "mail for postmaster",
    )
    assert len(found) == 1


@pytest.mark.parametrize("recipient", ["", "@", f"@{DOMAIN}", f'""@{DOMAIN}', f"@{DOMAIN}:"])
def test_no_recipient_at_all(server, recipient):
    """E14."""
    with server.session() as client:
        client.envelope(SENDER, [])
        answer = client.command(f"RCPT TO:<{recipient}>")
        assert answer.code in REFUSED, answer


@pytest.mark.parametrize(
    "sender", ["", "a@b.test", '"a b"@b.test', '"a\\"b\\\\c"@b.test', '"a@b"@b.test', "a@[192.0.2.1]"]
)
def test_the_sender_in_return_path(server, sender):
    """The form of the wire, quoted again where the grammar asks for it."""
    server.send(MESSAGE, sender=sender)
    (message,) = server.wait_for_mail("alice")
    fields, _ = split_trace(message)
    assert f"Return-Path: <{sender}>\n".encode() in fields


def test_utf8_addresses(server):
    """RFC 6531: accepted with SMTPUTF8, and Return-Path holds the same bytes."""
    with server.session() as client:
        client.envelope("jürgen@bücher.example", [f"alice@{DOMAIN}"], " SMTPUTF8")
        assert client.data("Subject: grüße\r\n\r\n駅伝\r\n.\r\n".encode()).code == 250
    (message,) = server.wait_for_mail("alice")
    assert "Return-Path: <jürgen@bücher.example>\n".encode() in message
    assert b" with UTF8SMTP" in message


@pytest.mark.parametrize("count", [100, 1000])
def test_many_recipients(server, count):
    """1000 recipients a message at least; a mailbox that is named twice may get it twice."""
    with server.session() as client:
        client.envelope(SENDER, [])
        client.send("".join(f"RCPT TO:<alice-{number}@{DOMAIN}>\r\n" for number in range(count)))
        assert {client.reply().code for _ in range(count)} == {250}
        assert client.data(b"Subject: many\r\n\r\nbody\r\n.\r\n").code == 250
    messages = server.wait_for_mail("alice", count, timeout=120)
    addresses = {message.split(b"Delivered-To: ")[1].split(b"\n")[0] for message in messages}
    assert len(addresses) == count


def test_badmailfrom(make_instance):
    server = make_instance({"badmailfrom": "# spam\nbad@a.test\n@b.test\n.c.test\n"})
    for sender, bad in [
        ("bad@a.test", True), ("BAD@A.TEST", True), ("good@a.test", False), ("x@b.test", True),
        ("x@sub.b.test", False), ("x@sub.c.test", True), ("x@c.test", False), ("", False),
    ]:  # fmt: skip
        with server.session() as client:
            answer = client.command(f"MAIL FROM:<{sender}>")
            if answer.code == 250:
                answer = client.command(f"RCPT TO:<alice@{DOMAIN}>")
            assert answer.code == 250 if not bad else answer.code in (550, 553, 554), (sender, answer)


def test_badclients(make_instance):
    server = make_instance({"badclients": "127.0.5.0/24\n!127.0.5.9\n"})
    with server.connect("127.0.5.1") as client:
        answer = client.reply()
        assert answer.code in (550, 554), answer
    with server.session("127.0.5.9") as client:
        client.quit()
