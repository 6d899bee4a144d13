"""Never an open relay: section F of the attack cases."""

import pytest
from instance import DOMAIN, SENDER
from smtp_client import body_of

OTHER = "other.test"
IP = "127.0.0.1"
FORGED_SENDERS = {
    "F01-foreign": f"a@{OTHER}",
    "F02-null": "",
    "F03-our-domain": f"a@{DOMAIN}",
    "F03-our-mailbox": f"alice@{DOMAIN}",
    "F05-localhost": "a@localhost",
    "F06-our-address": f"a@[{IP}]",
}
# Nobody is to be reached by one of these; each must be refused for good.
RECIPIENTS = {
    "F07-percent": f"x%{OTHER}@{DOMAIN}",
    "F08-percent-literal": f"x%{OTHER}@[{IP}]",
    "F09-percent-bare": f'"x%{OTHER}"',
    "F10-quoted-bare": f'"x@{OTHER}"',
    "F11-two-ats": f"x@{OTHER}@{DOMAIN}",
    "F12-quoted": f'"x@{OTHER}"@{DOMAIN}',
    "F13-quoted-literal": f'"x@{OTHER}"@[{IP}]',
    "F14-two-ats-literal": f"x@{OTHER}@[{IP}]",
    "F15-route": f"@{DOMAIN}:x@{OTHER}",
    "F16-route-literal": f"@[{IP}]:x@{OTHER}",
    "F17-two-routes": f"@{OTHER},@{DOMAIN}:x@{OTHER}",
    "F18-bang": f"{OTHER}!x",
    "F19-bang-at-ours": f"{OTHER}!x@{DOMAIN}",
    "F20-bang-literal": f"{OTHER}!x@[{IP}]",
    "F21-bang-chain": f"{DOMAIN}!{OTHER}!x",
    "comma": f"alice@{DOMAIN},x@{OTHER}",
    "semicolon": f"alice@{DOMAIN};x@{OTHER}",
    "blank": f"alice@{DOMAIN} x@{OTHER}",
    "subdomain": f"x@sub.{DOMAIN}",
    "ours-as-prefix": f"x@{DOMAIN}.{OTHER}",
    "ours-as-suffix": f"alice@not{DOMAIN}",
    "trailing-dot": f"x@{OTHER}.",
    "upper-case": f"X@{OTHER.upper()}",
    "foreign-literal": "x@[192.0.2.1]",
    "foreign-literal-6": "x@[IPv6:2001:db8::1]",
    "NUL": f"x@{OTHER}\0@{DOMAIN}",
    "NUL-after-ours": f"alice@{DOMAIN}\0.{OTHER}",
    "slash": f"x@{OTHER}/{DOMAIN}",
    "E17-look-alike": "x@dеmo.example",  # a Cyrillic letter
    "E17-punycode": "x@xn--dmo-5cd.example",
}


def refused(answer):
    return answer.code in (501, 550, 551, 553, 554)


@pytest.mark.parametrize("sender", FORGED_SENDERS.values(), ids=FORGED_SENDERS.keys())
def test_a_sender_gives_no_right(server, sender):
    with server.session() as client:
        answer = client.command(f"MAIL FROM:<{sender}>")
        assert answer.code == 250 or refused(answer), answer
        answer = client.command(f"RCPT TO:<x@{OTHER}>")
        assert refused(answer) or answer.code == 503, answer
        assert client.command("DATA").code in (503, 554)


def test_a_sender_without_a_domain(server):
    """F04."""
    with server.session() as client:
        client.command("MAIL FROM:<alice>")
        answer = client.command(f"RCPT TO:<x@{OTHER}>")
        assert refused(answer) or answer.code == 503, answer


@pytest.mark.parametrize("recipient", RECIPIENTS.values(), ids=RECIPIENTS.keys())
def test_a_recipient_leads_nowhere_else(server, recipient):
    with server.session() as client:
        assert client.command(f"MAIL FROM:<{SENDER}>").code == 250
        answer = client.command(f"RCPT TO:<{recipient}>")
        assert refused(answer) or (answer.code == 500 and "\0" in recipient), answer
        assert client.command("DATA").code in (503, 554)
    server.wait_for_empty_queue()


def test_the_reply_says_relaying(server):
    with server.session() as client:
        client.command(f"MAIL FROM:<{SENDER}>")
        answer = client.command(f"RCPT TO:<x@{OTHER}>")
        assert answer.code in (550, 553, 554) and answer.enhanced == "5.7.1", answer


@pytest.mark.parametrize("name", [DOMAIN, "localhost", "[127.0.0.1]", "[IPv6:::1]"])
def test_a_name_gives_no_right(server, name):
    """F28."""
    with server.session(name=name) as client:
        client.command(f"MAIL FROM:<{SENDER}>")
        assert refused(client.command(f"RCPT TO:<x@{OTHER}>"))


def test_first_ours_then_foreign(server):
    """F30. The message goes to ours, and to nobody else."""
    with server.session() as client:
        client.envelope(SENDER, [f"alice@{DOMAIN}"] * 2 + [f"bob@{DOMAIN}"])
        assert refused(client.command(f"RCPT TO:<x@{OTHER}>"))
        assert client.data(b"Subject: F30\r\n\r\nbody\r\n.\r\n").code == 250
    server.wait_for_mail("bob")
    server.wait_for_empty_queue()


def test_a_route_to_ours_is_ignored(server):
    """E04: RFC 5321 appendix C."""
    server.send(b"Subject: route\n\nbody\n", f"@{OTHER},@b.test:alice@{DOMAIN}")
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == b"Subject: route\n\nbody\n"


# --- who may relay ---


def try_foreign(client):
    client.envelope(SENDER, [])
    return client.command(f"RCPT TO:<x@{OTHER}>")


def test_relayclients(make_instance):
    server = make_instance({"relayclients": "# our network\n127.0.2.0/24\n!127.0.2.7\n127.0.2.7\n!127.0.2.8/32\n"})
    for source, may in [
        ("127.0.0.1", False),
        ("127.0.2.1", True),
        ("127.0.2.7", True),  # of two equal entries the last decides
        ("127.0.2.8", False),
        ("127.0.3.1", False),
    ]:
        with server.session(source) as client:
            answer = try_foreign(client)
            assert answer.code == 250 if may else refused(answer), f"{source}: {answer}"


def test_a_relayclient_still_cannot_reach_a_mailbox_that_is_not_there(make_instance):
    server = make_instance({"relayclients": "127.0.0.1\n"})
    with server.session() as client:
        client.envelope(SENDER, [])
        answer = client.command(f"RCPT TO:<nobody-here@{DOMAIN}>")
        assert (answer.code, answer.enhanced) == (550, "5.1.1"), answer


def test_relayclients_for_the_whole_internet_is_an_error(make_instance):
    server = make_instance(start=False, control={"relayclients": "0.0.0.0/0\n"})
    with pytest.raises(AssertionError, match="not ready"):
        server.start()
    assert "relayclients:1" in server.log_text()


def test_relayclient_of_a_listener_counts_for_nothing(make_instance):
    """Only tcprules can set it: for one connection, in the environment of one process."""
    server = make_instance(start=False)
    server.environment["RELAYCLIENT"] = ""
    server.start()
    with server.session() as client:
        assert refused(try_foreign(client))


@pytest.mark.parametrize(
    "environment, may",
    [
        ({"RELAYCLIENT": "", "TCPREMOTEIP": "127.0.0.1"}, True),
        ({"TCPREMOTEIP": "127.0.0.1"}, False),
        ({"RELAYCLIENT": ""}, False),  # not by tcpserver
    ],
    ids=["by-tcprules", "not-set", "from-elsewhere"],
)
def test_relayclient_from_tcprules(instance, environment, may):
    process, client = instance.single_session(environment)
    with client:
        client.greet()
        answer = try_foreign(client)
        assert answer.code == 250 if may else refused(answer), answer
        client.quit()
    assert process.wait(instance.patience) == 0


def test_an_address_that_is_none(make_instance):
    """Not by what it begins with, and not modulo 256; and it is said."""
    server = make_instance({"relayclients": "127.0.0.0/8\n"})
    process, client = server.single_session({"TCPREMOTEIP": "383.0.0.1"}, local=True)
    with client:
        client.greet()
        assert refused(try_foreign(client))
        client.quit()
    assert process.wait(server.patience) == 0
    assert "event=client-unknown" in server.log_text()


def test_an_empty_configuration_relays_nothing(instance):
    empty = instance.folder / "empty"
    empty.mkdir(mode=0o755)
    process, client = instance.single_session(control=empty)
    with client:
        client.greet()
        client.envelope(SENDER, [])
        for recipient in (f"x@{OTHER}", f"alice@{DOMAIN}", "x@localhost", "x@[192.0.2.1]"):
            assert refused(client.command(f"RCPT TO:<{recipient}>")), recipient
        assert client.command("DATA").code in (503, 554)
        client.quit()
    assert process.wait(instance.patience) == 0


def test_rcpthosts_without_the_mailbox_is_unknown(server):
    with server.session() as client:
        client.envelope(SENDER, [])
        answer = client.command(f"RCPT TO:<nobody-here@{DOMAIN}>")
        assert (answer.code, answer.enhanced) == (550, "5.1.1"), answer
