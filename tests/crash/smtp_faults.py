"""The injectors of ekiden-smtpd under faults, while a client sends two messages in one session.

A 250 is a promise. strace is attached to the template of the injectors in a running server, which
needs root; it follows the injector that the template forks, and counts its calls anew.
"""

from faults import KINDS, Attached, faults_of, points_of
from instance import SENDER, wait_for
from queue_faults import USERS
from smtp_client import Closed, to_wire

RECIPIENTS = [f"{user}@demo.example" for user in USERS]
MESSAGES = 2
TEMPLATE = "smtpd-injectors"


def template_process(instance):
    """The template's process. When a fault ended it, the server starts a new one."""
    return wait_for(lambda: instance.processes().get(TEMPLATE), what="a new " + TEMPLATE)[0].pid


def is_settled(instance, trace, template):
    """True when the template lives, or is gone for good."""
    alive = any(process.pid == template for process in instance.all_processes())
    return not alive or f"{template} +++ killed" not in trace


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
    """One session, under FAULT if given. Returns the trace, the codes, and who was traced."""
    label = str(fault or "clean session")
    made = [ledger.message(f"{label}, message {number}", size) for number in (1, 2)]
    path = instance.folder / "fault.trace"
    options = [fault.option()] if fault else []
    process = template_process(instance)
    with Attached([process], path, *options) as tracing:
        codes = send_messages(instance, [body for _, body in made])
    for (token, _), code in zip(made, codes):
        ledger.entries[token].label += f", reply {code}"
        # An error in the middle of the answer hits a message that is queued already.
        unknown = fault and (fault.kind == "KILL" or fault.point.call in ("sendmsg", "sendto"))
        ledger.expect(token, *((1, 1) if code == 250 else (0, 1 if unknown else 0)))
    return tracing.trace(), codes, process


def sweep(instance, ledger, kinds=KINDS, size=300):
    """Returns (number of faults, those that did not come about, complaints)."""
    one_round(instance, ledger, None, size)
    trace, codes, _ = one_round(instance, ledger, None, size)
    assert codes == [250] * MESSAGES, codes
    faults, missed, wrong = faults_of(points_of(trace), kinds), [], []
    for fault in faults:
        instance.expected_signals = True
        trace, codes, process = one_round(instance, ledger, fault, size)
        if not fault.happened(trace):
            missed.append(str(fault))
        elif fault.forbids_success() and codes == [250] * MESSAGES:
            wrong.append(f"{fault}: 250 all the same")
        wait_for(lambda: is_settled(instance, trace, process), what="the end of a killed template")
    token, body = ledger.message("a session after all faults")
    if send_messages(instance, [body]) != [250]:
        wrong.append("no message is taken after the faults")
        ledger.expect(token, 0, 1)
    return len(faults), missed, wrong
