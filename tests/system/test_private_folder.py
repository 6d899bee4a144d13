"""A server of root in a folder that nobody but root can reach, as a checkout below /root: its
programs run as their users all the same, for what they use is opened before they drop."""

import os
import shutil
import ssl
import subprocess

import certificates
import oracle
import pytest
from instance import DOMAIN, Instance, wait_for
from submitter import encrypted, plain

pytestmark = pytest.mark.root


@pytest.fixture
def private(scratch, programs, service_users, sanitized):
    folder = scratch / "private"
    folder.mkdir(mode=0o700)
    shutil.copytree(programs, folder / "programs")
    control = {"users": "alice\npostmaster:alice\n", "smtproutes": ":127.0.0.1:1\n"}
    instance = Instance(folder / "server", folder / "programs", "privileged", None, control,
                        sanitized)
    yield instance.start()
    try:
        oracle.check_end(instance)
    finally:
        if instance.process:
            instance.kill()
        shutil.rmtree(folder, ignore_errors=True)


def let_everything_serve(private):
    private.send(b"Subject: in\n\nbody\n")
    private.wait_for_mail("alice")
    private.empty_mailboxes()
    # Local submission, the remote agent, and a report, from a sender of our own.
    done = subprocess.run(
        [private.programs / "sendmail", "-f", f"alice@{DOMAIN}", "someone@elsewhere.example",
         f"nobody-here@{DOMAIN}"],
        input=b"Subject: out\n\nbody\n",
        env={
            **os.environ,
            "EKIDEN_CONTROL": str(private.control),
            "EKIDEN_INJECT": str(private.folder / "inject"),
        },
    )
    assert done.returncode == 0
    (report,) = private.wait_for_mail("alice")
    assert b"multipart/report" in report and f"nobody-here@{DOMAIN}".encode() in report
    wait_for(lambda: [event for event in private.log() if event.get("event") == "deferred"],
             what="the try to reach another server")


def test_everything_serves(private):
    let_everything_serve(private)


def test_tls_serves(private):
    """The key process reads a folder to which it has no way; a new one is noticed."""
    certificates.put(private)
    private.wait_for_new_template()
    trusted = ssl.create_default_context(cadata=certificates.pair()[0].decode())
    with private.session() as client:
        assert client.command("STARTTLS").code == 220
        client.socket = trusted.wrap_socket(client.socket, server_hostname=certificates.NAME)
        assert client.command("EHLO x").code == 250
        client.quit()


def test_users_log_in(private):
    """ekiden-auth is executed by a user who has no way to it, and counts in a folder like that."""
    certificates.put(private)
    private.add_login("alice", "secret")
    private.wait_for_new_template()
    with encrypted(private) as client:
        assert client.command(f"AUTH PLAIN {plain('alice', 'wrong')}").code == 535
        assert client.command(f"AUTH PLAIN {plain('alice', 'secret')}").code == 235
        message = b"From: alice\n\nbody\n"
        assert client.deliver(f"alice@{DOMAIN}", [f"alice@{DOMAIN}"], message).code == 250
        client.quit()
    private.wait_for_mail("alice")


def test_changed_settings_are_noticed(private):
    """Though no process can walk to the folder any more."""
    let_everything_serve(private)  # who serves has loaded its first settings
    private.empty_mailboxes()
    private.set("users", "alice\nbob\npostmaster:alice\n")
    private.set("timeoutconnect", "5\n")

    def noticed():
        return {event["program"] for event in private.log()
                if event.get("event") in ("settings-loaded", "configuration-loaded")}

    everybody = {"ekiden-send", "ekiden-smtpd", "ekiden-bounce", "ekiden-remote"}
    wait_for(lambda: noticed() >= everybody, what="the new settings")
    private.wait_for_new_template()  # the old one may still take a client
    private.send(b"Subject: in\n\nbody\n", recipient=f"bob@{DOMAIN}")
    private.wait_for_mail("bob")
