"""The README's section "Who may hand you mail", as it stands; and hostile or silent name servers, as
a client sees them (attack cases J01, J02, J07, J08, J09, J13, J21, J24)."""

import re
import subprocess

import pytest
from conftest import ROOT
from instance import DOMAIN, PATIENCE, SENDER, wait_for
from name_server import NameServer

ALICE = f"alice@{DOMAIN}"
RELAY = "127.0.0.1"  # the oracle's
LISTED, NAMED, GOOD = "127.1.1.1", "127.1.1.2", "127.1.1.3"
SPF_FAIL = "someone@fail.example"
ZEN = "zen.spamhaus.org"
EXAMPLES = re.compile(r"^ {4}(echo .*> /etc/ekiden/\S+)", re.M)


def in_arpa(address):
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"


def on_list(address, zone=ZEN):
    return ".".join(reversed(address.split("."))) + "." + zone


RECORDS = {
    (on_list(LISTED), "A"): ["127.0.0.2"],
    (on_list(LISTED), "TXT"): ["https://list.example/why"],
    ("fail.example", "TXT"): ["v=spf1 -all"],
    ("elsewhere.example", "A"): ["192.0.2.1"],
    ("null.example", "MX"): [(0, ".")],
    ("two.example", "TXT"): ["v=spf1 -all", "v=spf1 +all"],
    (in_arpa(GOOD), "PTR"): ["mail.good.example"],
    ("mail.good.example", "A"): [GOOD],
    (in_arpa(NAMED), "PTR"): ["mail.good.example"],  # forged: it does not lead back
}


def section():
    text = (ROOT / "README.md").read_text()
    return text.partition("## Who may hand you mail\n")[2].partition("\n## ")[0]


def says(client, *commands):
    """The answer to the last one."""
    for command in commands:
        answer = client.command(command)
    return answer


def rcpt(instance, source, sender=SENDER, recipient=ALICE, name="client.example"):
    with instance.session(source, name) as client:
        return says(client, f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>")


def codes_of_the_readme():
    rows = re.findall(r"^\| `(\w+)` +\|[^|]*\| `(\d{3})`", section(), re.M)
    return {name: int(code) for name, code in rows}


@pytest.fixture
def server():
    with NameServer(dict(RECORDS)) as running:
        yield running


def explain(instance, address, name):
    """What the README's command prints, for another client."""
    (line,) = re.findall(r"^ {4}(ekiden explain .*)", section(), re.M)
    for old, new in (("192.0.2.1", address), ("mail.example.net", name), ("anna@example.org", ALICE)):
        line = line.replace(old, new)
    line = instance.command("ekiden", *line.split()[1:], "-C", instance.control, "-Q",
                            instance.queue, "-J", instance.folder / "judge")
    return subprocess.run(line, capture_output=True, timeout=PATIENCE, cwd="/", text=True).stdout


def test_the_readme(make_instance, server):
    """Its lines, typed, do what its table says."""
    examples, codes = EXAMPLES.findall(section()), codes_of_the_readme()
    assert len(examples) == 6 and list(codes) == ["checks", "limits", "dnsbl", "spfbehavior", "greylist"]
    instance = make_instance({"nameservers": f"{server.endpoint}\n", "relayclients": f"{RELAY}\n"},
                             start=False)
    for line in examples:
        subprocess.run(["sh", "-c", line.replace("/etc/ekiden", str(instance.control))], check=True)
    for path in instance.control.iterdir():
        instance.give_away(path)
    instance.start()
    # Loopback may say that it is us.
    assert f"{codes['checks']} 5.7.1" in explain(instance, "192.0.2.7", DOMAIN)
    assert rcpt(instance, LISTED).code == codes["dnsbl"]
    assert "https://list.example/why" in rcpt(instance, LISTED).text
    assert rcpt(instance, LISTED, recipient=f"postmaster@{DOMAIN}").code == 250
    assert rcpt(instance, GOOD, SPF_FAIL).code == codes["spfbehavior"]
    assert rcpt(instance, GOOD).code == codes["greylist"]
    with instance.session(GOOD) as client:
        client.command(f"MAIL FROM:<{SENDER}>")
        seen = [client.command(f"RCPT TO:<nobody@{DOMAIN}>").code for _ in range(19)]
        assert set(seen) == {550}
    with instance.session(GOOD) as client:
        client.command(f"MAIL FROM:<{SENDER}>")
        seen = [client.command(f"RCPT TO:<nobody@{DOMAIN}>").code for _ in range(12)]
        assert seen[-1] == codes["limits"]
    for rule in ("dnsbl", "spf", "greylist", "limits"):
        assert any(rule in event.get("rule", "") for event in instance.log()), rule
    said = explain(instance, LISTED, "mail.example.net")
    assert f"{codes['dnsbl']} 5.7.1" in said and "dnsbl:1" in said


def test_the_samples_turn_nothing_on(make_instance):
    """`make install` puts them into the control folder."""
    samples = {path.name: path.read_text() for path in (ROOT / "etc/control").iterdir()}
    names = ("checks", "dnsbl", "limits", "greylist", "spfbehavior")
    instance = make_instance({"relayclients": f"{RELAY}\n", **{name: samples[name] for name in names}})
    assert rcpt(instance, GOOD).code == 250
    assert "judge" not in instance.processes()
    for name in names:
        lines = [line[1:] if line[1:2] != " " else line for line in samples[name].splitlines()]
        instance.set(name, "\n".join(lines) + "\n")
    line = instance.command("ekiden-smtpd", "-C", instance.control, "-t")
    done = subprocess.run(line, capture_output=True, timeout=PATIENCE, text=True)
    assert done.returncode == 0, done


EVERYTHING = ("checks", "reverse-dns defer\nforward-dns defer\nhelo-dns defer\nsender-dns defer\n")


def all_of_it(server, **more):
    return {"nameservers": f"{server.endpoint}\n", "relayclients": f"{RELAY}\n", "dnsbl": f"{ZEN}\n",
            "rhsbl": "domains.example\n", "spfbehavior": "4\n", EVERYTHING[0]: EVERYTHING[1], **more}


@pytest.mark.parametrize("behaviour", ["servfail", "refused", "silence", "no-question",
                                       "pointer-loop", ("count", 65535), ("garbage", 60)])
def test_a_name_server_out_of_order(make_instance, server, behaviour):
    """J01, J04, J21: nobody is refused for good, nobody waits beyond the deadline; mail goes on and
    the log says so, or waits where the operator wants that."""
    server.behaviours["*"] = behaviour
    instance = make_instance(all_of_it(server, dnsdeadline="2\n", spftimeout="2\n",
                                       spfbehavior="1\n"))
    assert rcpt(instance, GOOD).code == 250
    instance.set("dnsdown", "defer\n")
    instance.wait_for_new_template()
    assert rcpt(instance, GOOD).code in (450, 451)


def test_a_client_that_does_not_wait(make_instance, server):
    """It hangs up while name servers are silent: who asked for it ends, and the log tells of no
    killed process (which the end of each test looks for)."""
    server.behaviours["*"] = "silence"
    instance = make_instance(all_of_it(server))
    with instance.session(GOOD) as client:
        client.command("MAIL FROM:<x@sender.example>")
        wait_for(lambda: instance.processes().get("ekiden-spf"), what="the process for SPF")
    wait_for(lambda: not {"ekiden-spf", "ekiden-judge"} & instance.processes().keys(),
             what="the end of both")


def test_senders_that_get_no_mail(make_instance, server):
    """J02 NXDOMAIN, J07 null MX, J13 two SPF records."""
    instance = make_instance(all_of_it(server, checks="sender-dns refuse\n"))
    for sender in ("x@not-there.example", "x@null.example"):
        assert rcpt(instance, GOOD, sender).code == 550, sender
    assert rcpt(instance, GOOD, "").code == 250
    assert rcpt(instance, GOOD).code == 250
    instance.set("checks", "")
    instance.wait_for_new_template()
    assert rcpt(instance, GOOD, "x@two.example").code == 250  # permerror never refuses


def test_names_of_clients_that_lie(make_instance, server):
    """J09: a name counts when it leads back to the address, and J08: what stands in it does no harm."""
    server.records[(in_arpa("127.1.1.4"), "PTR")] = ["evil\\010\\027[31m\\;$(id).example"]
    server.records[(in_arpa("127.1.1.5"), "PTR")] = [f"n{i}.example" for i in range(200)]
    instance = make_instance(all_of_it(server, checks="forward-dns refuse\n"))
    for client in (NAMED, "127.1.1.4", "127.1.1.5"):
        assert rcpt(instance, client).code == 550, client
    assert sum(server.asked(f"n{i}.example", "A") > 0 for i in range(200)) <= 10
    assert rcpt(instance, GOOD).code == 250
    text = instance.log_text()
    assert "\x1b" not in text and "name=mail.good.example" not in [
        event.get("name") for event in instance.log() if event.get("client") == NAMED]


def test_lists_that_say_yes_to_all(make_instance, server):
    """J24: a list that refuses to answer, or a zone that was sold, is no mass refusal."""
    instance = make_instance(all_of_it(server, checks=""))
    for value in ("127.255.255.254", "127.255.255.255", "127.0.0.1", "192.0.2.99"):
        server.records[(f"*.{ZEN}", "A")] = [value]
        assert rcpt(instance, GOOD).code == 250, value
    server.records[(f"*.{ZEN}", "A")] = ["127.0.0.2"]
    server.records[(f"*.{ZEN}", "TXT")] = ["why\r\n250 ok\x1b[2J" + "x" * 150]
    answer = rcpt(instance, GOOD)
    assert (answer.code, answer.enhanced) == (550, "5.7.1")
    assert "\x1b" not in answer.text and len(answer.text) < 500


def test_a_client_that_hangs_up_is_no_failure(make_instance, server):
    """The answers come when nobody wants them any more; no helper dies of it."""
    server.behaviours["fail.example"] = server.behaviours["client.example"] = ("delay", 0.2)
    instance = make_instance(all_of_it(server, checks=""))
    with instance.session(GOOD) as client:
        client.command(f"MAIL FROM:<{SPF_FAIL}>")
        wait_for(lambda: server.asked("fail.example", "TXT"), what="the question")
    wait_for(lambda: not instance.processes().keys() & {"ekiden-spf", "ekiden-judge"}, what="the end")
    assert rcpt(instance, GOOD, SPF_FAIL).code == 550
