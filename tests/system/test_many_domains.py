"""One message to 1000 recipients over 50 domains, half of which fail, each in a way of its own: one
report has each failure once, everyone else is served once, late where it must be late."""

import random
from collections import Counter, namedtuple
from contextlib import ExitStack

from contents import message
from hostile_server import CLOSE, RESET, HostileServer
from instance import DOMAIN, wait_for
from name_server import NameServer
from report import Report

EACH = 20  # recipients a domain
SENDER = f"alice@{DOMAIN}"
MESSAGE = message("many", "Grüße an alle\n".encode())
EXTENSIONS = ["PIPELINING", "8BITMIME", "SIZE 1000000"]

# What a domain has: a server that answers so, or none and these records and behaviours of the DNS.
# FAILS: the status of those recipients who fail, half of them where HALF is set.
Domain = namedtuple("Domain", "answers extensions records behaviour fails half late",
                    defaults=({}, EXTENSIONS, None, None, None, False, False))  # fmt: skip


def server(fails=None, extensions=EXTENSIONS, half=False, late=False, **answers):
    return Domain(answers, extensions, fails=fails, half=half, late=late)


def dns(records=None, behaviour=None, fails=None, late=False):
    """NAME stands for the domain."""
    return Domain(None, (), records or {}, behaviour, fails, late=late)


def every_other(session):
    """By the recipient, who keeps it when another transaction asks again."""
    number = int(session.line.split(b"@")[0].rsplit(b"-")[-1])
    return "550 5.1.1 not here" if number % 2 else "250 ok"


def other_half(session):
    return "451 4.3.0 later" if every_other(session).startswith("550") else "250 ok"


FAILING = [
    dns(fails="5.1.2"),
    dns({("NAME", "MX"): [(0, ".")]}, fails="5.1.10"),
    dns({("NAME", "MX"): [(10, "nowhere.NAME")]}, fails="5.4.4"),
    dns({("NAME", "MX"): [(10, "host.NAME")], ("host.NAME", "A"): ["127.0.0.1"]}, fails="5.4.6"),
    dns({("NAME", "A"): ["0.0.0.0"]}, fails="5.4.6"),
    dns({("NAME", "TXT"): ["no address"]}, fails="5.4.4"),
    server("5.1.1", RCPT="550 5.1.1 no such user"),
    server("5.1.1", RCPT="550 no such user"),
    server("5.7.1", RCPT="550-5.7.1 go away\r\n550-5.7.1 and read\r\n550 5.7.1 http://x.test/"),
    server("5.1.6", RCPT="551 try <someone@else.test>"),
    server("5.1.3", RCPT="553 5.1.3 no"),
    server("5.0.0", RCPT="554 \x1b[2J<b>no</b> \xff".encode("latin-1") + b"\r\n"),
    server("5.7.1", RCPT="550 5.7.1 " + "x" * 400),
    server("5.1.1", RCPT=every_other, half=True),
    server("5.1.1", RCPT=every_other, half=True, extensions=["8BITMIME"]),
    server("5.7.1", MAIL="550 5.7.1 your sender"),
    server("5.1.8", MAIL="553 5.1.8 no domain"),
    server("5.7.0", MAIL="530 5.7.0 authenticate"),
    server("5.7.1", DATA="554 5.7.1 no"),
    server("5.6.0", message="554 5.6.0 spam"),
    server("5.3.4", message="552 5.3.4 too big"),
    server("5.3.4", message=("550 5.3.4 enough", CLOSE)),
    server("5.6.3", extensions=["PIPELINING"]),
    server("5.6.3", extensions=[], EHLO="502 what"),
    server("5.3.4", extensions=["8BITMIME", "SIZE 100"]),
]
LATE = [
    dns(behaviour="servfail", late=True),
    dns(behaviour="refused", late=True),
    server(late=True, greeting="421 busy"),
    server(late=True, greeting=CLOSE),
    server(late=True, MAIL="451 4.3.0 wait"),
    server(late=True, RCPT=other_half),
    server(late=True, DATA="451 4.3.0 wait"),
    server(late=True, message="452 4.3.1 full"),
    server(late=True, body=RESET),
]
WELL = [
    server(extensions=["8BITMIME"]) if number % 3 == 0 else server()
    for number in range(50 - len(FAILING) - len(LATE))
]


def domains():
    kinds = [*FAILING, *LATE, *WELL]
    assert len(FAILING) == 25 and len(kinds) == 50
    return {f"d{number}.test": kind for number, kind in enumerate(kinds)}


def recipients_of(name):
    return [f"user-{number}@{name}" for number in range(EACH)]


def test_a_thousand_recipients(make_instance):
    kinds = domains()
    fails = {}
    for name, kind in kinds.items():
        if kind.fails:
            chosen = recipients_of(name)[1::2] if kind.half else recipients_of(name)
            fails.update(dict.fromkeys(chosen, kind.fails))
    everyone = [recipient for name in kinds for recipient in recipients_of(name)]
    random.Random(3).shuffle(everyone)
    assert len(everyone) == 1000

    records, behaviours = {("example", "NS"): ["example"]}, {}
    for name, kind in kinds.items():
        for (owner, key), values in (kind.records or {}).items():
            values = [(v[0], v[1].replace("NAME", name)) if key == "MX" else v for v in values]
            records[owner.replace("NAME", name), key] = values
        if kind.behaviour:
            behaviours[name] = kind.behaviour
    with ExitStack() as stack:
        names = stack.enter_context(NameServer(records, behaviours))
        servers = {
            name: stack.enter_context(HostileServer(dict(kind.answers), kind.extensions))
            for name, kind in kinds.items()
            if kind.answers is not None
        }
        healed = stack.enter_context(HostileServer({}, EXTENSIONS))
        routes = "".join(f"{name}:127.0.0.1:{one.port}\n" for name, one in servers.items())
        instance = make_instance({"smtproutes": routes, "nameservers": f"{names.endpoint}\n",
                                  "relayclients": "127.0.0.1\n"})
        with instance.session() as client:
            answer = client.deliver(SENDER, everyone, MESSAGE, " BODY=8BITMIME")
            assert answer.code == 250, answer
            client.quit()

        def is_deferred():
            return [event for event in instance.log() if event.get("event") == "deferred"]

        (first,) = wait_for(is_deferred, instance.patience, "the end of the first try")
        assert int(first["failed"]) == len(fails), first
        (report,) = instance.wait_for_mail("alice")

        for name, kind in kinds.items():
            if kind.late and name not in servers:
                routes += f"{name}:127.0.0.1:{healed.port}\n"
            elif kind.late:
                servers[name].answers.clear()
        instance.set_at_once("smtproutes", routes)
        instance.try_all()
        instance.wait_for_empty_queue()

        served = Counter(healed.served)
        for one in servers.values():
            served.update(one.served)
    assert served == Counter(set(everyone) - set(fails))

    (same,) = instance.wait_for_mail("alice")
    assert same == report
    report = Report(report, DOMAIN)
    assert Counter(report.recipients_reported) == Counter(list(fails))
    statuses = dict(zip(report.recipients_reported, (one["Status"] for one in report.status[1:])))
    assert statuses == fails
