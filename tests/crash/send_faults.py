"""ekiden-send and all of its agents under faults: what is in the queue arrives, whatever happens, and
of what cannot arrive the sender is told.

Each run starts with messages for local mailboxes, for one that is not there, for a server that takes
mail and for one that puts it off, and with one in the wheel whose time has come. It ends when all is
tried, or nothing moves any more, or ekiden-send has died; then a supervisor starts it again.
"""

import contextlib
import os
import signal
import subprocess
import time

from faults import Control, Subject, Trace, age_drafts, environment, tracer
from instance import PATIENCE, processes_of_session
from ledger import Ledger
from queue_faults import ENVELOPE, check, let_time_pass, run_queue, settle
from remote import Sink
from rows import Broken

COPIES_MAX = 2  # an answer or a mark can be lost
RECOVERIES_MAX = 4  # starts until all is done
FAR, LATE = "127.0.0.2", "127.0.0.3"
PUT_OFF = ("RCPT", "451 4.3.0 later")
# Carol writes to Dave and to somebody who is not there: Dave gets it, and she gets a report.
FAILING = b"Fcarol@demo.example\0Tnobody@demo.example\0Tdave@demo.example\0"
# Frank wants to be told when Erin has his mail (RFC 3461).
ASKING = b"Ffrank@demo.example\0RH\0Terin@demo.example\0NS\0"
REMOTE = b"Fsender@elsewhere.example\0Tone@far.test\0Ttwo@late.test\0"


def control_files(port):
    return {
        "me": "demo.example\n",
        "locals": "demo.example\n",
        "rcpthosts": "demo.example\n",
        "users": "alice\nbob\ncarol\ndave\nerin\nfrank\n",
        "smtproutes": f"far.test:{FAR}:{port}\nlate.test:{LATE}:{port}\n",
        "notipme": "127.0.0.0/8\n",
    }


def send_signal(processes, number):
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


class Send(Subject):
    """MAKE(control files) gives the instance."""

    def __init__(self, make, size, sandbox=True):
        self.sink = Sink(FAR, LATE)
        self.sink.__enter__()
        self.instance, self.size, self.sandbox = make(control_files(self.sink.port)), size, sandbox
        self.local, self.failing, self.remote = Ledger(), Ledger(), Ledger()
        self.asking, self.excused = Ledger(), set()
        self.name = f"ekiden-send and its agents, {size} bytes"
        self.errors, self.bad = False, set()
        self.put_off = self.instance.folder / "put-off"
        self.put_off.mkdir()

    # --- one run ---

    def queue(self, ledger, envelope, label):
        token, body = ledger.message(label, self.size)
        ledger.expect(token, 1, COPIES_MAX)
        code, _ = run_queue(self.instance, body, traced=False, envelope=envelope)
        assert code == 0, f"ekiden-queue: exit {code}"
        return ledger.entries[token]

    def put_into_wheel(self):
        """What is in new/ by now was deferred once, and its time has come. Not what a kill cut off:
        in the wheel everything was whole once."""
        first = self.instance.queue / "wheel" / "000"
        first.mkdir(mode=0o770, exist_ok=True)
        if self.instance.mode == "unprivileged":
            self.instance.give_away(first)
        for path in self.queued():
            path.rename(first / path.name)

    def queue_all(self, label):
        entries = [self.queue(self.local, ENVELOPE, label)]
        self.put_into_wheel()
        let_time_pass(self.instance)
        entries += [self.queue(self.local, ENVELOPE, label),
                    self.queue(self.failing, FAILING, label),
                    self.queue(self.asking, ASKING, label),
                    self.queue(self.remote, REMOTE, label)]
        return entries

    def start(self, fault=None, control=None, traced=False):
        instance, user = self.instance, self.instance.user
        arguments = ["-C", instance.control, "-Q", instance.queue, "-M", instance.folder / "mail"]
        command, passed = instance.command("ekiden-send", *arguments), ()
        if traced:
            fd = control.theirs.fileno()
            prefix = tracer(instance.folder / "fault.trace", fault, user and user[0], fd)
            command, passed = [*prefix, instance.programs / "ekiden-send", *arguments], (fd,)
        with open(instance.log_path, "ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                env=environment(self.sandbox), start_new_session=True, pass_fds=passed,
            )

    def finish(self, process):
        """SIGTERM. Returns what hung."""
        process.terminate()
        try:
            process.wait(PATIENCE)
            deadline = time.monotonic() + PATIENCE
            while processes_of_session(process.pid):
                if time.monotonic() > deadline:
                    raise subprocess.TimeoutExpired("agents", PATIENCE)
                time.sleep(0.002)
            return []
        except subprocess.TimeoutExpired:
            left = processes_of_session(process.pid)
            send_signal(left, signal.SIGKILL)
            process.wait()
            return [Broken("hung", f"did not end on SIGTERM: {left}")]

    def wait(self, process, is_over):
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and not is_over():
            if time.monotonic() > deadline:
                return [Broken("hung", "still at work after the time in which all is done")]
            time.sleep(0.003)
        return []

    def is_tried(self):
        """Nothing is new, and nothing due is left."""
        queue = self.instance.queue
        due = [folder for folder in (queue / "wheel").iterdir() if folder.name == self.due.name]
        return not os.listdir(queue / "new") and not any(os.listdir(folder) for folder in due)

    def run(self, fault):
        """One run under `fault`."""
        control = Control()
        process = self.start(fault, control, traced=True)
        control.started()
        wrong = self.wait(process, lambda: self.is_tried() or control.is_idle())
        wrong += self.finish(process)
        control.close()
        return Trace(self.instance.folder / "fault.trace").read(), wrong

    def queued(self):
        """What waits for a delivery."""
        return [path for path in self.instance.accepted_files() if path.parent.name != "bad"]

    def set_aside(self):
        """What was newly found to be damaged, which nothing here is."""
        fresh = set(os.listdir(self.instance.queue / "bad")) - self.bad
        self.bad |= fresh
        lines = self.instance.log_text().splitlines() if fresh else ()
        return [Broken("lost", "; ".join(line for line in lines if name in line)) for name in fresh]

    def recover(self):
        """What a supervisor does, until all is done."""
        for _ in range(RECOVERIES_MAX):
            let_time_pass(self.instance)
            process = self.start()
            wrong = self.wait(process, lambda: not self.queued())
            wrong += self.finish(process)
            if wrong or not self.queued():
                return wrong
        return [Broken("hung", f"still queued: {self.queued()}")]

    def keep_put_off(self):
        """What waits for the server that puts mail off goes on at the end, with the others of its
        kind. False when other mail waits."""
        left = self.queued()
        if len(left) != 1 or b"late.test" not in left[0].read_bytes()[:200]:
            return False
        left[0].rename(self.put_off / left[0].name)
        return True

    def attempt(self, fault):
        age_drafts(self.instance.folder / "mail")
        entries = self.queue_all(str(fault))
        (first, *_) = (self.instance.queue / "wheel").glob("*/*")
        self.due = first.parent
        self.sink.script[LATE] = PUT_OFF
        trace, wrong = self.run(fault)
        self.sink.script.clear()
        for entry in entries:
            entry.label = f"{self.name}: {trace}"
            if fault is None:
                entry.most = 1
        if fault is None or not self.is_tried() or not self.keep_put_off():
            wrong += self.recover()
        wrong += self.set_aside()
        error = trace.struck is not None and not trace.killed
        self.errors = self.errors or error
        if error and trace.struck.role == "ekiden-send":
            self.excused.add(entries[0].label)
        return trace, [Broken(one.kind, f"{self.name}: {trace}: {one}") for one in wrong]

    # --- the end ---

    def delivered(self, address):
        return [octets.replace(b"\r\n", b"\n") for where, _, _, octets in self.sink.messages
                if where == address]

    def success_violations(self):
        """Of each delivery Frank is told, once and as many times more as copies are allowed; but
        where it could not be noted, mail is not delivered once more for that."""
        wrong = []
        for text in self.asking.report_violations(self.instance.mailbox("frank")):
            if not (text.kind == "lost" and any(text.endswith(label) for label in self.excused)):
                wrong.append(text)
        return wrong

    def settle(self):
        instance = self.instance
        for path in self.put_off.iterdir():
            path.rename(instance.queue / "new" / path.name)
        wrong = settle(instance, self.local, leftovers=not self.errors)
        self.sink.__exit__()
        wrong += check(instance, self.failing, ["dave"])
        wrong += self.failing.report_violations(instance.mailbox("carol"))
        wrong += check(instance, self.asking, ["erin"]) + self.success_violations()
        for address in (FAR, LATE):
            wrong += self.remote.violations(self.delivered(address), address)
        return wrong
