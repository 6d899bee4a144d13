"""Forwarding when SPF is enforced elsewhere: the sender is rewritten, and what comes back finds him."""

import os
import re
import shutil
import socket
import subprocess

import pytest
from conftest import IS_ROOT
from instance import DOMAIN, PATIENCE, SENDER, wait_for
from ports import free_port
from remote import Sink

KEY, OLD = "the key of today", "the key of the year before"
FORWARDED = f"away@{DOMAIN}"
FRIEND = "friend@remote.example"
SINK = "127.0.0.2"
BODY = b"Subject: x\n\nbody\n"
SRS0 = re.compile(r"SRS0=([A-Za-z0-9+/]{4})=([A-Z2-7]{2})=elsewhere\.example=sender@demo\.example")
PERL = shutil.which("perl")
HAS_PERL = PERL and not subprocess.run([PERL, "-MMail::SRS", "-e", "1"], stderr=subprocess.DEVNULL,
                                       check=False).returncode
POSTSRSD = shutil.which("postsrsd", path=os.environ["PATH"] + ":/usr/sbin")


@pytest.fixture(scope="module")
def world(module_instance):
    """An instance with an alias that leads to another host."""
    instance = module_instance
    with Sink(SINK) as sink:
        instance.stop()
        instance.set("aliases", f"away: {FRIEND}\nboth: {FRIEND}, alice\n"
                                "dead: nobody-there\npostmaster: alice\n")
        instance.set("smtproutes", f":{SINK}:{sink.port}\n")
        instance.set("notipme", "127.0.0.0/8\n")
        instance.set("srs", f"{KEY}\n{OLD}\n", secret_of="ekidens")
        instance.start()
        yield instance, sink
        instance.accepts_mail = True


def forward(world, sender=SENDER, recipient=FORWARDED):
    """The sender under which a message of SENDER has left."""
    instance, sink = world
    before = len(sink.messages)
    instance.send(BODY, recipient, sender)
    wait_for(lambda: len(sink.messages) > before, what="the message")
    instance.wait_for_empty_queue()
    ((_, rewritten, recipients, _),) = sink.messages[before:]
    assert recipients == [FRIEND]
    return rewritten


def try_rcpt(world, address, sender=""):
    with world[0].session() as client:
        assert client.command(f"MAIL FROM:<{sender}>").code == 250
        answer = client.command(f"RCPT TO:<{address}>")
        if answer.code != 250:
            assert client.command("DATA").code in (503, 554)
    return answer


def mail_srs(code, key=KEY):
    program = f'use Mail::SRS; my $s = Mail::SRS->new(Secret => ["{key}"]); print {code}'
    result = subprocess.run([PERL, "-e", program], capture_output=True, check=True, text=True)
    return result.stdout


def test_a_foreign_sender_is_rewritten(world):
    assert SRS0.fullmatch(forward(world))


@pytest.mark.parametrize("sender", ["", f"alice@{DOMAIN}", f"list-owner-x=y@{DOMAIN}"])
def test_the_null_sender_and_our_own_stay(world, sender):
    assert forward(world, sender) == sender


def test_one_that_was_rewritten_before(world):
    first = forward(world, "SRS0=abcd=TT=far.example=user@first.example")
    assert re.fullmatch(r"SRS1=.{4}=first\.example==abcd=TT=far\.example=user@demo\.example", first)
    second = forward(world, "SRS1=wxyz=first.example==abcd=TT=far.example=user@second.example")
    assert second == first


def test_mail_that_is_not_forwarded_keeps_its_sender(world):
    """A client that may relay, for one, is no forward."""
    instance, sink = world
    process, client = instance.single_session({"RELAYCLIENT": "", "TCPREMOTEIP": "127.0.0.1"})
    with client:
        client.greet()
        before = len(sink.messages)
        assert client.deliver(SENDER, [FRIEND], BODY).code == 250
        client.quit()
    assert process.wait(PATIENCE) == 0
    wait_for(lambda: len(sink.messages) > before, what="the message")
    assert sink.messages[-1][1] == SENDER


@pytest.mark.parametrize("sender", ["", "postmaster@remote.example"])
def test_what_comes_back_goes_to_the_sender(world, sender):
    instance, sink = world
    rewritten = forward(world)
    before = len(sink.messages)
    instance.send(BODY, rewritten, sender)
    wait_for(lambda: len(sink.messages) > before, what="the report")
    assert sink.messages[-1][1:3] == (sender, [SENDER])
    assert instance.log()[-1]["event"] != "refused"


def test_what_this_host_sends_back_goes_to_the_sender(world):
    """A report, when the mail that we forwarded came back to us under the sender that we had made,
    and what a user's program answers."""
    instance, sink = world
    rewritten = forward(world)
    before = len(sink.messages)
    instance.send(BODY, f"dead@{DOMAIN}", rewritten)
    wait_for(lambda: len(sink.messages) > before, what="the report")
    assert sink.messages[-1][1:3] == ("", [SENDER])
    assert b"5.1.1" in sink.messages[-1][3]
    instance.wait_for_empty_queue()


def test_what_this_host_sends_to_no_such_address(world):
    """Signed with our key, but what stands behind it would be a target of an alias."""
    instance, sink = world
    before = len(sink.messages)
    included = forward(world, '":include:me"@elsewhere.example')
    assert included.endswith(f'=elsewhere.example=:include:me"@{DOMAIN}')
    refused = "5.7.1 this is no sender that we have rewritten"
    for count, sender in enumerate((f"SRS0=AAAA=TT=victim.example=user@{DOMAIN}", included),
                                   instance.log_text().count(refused)):
        instance.send(BODY, f"dead@{DOMAIN}", sender)
        wait_for(lambda: instance.log_text().count(refused) > count, what="the end of a report")
    instance.wait_for_empty_queue()
    assert len(sink.messages) == before + 1


def test_a_long_one_comes_back(world):
    """Longer than RFC 5321 lets a local part be: all who rewrite make such, and have to take them."""
    long = "x" * 64 + "@" + ".".join(["label" * 5] * 3) + ".example"
    rewritten = forward(world, long)
    assert rewritten.endswith(f"={'x' * 64}@{DOMAIN}") and len(rewritten) > 150
    assert try_rcpt(world, rewritten).code == 250
    assert forward(world, rewritten.replace(DOMAIN, "other.example")).startswith("SRS1=")


def test_what_is_no_address_of_ours(world):
    rewritten = forward(world)
    mark, stamp = SRS0.fullmatch(rewritten).groups()
    wrong = ("A" if mark[0] not in "Aa" else "B") + mark[1:]
    local = rewritten.rpartition("@")[0]
    bad = [
        f"SRS0={wrong}={stamp}=elsewhere.example=sender@{DOMAIN}",
        f"SRS0={mark[:3]}={stamp}=elsewhere.example=sender@{DOMAIN}",
        f"SRS0=={stamp}=elsewhere.example=sender@{DOMAIN}",
        f"SRS0={mark}={stamp}=elsewhere.example=other@{DOMAIN}",
        f"SRS0={mark}={stamp}=victim.example=sender@{DOMAIN}",
        f"SRS0={mark}=AA=elsewhere.example=sender@{DOMAIN}",
        f"SRS0={mark}={stamp}=elsewhere.example=@{DOMAIN}",
        f"SRS1={mark}=elsewhere.example==sender@{DOMAIN}",
        f"SRS0={mark}={stamp}@{DOMAIN}",
        f'"SRS0={mark}={stamp}=elsewhere.example=sender@victim.example"@{DOMAIN}',
        f"SRS0={mark}={stamp}=elsewhere.example=sender%victim.example@{DOMAIN}",
        f"srs0+AAAA={stamp}=victim.example=user@{DOMAIN}",
    ]
    for address in bad:
        answer = try_rcpt(world, address)
        assert (answer.code, answer.enhanced) == (550, "5.7.1"), address
    for address in (f"{local}@other.example", f"SRS2{local[4:]}@{DOMAIN}", f"{local[:3]}@{DOMAIN}",
                    f"SRS0.{mark}@{DOMAIN}", f"{local}%{DOMAIN}@other.example"):
        assert try_rcpt(world, address).code == 550, address
    for address in (f"{local}\x01@{DOMAIN}", f"{local}\0@{DOMAIN}", f'"{local}\x7f"@{DOMAIN}'):
        assert try_rcpt(world, address).code in (500, 501, 553), address
    # Of a route only the last part counts (RFC 5321 appendix C); case is others' to lose.
    assert try_rcpt(world, f"@other.example:{rewritten}").code == 250
    assert try_rcpt(world, rewritten.upper()).code == 250
    assert try_rcpt(world, rewritten.lower()).code == 250


@pytest.mark.skipif(not HAS_PERL, reason="libmail-srs-perl is not installed")
def test_with_another_program_both_ways(world):
    rewritten = forward(world)
    assert mail_srs(f"$s->reverse('{rewritten}')") == SENDER
    assert mail_srs(f"$s->forward('{SENDER}', '{DOMAIN}')") == rewritten
    for key in (KEY, OLD):
        theirs = mail_srs(f"$s->forward('someone@far.example', '{DOMAIN}')", key)
        assert try_rcpt(world, theirs).code == 250
    theirs = mail_srs(f"$s->forward('someone@far.example', '{DOMAIN}')", "another key")
    assert try_rcpt(world, theirs).code == 550
    twice = forward(world, theirs.replace(DOMAIN, "second.example"))
    assert mail_srs(f"$s->reverse('{twice}')") == theirs.replace(DOMAIN, "second.example")


@pytest.mark.skipif(not POSTSRSD, reason="postsrsd is not installed")
def test_with_postsrsd_both_ways(world, tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    ports = [free_port() for _ in range(2)]
    process = subprocess.Popen([POSTSRSD, f"-s{tmp_path / 'key'}", f"-d{DOMAIN}", "-4",
                                "-l127.0.0.1", f"-f{ports[0]}", f"-r{ports[1]}"])

    def ask(port, address):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(f"get {address}\n".encode())
            code, _, answer = connection.makefile().readline().strip().partition(" ")
        assert code == "200", answer
        return answer

    def is_there():
        try:
            return ask(ports[0], SENDER)
        except OSError:
            assert process.poll() is None
            return None

    try:
        theirs = wait_for(is_there, what="postsrsd")
        rewritten = forward(world)
        assert theirs == rewritten
        assert ask(ports[1], rewritten) == SENDER
        assert try_rcpt(world, theirs).code == 250
    finally:
        process.kill()
        process.wait()


def test_a_refusal_elsewhere_is_told_to_the_sender(make_instance):
    script = {SINK: [("RCPT", "550 5.7.23 SPF says no")]}
    with Sink(SINK, script=script) as sink:
        instance = make_instance({
            "aliases": f"away: {FRIEND}\n", "notipme": "127.0.0.0/8\n",
            "smtproutes": f":{SINK}:{sink.port}\n"}, start=False)
        instance.set("srs", f"{KEY}\n", secret_of="ekidens")
        instance.start()
        instance.send(BODY, FORWARDED, SENDER)
        wait_for(lambda: sink.messages, what="the report")
        instance.wait_for_empty_queue()
        ((_, sender, recipients, report),) = sink.messages
        assert (sender, recipients) == ("", [SENDER])
        assert b"SPF says no" in report


def test_keys_that_others_may_read(make_instance):
    """Nothing goes out under a sender that will be refused, and nothing is refused for good."""
    with Sink(SINK) as sink:
        instance = make_instance({"aliases": f"away: {FRIEND}\n", "notipme": "127.0.0.0/8\n",
                                  "smtproutes": f":{SINK}:{sink.port}\n"}, start=False)
        instance.set("srs", f"{KEY}\n")
        (instance.control / "srs").chmod(0o644)
        instance.start()
        instance.send(BODY, FORWARDED)
        wait_for(lambda: any(event.get("event") == "deferred" for event in instance.log()))
        answer = try_rcpt((instance, sink), f"SRS0=abcd=TT=far.example=user@{DOMAIN}")
        assert (answer.code, answer.enhanced) == (451, "4.3.5")
        assert not sink.messages
        before = instance.log_text().count("ekiden-send: event=settings-loaded")
        instance.set("srs", f"{KEY}\n", secret_of="ekidens")
        wait_for(lambda: instance.log_text().count("ekiden-send: event=settings-loaded") > before)
        instance.try_all()
        wait_for(lambda: sink.messages, what="the message")
        assert SRS0.fullmatch(sink.messages[0][1])
        instance.wait_for_empty_queue()


@pytest.mark.skipif(not IS_ROOT, reason="needs users of its own")
def test_a_file_of_root_and_the_schedulers_group(make_instance):
    """As where systemd takes from root the right to read everything."""
    with Sink(SINK) as sink:
        instance = make_instance({"aliases": f"away: {FRIEND}\n", "notipme": "127.0.0.0/8\n",
                                  "smtproutes": f":{SINK}:{sink.port}\n"}, start=False)
        if instance.mode != "privileged":
            pytest.skip("one user")
        instance.set("srs", f"{KEY}\n")
        (instance.control / "srs").chmod(0o640)
        shutil.chown(instance.control / "srs", "root", "ekidenq")
        instance.start()
        assert try_rcpt((instance, sink), forward((instance, sink))).code == 250


def test_a_domain_of_its_own(make_instance):
    with Sink(SINK) as sink:
        instance = make_instance({"aliases": f"away: {FRIEND}\n", "notipme": "127.0.0.0/8\n",
                                  "smtproutes": f":{SINK}:{sink.port}\n",
                                  "srsdomain": "srs.demo.example\n"}, start=False)
        instance.set("srs", f"{KEY}\n", secret_of="ekidens")
        instance.start()
        rewritten = forward((instance, sink))
        assert rewritten.endswith("=sender@srs.demo.example")
        assert try_rcpt((instance, sink), rewritten).code == 250
        assert try_rcpt((instance, sink), "other@srs.demo.example").code == 550
        assert try_rcpt((instance, sink), rewritten.replace("srs.demo", "demo")).code == 550
