"""A whole server under faults: one counter over ekiden-serve and all that it starts, from a client's
first message to the last delivery. Messages go to local mailboxes, to a server that takes them, and
to one that refuses.

ekiden-serve starts again what ends; what ends ekiden-serve itself is a supervisor's matter.
"""

import os
import select
import signal
import subprocess
import time

from faults import Control, Subject, Trace, age_drafts, environment, tracer
from instance import PATIENCE, processes_of_session, wait_for
from ledger import Ledger
from queue_faults import check, let_time_pass, settle
from remote import Sink
from rows import Broken
from send_faults import COPIES_MAX, FAR, control_files, send_signal
from smtp_client import Client
from smtp_faults import Sent, talk

IDLE_SECONDS = 0.4  # more than any pause between two steps of a delivery
RECOVERIES_MAX = 4
REFUSING = "127.0.0.4"
WAYS = {  # sender, recipients
    "local": ("sender@elsewhere.example", ["alice@demo.example", "bob@demo.example"]),
    "failing": ("carol@demo.example", ["nobody@refuse.test", "dave@demo.example"]),
    "remote": ("sender@elsewhere.example", ["one@far.test"]),
}


class Whole(Subject):
    """MAKE(control files) gives the instance."""

    def __init__(self, make, size):
        self.sink = Sink(FAR, REFUSING, script={REFUSING: ("RCPT", "550 5.1.1 nobody here")})
        self.sink.__enter__()
        files = control_files(self.sink.port)
        files["rcpthosts"] += "far.test\nrefuse.test\n"
        files["smtproutes"] += f"refuse.test:{REFUSING}:{self.sink.port}\n"
        self.instance, self.size = make(files), size
        self.ledgers = {way: Ledger() for way in WAYS}
        self.name = f"a whole server, {size} bytes"
        self.path = self.instance.folder / "fault.trace"
        self.process = self.control = None

    # --- the server ---

    def start(self):
        instance, self.control = self.instance, Control()
        fd, user = self.control.theirs.fileno(), instance.user
        prefix = tracer(os.devnull, None, user and user[0], fd)
        with open(instance.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*prefix, instance.programs / "ekiden-serve", instance.folder, "--smtp", "0"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                start_new_session=True, env=environment(), cwd="/", pass_fds=(fd,),
            )
        self.control.started()
        line = b""
        while not line.endswith(b"\n"):
            assert select.select([self.process.stdout], [], [], PATIENCE)[0], "not ready"
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                return False
            line += piece
        self.port = int(line.split(b"smtp=")[1].split()[0])
        return True

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def ensure(self):
        for _ in range(RECOVERIES_MAX):
            if self.is_running():
                return
            self.end()
            let_time_pass(self.instance)
            self.start()
        raise AssertionError("ekiden-serve does not start")

    def end(self):
        """SIGTERM. Returns what hung."""
        if not self.process:
            return []
        process, self.process, wrong = self.process, None, []
        process.terminate()
        try:
            process.wait(PATIENCE)
            wait_for(lambda: not processes_of_session(process.pid), what="the end of all")
        except (subprocess.TimeoutExpired, AssertionError):
            wrong = [Broken("hung", f"no end on SIGTERM: {processes_of_session(process.pid)}")]
            send_signal(processes_of_session(process.pid), signal.SIGKILL)
            process.wait()
        process.stdout.close()
        self.control.close()
        return wrong

    def await_idle(self):
        """True when all is delivered; else it stands still, or has ended."""
        deadline = time.monotonic() + PATIENCE
        while self.is_running() and time.monotonic() < deadline:
            if self.control.is_idle(IDLE_SECONDS):
                break
            time.sleep(0.005)
        return not self.instance.accepted_files()

    # --- one run ---

    def send_all(self):
        """A session for each message; returns {way: Sent} and whether one hung."""
        messages, hung = {}, False
        for way, (sender, recipients) in WAYS.items():
            messages[way] = sent = Sent(*self.ledgers[way].message("", self.size))
            try:
                client = Client(self.port, timeout=PATIENCE)
            except OSError:
                continue
            hung = talk(client, [sent], sender, recipients) or hung
        return messages, hung

    def judge(self, messages, hung, trace, fault):
        what = f"{self.name}: {trace}, replies {[sent.code for sent in messages.values()]}"
        wrong = [Broken("hung", what)] if hung else []
        for way, sent in messages.items():
            ledger, taken = self.ledgers[way], sent.code == 250
            ledger.entries[sent.token].label = what
            copies = 1 if fault is None else COPIES_MAX
            unknown = sent.complete and not sent.code
            ledger.expect(sent.token, int(taken), copies if taken or unknown else 0)
            if sent.code // 100 == 5 or (fault is None and not taken):
                wrong.append(Broken("lost", f"{what}: {way} refused"))
        return wrong

    def attempt(self, fault):
        age_drafts(self.instance.folder / "mail")
        self.ensure()
        self.await_idle()
        self.control.arm(self.path, fault)
        messages, hung = self.send_all()
        done = self.await_idle()
        self.control.arm(os.devnull)
        trace = Trace(self.path).read()
        wrong = self.judge(messages, hung, trace, fault)
        for _ in range(RECOVERIES_MAX):
            if done:
                return trace, wrong
            wrong += self.end()
            self.ensure()
            done = self.await_idle()
        what = f"{self.name}: {trace}: still queued: {self.instance.accepted_files()}"
        return trace, wrong if done else [*wrong, Broken("hung", what)]

    def settle(self):
        instance, ledgers = self.instance, self.ledgers
        wrong = self.end() + settle(instance, ledgers["local"], leftovers=False)
        self.sink.__exit__()
        wrong += check(instance, ledgers["failing"], ["dave"])
        wrong += ledgers["failing"].report_violations(instance.mailbox("carol"))
        there = [octets.replace(b"\r\n", b"\n") for _, _, _, octets in self.sink.messages]
        return wrong + ledgers["remote"].violations(there, FAR)
