"""Mail goes on through a provider's server that takes it only with TLS and a password, as it does
where port 25 is blocked: from a user of ours, by smtproutes and authroutes, byte for byte. The
provider is a second instance, or Debian's Postfix."""

import re
import smtplib
import ssl

import certificates
import oracle
import pytest
from conftest import discard
from contents import OF_OTHERS, assert_all, contents
from instance import DOMAIN, PATIENCE, Instance, wait_for
from machine import Machine
from other_servers import PostfixProvider
from smtp_client import Client

PROVIDER = "provider.test"
SERVER = f"mail.{PROVIDER}"
LOGIN, PASSWORD = "carol", "pass: word=% with blanks"
OURS = "the password of our own user"
REMOTE = certificates.KEY_USER.replace("ekidenk", "ekidenr")
WAYS = pytest.mark.parametrize("way", ["submission", "submissions"])
IMPLICIT = {"submission": "", "submissions": " implicit"}
CONTROL = {"users": "alice\nbob\npostmaster:alice\n"}


def prepare(ours, port, way):
    """Everything from OURS goes to PORT, and only to who has the provider's certificate."""
    chain, _ = certificates.pair(name=SERVER)
    ours.set("anchors.pem", chain)
    ours.set("tlsanchors", f"{ours.control}/anchors.pem\n")
    ours.set("authroutes", f"provider:{LOGIN}:{PASSWORD}\n", secret_of=REMOTE)
    options = f"tls=verify={SERVER} auth=provider{IMPLICIT[way]}"
    ours.set_at_once("smtproutes", f":127.0.0.1:{port} {options}\n")


def users_of(instance):
    """A certificate for our own users and one of them."""
    instance.trusted = certificates.put(instance, name="localhost")
    instance.wait_for_new_template()
    instance.add_login("alice", OURS)


def submit(instance, messages, recipient):
    """As a user of INSTANCE, by STARTTLS."""
    context = ssl.create_default_context(cafile=instance.trusted)

    class User(smtplib.SMTP):
        def _get_socket(self, host, port, timeout):
            return instance.connect(port=port).socket

    with User("localhost", instance.submission_port, timeout=PATIENCE) as client:
        client.starttls(context=context)
        client.login("alice", OURS)
        for text in messages:
            wire = text.replace(b"\n", b"\r\n")
            client.sendmail(f"alice@{DOMAIN}", [recipient], wire, ["BODY=8BITMIME"])


@pytest.fixture(scope="module")
def relaying(module_instance):
    users_of(module_instance)
    return module_instance


@pytest.fixture
def provider(make_instance):
    """A second instance, whose users may send as ours."""
    instance = make_instance({
        "me": f"{PROVIDER}\n", "locals": f"{DOMAIN}\n{PROVIDER}\n",
        "rcpthosts": f"{DOMAIN}\n{PROVIDER}\n",
        "authsenders": f"{LOGIN}:@{DOMAIN}\n",
    }, start=False)  # fmt: skip
    certificates.put(instance, name=SERVER)
    instance.add_login(LOGIN, PASSWORD)
    return instance.start()


@WAYS
def test_through_a_second_instance(server, relaying, provider, way):
    port = getattr(provider, f"{way}_port")
    prepare(server, port, way)
    sent = contents(1 << 20)
    submit(server, sent.values(), f"bob@{PROVIDER}")
    arrived = provider.wait_for_mail("bob", len(sent))
    assert_all(arrived, sent)
    for message in arrived:
        received = re.findall(rb"^Received:.*\n(?:[ \t].*\n)*", message, re.M)
        assert len(received) == 2
        for field in received:
            assert re.search(rb" with ESMTPSA\s+\(TLSv1.2 ECDHE-", field), field
    for line in (server.log_text() + provider.log_text()).splitlines():
        assert PASSWORD not in line and OURS not in line, line
    if way == "submission":  # it is no open relay: nothing works without TLS and a password
        with provider.session(port=port) as client:
            assert client.command(f"MAIL FROM:<alice@{DOMAIN}>").code == 530


# --- Postfix ---


@pytest.fixture(scope="module")
def machine(build):
    with Machine(build) as machine:
        yield machine


@pytest.fixture(scope="module")
def postfix(machine):
    if reason := PostfixProvider.missing():
        pytest.skip(f"Postfix {reason}")
    server = PostfixProvider("/srv/postfix", 2601, PROVIDER, ["bob"], 2699,
                             f"/proc/{machine.pid}/root", submission=2602, submissions=2603,
                             certificate=certificates.pair(name=SERVER),
                             logins={LOGIN: PASSWORD})  # fmt: skip
    server.configure()
    settings = [f"{key}={value}" for key, value in server.environment.items()]
    machine.start("env", *settings, *server.command())
    for port in (server.submission, server.submissions):
        wait_for(lambda: machine.listens(port), what=f"Postfix at {port}: {machine.log()}")
    yield server


@pytest.fixture(scope="module")
def relaying_to_postfix(machine, scratch, programs, service_users):
    instance = Instance(scratch / "relaying-to-postfix", programs, "privileged", control=CONTROL)
    instance.machine = machine
    users_of(instance.start())
    yield instance
    try:
        assert instance.stop() == 0
        oracle.check_log(instance)
    finally:
        discard(instance)


@WAYS
@pytest.mark.root
@pytest.mark.heavy
@pytest.mark.needs("unshare", "nsenter", "ip")
def test_through_postfix(machine, postfix, relaying_to_postfix, way):
    ours, port = relaying_to_postfix, getattr(postfix, way)
    prepare(ours, port, way)
    for path in postfix.outside("mail").glob("*/Maildir/new/*"):
        path.unlink()
    sent = contents(1 << 20)
    submit(ours, sent.values(), f"bob@{PROVIDER}")
    try:
        wait_for(lambda: len(postfix.mailbox("bob")) >= len(sent), what="all messages for bob")
    except AssertionError as error:
        text = ours.log_text()[-3000:] + machine.log()[-3000:]
        raise AssertionError(f"{error}\n{text}") from None
    arrived = postfix.mailbox("bob")
    assert_all(arrived, sent, OF_OTHERS)
    for message in arrived:
        assert f"(Authenticated sender: {LOGIN}@{PROVIDER})".encode() in message
        assert b"using TLSv1.2 with cipher ECDHE-" in message
    if way == "submission":
        with Client(port, connected=machine.connect(port)) as client:
            client.greet()
            assert client.command(f"MAIL FROM:<alice@{DOMAIN}>").code == 530
