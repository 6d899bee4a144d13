"""The injectors of ekiden-smtpd under faults, while a client sends two messages in one session.

A 250 is a promise. strace is attached to the template of the injectors in a running server, which
needs root; it follows the injector that the template forks, and counts its calls anew.
"""

import re

from faults import KINDS, Attached, faults_of, points_of
from instance import SENDER, Process, wait_for
from queue_faults import USERS
from smtp_client import Closed, to_wire

RECIPIENTS = [f"{user}@demo.example" for user in USERS]
MESSAGES = 2
TEMPLATE = "smtpd-injectors"
ENDED = re.compile(r"^(\d+) .*\+\+\+ (?:exited|killed)", re.M)


def template_process(instance):
    """The template's process, once it waits for a request and for nothing else: what it still had
    to do would be counted with the calls of the next session. When a fault ended it, the server
    starts a new one."""

    def idle():
        for template in instance.processes().get(TEMPLATE, ()):
            # An ended child stays when waiting for it failed; else its end wakes the template.
            children = template.read(f"task/{template.pid}/children").split()
            if all(Process(int(child)).stat()[:1] in (["Z"], []) for child in children):
                where = template.read("wchan")  # 0 where the kernel does not tell
                if template.stat()[:1] == ["S"] and ("poll" in where or where == "0"):
                    return template.pid
        return None

    return wait_for(idle, what=f"a {TEMPLATE} that waits")


def is_over(trace, template):
    """True when TRACE shows all that the session and its fault have led to: the template's end, or
    the end of the injector, and the template waiting again."""
    lines = trace.splitlines()
    ended = set(ENDED.findall(trace))
    if str(template) in ended:
        return True
    others = {line.split(" ", 1)[0] for line in lines} - {str(template)}
    if not others <= ended or not (others or "(INJECTED)" in trace):
        return False
    last = [line for line in lines if line.startswith(f"{template} ") or ENDED.match(line)][-1]
    return re.match(rf"{template} +ppoll\w*\(", last) is not None


def send_message(client, body):
    """One transaction, whatever is answered. Returns the code of the reply that decided."""
    commands = [f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{name}>" for name in RECIPIENTS), "DATA"]
    for command in commands:
        code = client.command(command).code
        if code not in (250, 354):
            client.command("RSET")
            return code
    client.send(to_wire(body))
    return client.reply().code


def send_messages(instance, bodies):
    """One session. Returns the reply code of each message: 0 where none came."""
    codes = [0] * len(bodies)
    try:
        with instance.connect() as client:
            client.reply()
            client.command("EHLO client.example")
            for index, body in enumerate(bodies):
                codes[index] = send_message(client, body)
    except (Closed, OSError):
        pass  # what has a code by now counts
    return codes


def one_round(instance, ledger, fault, size):
    """One session, under FAULT if given. Returns the trace and the codes."""
    label = str(fault or "clean session")
    made = [ledger.message(f"{label}, message {number}", size) for number in (1, 2)]
    path = instance.folder / "fault.trace"
    options = [fault.option()] if fault else []
    process = template_process(instance)
    before = {one.pid for one in instance.all_processes() if one.comm.startswith("smtpd-")}
    with Attached([process], path, *options) as tracing:
        codes = send_messages(instance, [body for _, body in made])
        wait_for(lambda: is_over(tracing.trace(), process), what="the end of the session")
    if f"{process} +++ killed" in tracing.trace():
        # The next client must not come to a dialogue of the listener that ends now.
        wait_for(
            lambda: not before & {one.pid for one in instance.all_processes()},
            what="the end of a listener without its template",
        )
    for (token, _), code in zip(made, codes):
        ledger.entries[token].label += f", reply {code}"
        # An error in the middle of the answer hits a message that is queued already.
        unknown = fault and (fault.kind == "KILL" or fault.point.call in ("sendmsg", "sendto"))
        ledger.expect(token, *((1, 1) if code == 250 else (0, 1 if unknown else 0)))
    return tracing.trace(), codes


def sweep(instance, ledger, kinds=KINDS, size=300):
    """Returns (number of faults, those that did not come about, complaints)."""
    one_round(instance, ledger, None, size)
    trace, codes = one_round(instance, ledger, None, size)
    assert codes == [250] * MESSAGES, codes
    faults, missed, wrong = faults_of(points_of(trace), kinds), [], []
    for fault in faults:
        instance.expected_signals = True
        trace, codes = one_round(instance, ledger, fault, size)
        if not fault.happened(trace):
            missed.append(str(fault))
        elif fault.forbids_success() and codes == [250] * MESSAGES:
            wrong.append(f"{fault}: 250 all the same")
    token, body = ledger.message("a session after all faults")
    if send_messages(instance, [body]) != [250]:
        wrong.append("no message is taken after the faults")
        ledger.expect(token, 0, 1)
    return len(faults), missed, wrong
