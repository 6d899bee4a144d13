"""A whole instance and smtp-sink, which errs, delays and disconnects at every stage: no message is
lost, and none comes twice but where the protocol forces it.

Each case has a domain and a sink of its own, and a message for two recipients there. Two rounds of
tries find the sinks as they are, the third finds them in good health; then the books are balanced.
"""

from collections import Counter, namedtuple

import pytest
from contents import message
from instance import DOMAIN, wait_for
from report import Report
from sink import SmtpSink

pytestmark = pytest.mark.needs("smtp-sink")

SENDER = f"alice@{DOMAIN}"
DELIVERED, FAILED, DEFERRED = "delivered", "failed", "deferred"
Case = namedtuple("Case", "options outcome eight_bit", defaults=(False,))


def error_cases():
    """-f says 5xx, -r 4xx, -Q 421 and goes, -q goes without a word."""
    for command in ("CONNECT", "EHLO,HELO", "EHLO", "MAIL", "RCPT", "DATA", ".", "QUIT"):
        for option in ("-f", "-r", "-q", "-Q"):
            outcome = FAILED if option == "-f" else DEFERRED
            if command in ("CONNECT", "EHLO,HELO"):
                outcome = DEFERRED  # says nothing about this mail
            if command == "QUIT" or (command == "EHLO" and option == "-f"):
                outcome = DELIVERED
            yield Case((option, command), outcome)


CASES = {
    f"case{number}.test": case
    for number, case in enumerate([
        *error_cases(),
        *(Case((option,), DELIVERED) for option in ("-e", "-p", "-8", "-P", "-E", "-N")),
        Case(("-8",), FAILED, eight_bit=True),
        Case(("-e",), FAILED, eight_bit=True),
        Case(("-A", "0"), FAILED),
        Case(("-A", "1"), FAILED),
        Case(("-w", "1"), DELIVERED),
        Case(("-W", ".:1:0"), DELIVERED),
        # with pipelining the sink answers what follows before it
        *(Case(("-p", "-W", f"{command}:1:0"), DELIVERED) for command in ("EHLO", "MAIL", "RCPT")),
        Case(("-H", "1", "-T", "4096"), DELIVERED),
    ])
}  # fmt: skip


def end_of(domain):
    return f"the end of {domain}".encode()


def text_for(domain, case):
    body = b".\n..\n" + (b"Gr\xc3\xbc\xc3\x9fe\n" if case.eight_bit else b"") + b"x" * 70 + b"\n"
    return message(domain, body + end_of(domain) + b"\n")


@pytest.fixture
def sinks(scratch):
    made = {domain: SmtpSink(scratch) for domain in CASES}
    yield made
    for sink in made.values():
        sink.stop()


def start(sinks, misbehave):
    for domain, sink in sinks.items():
        sink.stop()
        sink.start(*CASES[domain].options if misbehave else ())
    for sink in sinks.values():
        sink.await_start()


def outcomes(instance):
    """(domain, result) -> how many recipients it was said of."""
    return Counter(
        (event["recipient"].split("@")[1], event["result"])
        for event in instance.log()
        if event["program"] == "ekiden-send" and event.get("event") == "delivery"
    )


def await_round(instance, number):
    """Waits until each recipient has had its try and nothing is being tried."""

    def unsaid():
        said = outcomes(instance)
        return {
            (domain, case): {key[1]: count for key, count in said.items() if key[0] == domain}
            for domain, case in CASES.items()
            if said[domain, case.outcome] != (2 * number if case.outcome == DEFERRED else 2)
        }

    def is_over():
        return not unsaid() and all(path.parent.name != "new" for path in instance.queue_files())

    try:
        wait_for(is_over, instance.patience, f"round {number}")
    except AssertionError as error:
        raise AssertionError(f"{error}: {unsaid()}\n{instance.log_text()[-3000:]}") from None


def try_now(instance):
    instance.try_all()


def test_ledger(make_instance, sinks):
    routes = "".join(f"{name}:{sink.address}:{sink.port}\n" for name, sink in sinks.items())
    instance = make_instance({"smtproutes": routes, "relayclients": "127.0.0.1\n"})
    start(sinks, misbehave=True)
    with instance.session() as client:
        for domain, case in CASES.items():
            recipients = [f"{name}@{domain}" for name in ("anna", "bert")]
            answer = client.deliver(SENDER, recipients, text_for(domain, case), " BODY=8BITMIME")
            assert answer.code == 250, answer
        client.quit()
    await_round(instance, 1)
    try_now(instance)
    await_round(instance, 2)
    before = {domain: len(sink.messages(end_of(domain))) for domain, sink in sinks.items()}
    start(sinks, misbehave=False)
    try_now(instance)
    instance.wait_for_empty_queue()
    after = {domain: len(sink.messages(end_of(domain))) for domain, sink in sinks.items()}

    for domain, case in CASES.items():
        books = f"{case}: {before[domain]} and {after[domain]}"
        assert after[domain] == (1 if case.outcome == DEFERRED else 0), books
        if case.options[-1] == ".":
            # The sink has it all before it errs: once a try.
            assert before[domain] == (1 if case.outcome == FAILED else 2), books
        else:
            assert before[domain] == (1 if case.outcome == DELIVERED else 0), books

    failed = [domain for domain, case in CASES.items() if case.outcome == FAILED]
    reports = [Report(one, DOMAIN) for one in instance.wait_for_mail("alice", len(failed))]
    reported = sorted(sorted(report.recipients_reported) for report in reports)
    assert reported == sorted([f"anna@{domain}", f"bert@{domain}"] for domain in failed)
