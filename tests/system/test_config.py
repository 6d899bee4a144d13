"""Control files: what is malformed is named, what works goes on working, changes need no restart."""

import subprocess
import time

import pytest
from instance import DOMAIN, PATIENCE, SENDER, wait_for

ALICE = f"alice@{DOMAIN}"
MOMENT = 1  # CONTROL_WATCH_SECONDS, which counts whole seconds of the clock
# The file, its content, and the line that must be named.
MALFORMED = {
    "relayclients-text": ("relayclients", "127.0.0.1\nnonsense\n", 2),
    "relayclients-host-bits": ("relayclients", "# ours\n\n192.0.2.1/24\n", 3),
    "relayclients-prefix": ("relayclients", "192.0.2.0/33\n", 1),
    "relayclients-everything": ("relayclients", "0.0.0.0/0\n", 1),
    "relayclients-everything-6": ("relayclients", "192.0.2.1\n::/0\n", 2),
    "badclients": ("badclients", "192.0.2.300\n", 1),
    "databytes-text": ("databytes", "many\n", 1),
    "databytes-negative": ("databytes", "-1\n", 1),
    "databytes-wraps": ("databytes", "18446744073709551616\n", 1),
    "maxrcpt-too-few": ("maxrcpt", "1\n", 1),
    "timeoutsmtpd": ("timeoutsmtpd", "5m\n", 1),
    "rcpthosts-address": ("rcpthosts", f"{DOMAIN}\nalice@{DOMAIN}\n", 2),
    "rcpthosts-blank": ("rcpthosts", "a.test b.test\n", 1),
    "locals": ("locals", f"{DOMAIN}\n\n# x\n/etc/passwd\n", 4),
    "users-path": ("users", "alice\nbob:../../etc\n", 2),
    "users-absolute": ("users", "alice:/etc\n", 1),
    "users-NUL": ("users", b"alice\nbo\0b\n", 2),
    "badmailfrom": ("badmailfrom", "x@\n", 1),
    "virtualdomains": ("virtualdomains", "no colon\n", 1),
    "me": ("me", "not a host name\n", 1),
    "queueprogram": ("queueprogram", "relative/program\n", 1),
}


def check(instance):
    return subprocess.run(
        instance.command("ekiden-smtpd", "-C", instance.control, "-Q", instance.queue, "-t"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        text=True,
        cwd="/",
    )


def test_check_of_what_is_right(server):
    done = check(server)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name, text, line", MALFORMED.values(), ids=MALFORMED.keys())
def test_check_names_file_and_line(server, name, text, line):
    old = (server.control / name).read_bytes() if (server.control / name).exists() else None
    server.set(name, text)
    try:
        done = check(server)
        assert done.returncode != 0, done.stdout
        assert f"{name}:{line}" in done.stdout, done.stdout
    finally:
        if old is None:
            server.remove(name)
        else:
            server.set(name, old)


@pytest.mark.parametrize("text", ["alice\r\n", "alice  \n", "\n# nobody\nalice", "  # x\nalice\n\n\n"])
def test_small_sins_are_forgiven_or_named(server, text):
    """Line ends of other systems, blanks behind, no end of the last line: as an editor leaves them."""
    old = (server.control / "users").read_bytes()
    server.set("users", text)
    try:
        done = check(server)
        assert done.returncode == 0 or "users:" in done.stdout
    finally:
        server.set("users", old)


def rcpt(server, recipient):
    with server.session() as client:
        client.envelope(SENDER, [])
        return client.command(f"RCPT TO:<{recipient}>").code


def settle(instance, changes=1):
    """Waits until ekiden-smtpd and ekiden-send have loaded this many changes, one after the other,
    and nobody waits for a client with the old configuration."""
    for event in ("ekiden-smtpd: event=configuration-loaded", "ekiden-send: event=settings-loaded"):
        wait_for(
            lambda: instance.log_text().count(f"{event}\n") >= changes,
            what=f"{changes} times {event}",
        )
    instance.wait_for_new_template()


def test_a_change_works_without_a_restart(instance):
    assert rcpt(instance, f"carol@{DOMAIN}") == 550
    instance.set("users", "alice\nbob\ncarol\n")
    wait_for(lambda: rcpt(instance, f"carol@{DOMAIN}") == 250, what="that carol is known")
    settle(instance)
    instance.send(b"Subject: new user\n\nbody\n", f"carol@{DOMAIN}")
    instance.wait_for_mail("carol")
    instance.set("users", "alice\n")
    wait_for(lambda: rcpt(instance, f"bob@{DOMAIN}") == 550, what="that bob is unknown")
    assert rcpt(instance, ALICE) == 250


def test_a_new_domain_without_a_restart(instance):
    assert rcpt(instance, "alice@second.example") in (550, 553, 554)
    instance.set("locals", f"{DOMAIN}\nsecond.example\n")
    settle(instance)
    instance.set("rcpthosts", f"{DOMAIN}\nsecond.example\n")
    settle(instance, 2)
    assert rcpt(instance, "alice@second.example") == 250
    instance.send(b"Subject: second\n\nbody\n", "alice@second.example")
    instance.wait_for_mail("alice")


def test_an_open_session_keeps_what_it_began_with(instance):
    with instance.session() as client:
        instance.set("users", "alice\nbob\ncarol\n")
        wait_for(lambda: rcpt(instance, f"carol@{DOMAIN}") == 250, what="that carol is known")
        assert client.deliver(SENDER, [ALICE], b"Subject: old\n\nbody\n").code == 250
        client.quit()
    instance.wait_for_mail("alice")


@pytest.mark.parametrize("name, text, line", [MALFORMED["users-path"], MALFORMED["relayclients-text"]])
def test_a_running_listener_keeps_its_last_good_configuration(make_instance, name, text, line):
    instance = make_instance()
    old = (instance.control / "users").read_bytes()
    instance.set(name, text)
    # New sessions notice the change; what they find is named in the log, and they are served.
    wait_for(
        lambda: rcpt(instance, ALICE) == 250 and f"{name}:{line}" in instance.log_text(),
        what="a log line that names the file",
    )
    instance.send(b"Subject: still\n\nbody\n", f"bob@{DOMAIN}")
    if name == "users":
        instance.set(name, old)
    else:
        instance.remove(name)
    instance.wait_for_mail("bob")


def test_a_start_with_a_malformed_file_is_refused(make_instance):
    instance = make_instance({"databytes": "many\n"}, start=False)
    with pytest.raises(AssertionError, match="not ready"):
        instance.start()
    assert "databytes:1" in instance.log_text()


def test_virtualdomains_and_large_lists(make_instance):
    """A list of 20,000 is compiled to a cdb beside it, and a change to it is seen."""
    users = "alice\nbob\ninfo\nshop-info\n" + "".join(f"user{number}\n" for number in range(20_000))
    instance = make_instance(
        {
            "users": users,
            "rcpthosts": f"{DOMAIN}\n.wild.example\nshop.example\n",
            "virtualdomains": "shop.example:shop\n",
        }
    )
    assert rcpt(instance, f"user19999@{DOMAIN}") == 250
    assert rcpt(instance, f"user20000@{DOMAIN}") == 550
    assert rcpt(instance, "info@shop.example") == 250
    assert rcpt(instance, "alice@shop.example") == 550
    assert rcpt(instance, "x@wild.example") in (550, 553, 554)
    instance.set("users", users + "user20000\n")
    wait_for(lambda: rcpt(instance, f"user20000@{DOMAIN}") == 250, what="the new user")
    settle(instance)
    instance.send(b"Subject: shop\n\nbody\n", "info@shop.example")
    instance.wait_for_mail("shop-info")


def test_greeting(make_instance):
    instance = make_instance({"smtpgreeting": "mx.demo.example at your service\n"})
    with instance.connect() as client:
        assert client.reply().text.startswith("mx.demo.example at your service")


def test_an_editor_that_moves_the_old_file_away_first(instance):
    """The moment without a file must never look like a server without mailboxes."""
    users = instance.control / "users"
    text = users.read_bytes()
    with instance.session() as client:
        client.quit()
    moments = 0
    while moments < 15:
        start = time.monotonic()
        users.rename(instance.control / "users~")
        code = rcpt(instance, ALICE)
        instance.set("users", text)
        if time.monotonic() - start < MOMENT:
            moments += 1
            assert code == 250
        else:  # so slow are we today: the file was rightly taken for removed
            wait_for(lambda: rcpt(instance, ALICE) == 250, what="that alice is known again")
            settle(instance)
        assert rcpt(instance, ALICE) == 250
        instance.remove("users~")
    settle(instance)


def test_more_sessions_without_a_restart(make_instance):
    instance = make_instance({"concurrencyincoming": "2\n"})
    instance.set("concurrencyincoming", "60\n")
    settle(instance)
    sessions = [instance.session() for _ in range(40)]
    for client in sessions:
        client.envelope(SENDER, [ALICE])
        assert client.command("DATA").code == 354
    for client in sessions:
        client.send(b"Subject: x\r\n\r\nbody\r\n.\r\n")
        assert client.reply().code == 250
        client.close()
    instance.wait_for_mail("alice", 40)
