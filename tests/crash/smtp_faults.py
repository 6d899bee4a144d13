"""ekiden-smtpd under faults, while a client sends two messages in one session: a 250 is a promise, and
what was not answered 250 does not come, unless the connection broke between the end of the message
and the answer.

Single: one process for one connection, as under inetd. Listener: all processes of a listener, which
goes on from fault to fault, is started again when it ends, and takes a message after each of them.
"""

import os
import socket
import subprocess
import threading
import time

from faults import Control, Subject, Trace, environment, tracer
from instance import PATIENCE, SENDER, wait_for
from queue_faults import USERS, settle
from rows import Broken
from smtp_client import Client, Closed, to_wire

RECIPIENTS = [f"{user}@demo.example" for user in USERS]
MESSAGES = 2
RECOVERY_SECONDS = 30  # until a message is taken again
IDLE_SECONDS = 0.05


class Sent:
    """What became of one message, as its client saw it."""

    def __init__(self, token, body):
        self.token, self.body = token, body
        self.code, self.complete = 0, False  # the reply that decided; whether all of it was sent


def send_message(client, sent, sender, recipients):
    """One transaction, whatever is answered."""
    commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{name}>" for name in recipients), "DATA"]
    for command in commands:
        code = client.command(command).code
        if code not in (250, 354):
            sent.code = code
            client.command("RSET")
            return
    sent.complete = True  # from here on some of it may have gone
    client.send(to_wire(sent.body))
    sent.code = client.reply().code


def talk(client, messages, sender=SENDER, recipients=RECIPIENTS):
    """One session: notes in MESSAGES what became of each. Returns whether it hung."""
    try:
        with client:
            if client.reply().code == 220 and client.command("EHLO client.example").code == 250:
                for sent in messages:
                    send_message(client, sent, sender, recipients)
                client.command("QUIT")
    except TimeoutError:
        return True
    except (Closed, OSError):
        pass  # what has a code by now counts
    return False


class Session(Subject):
    def __init__(self, instance, ledger, size, sandbox=True):
        self.instance, self.ledger, self.size, self.sandbox = instance, ledger, size, sandbox
        self.path = instance.folder / "fault.trace"

    def messages(self, count=MESSAGES):
        return [Sent(*self.ledger.message("", self.size)) for _ in range(count)]

    def command(self, prefix):
        instance = self.instance
        return [*prefix, instance.programs / "ekiden-smtpd", "-C", instance.control, "-Q",
                instance.queue, "-A", instance.folder / "state", "-J",
                instance.folder / "judge"]

    def judge(self, messages, trace, hung, fault):
        what = f"{self.name}: {trace}, replies {[sent.code for sent in messages]}"
        wrong = [Broken("hung", what)] if hung else []
        for sent in messages:
            self.ledger.entries[sent.token].label = what
            broke = sent.complete and not sent.code
            self.ledger.expect(sent.token, int(sent.code == 250), int(sent.code == 250 or broke))
            if sent.code // 100 == 5:
                wrong.append(Broken("lost", f"{what}: refused for good"))
            if fault is None and sent.code != 250:
                wrong.append(Broken("other", f"{what}: without a fault"))
        if trace.forbids_success() and all(sent.code == 250 for sent in messages):
            wrong.append(Broken("lost", f"{what}: 250 all the same"))
        return wrong

    def settle(self):
        return settle(self.instance, self.ledger)


class Single(Session):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.name = f"one session, {MESSAGES} of {self.size} bytes"

    def attempt(self, fault):
        user, messages = self.instance.user, self.messages()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = Client(listener.getsockname()[1], timeout=PATIENCE)
            connected, _ = listener.accept()
        prefix = tracer(self.path, fault, user and user[0])
        with connected, open(self.instance.log_path, "ab") as log:
            process = subprocess.Popen(self.command(prefix), stdin=connected, stdout=connected,
                                       stderr=log, env=environment(self.sandbox), cwd="/")
        hung = talk(client, messages)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            hung = True
            process.kill()
            process.wait()
        trace = Trace(self.path).read()
        return trace, self.judge(messages, trace, hung, fault)


class Listener(Session):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.name = f"a listener's session, {MESSAGES} of {self.size} bytes"
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.process = self.control = None

    def start(self):
        user, self.control = self.instance.user, Control()
        there, ready = os.pipe()
        fd = self.control.theirs.fileno()
        prefix = tracer(os.devnull, None, user and user[0], fd)
        with open(self.instance.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(prefix) + ["-d", str(ready)], stdin=self.listening, stderr=log,
                env=environment(self.sandbox), cwd="/", pass_fds=(fd, ready),
            )
        os.close(ready)
        self.control.started()
        os.read(there, 1)
        os.close(there)

    def await_idle(self):
        wait_for(lambda: self.control.is_idle(IDLE_SECONDS) or self.process.poll() is not None,
                 what="a listener with nothing to do")

    def ensure(self):
        """What a supervisor does. Returns whether it had to."""
        if self.process and self.process.poll() is None:
            return False
        self.end()
        self.start()
        self.await_idle()
        return True

    def end(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.control.close()
            self.process = None

    def connect(self):
        return Client(self.listening.getsockname()[1], timeout=PATIENCE)

    def recover(self, what):
        """A message is taken again before long. Returns complaints."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < deadline:
            self.ensure()
            (sent,) = messages = self.messages(1)
            hung = self.talk_supervised(messages)
            self.ledger.entries[sent.token].label = f"{what}: the message after it: {sent.code}"
            self.ledger.expect(sent.token, int(sent.code == 250),
                               int(sent.code == 250 or (sent.complete and not sent.code)))
            if sent.code == 250:
                return []
            if hung:
                break
            time.sleep(0.02)
        log = self.instance.log_text()[-600:]
        return [Broken("hung", f"{what}: no message is taken any more: {sent.code}, log: {log!r}")]

    def talk_supervised(self, messages):
        """A session, while a supervisor looks after the listener: who came before it ended waits in
        the socket, which the supervisor keeps. Returns whether it hung."""
        client, ended = self.connect(), []
        thread = threading.Thread(target=lambda: ended.append(talk(client, messages)))
        thread.start()
        while thread.is_alive():
            thread.join(0.02)
            self.ensure()
        return ended[0]

    def attempt(self, fault):
        self.ensure()
        self.await_idle()
        messages = self.messages()
        self.control.arm(self.path, fault)
        hung = self.talk_supervised(messages)
        self.await_idle()
        self.control.arm(os.devnull)
        trace = Trace(self.path).read()
        wrong = self.judge(messages, trace, hung, fault)
        return trace, wrong + self.recover(f"{self.name}: {trace}")

    def settle(self):
        self.end()
        self.listening.close()
        return super().settle()
