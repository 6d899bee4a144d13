"""What operators ask of a scheduler that runs (its socket `control`), under faults: what was
answered with K is done, and whatever is cut, the message reaches its recipient or ends in a report.

The scheduler lives on from fault to fault; one counter runs over it and its agents from the request
to the end of what it brings about.
"""

import os
import signal
import socket
import subprocess
import time

from faults import Control, Trace, age_drafts, environment, tracer
from instance import PATIENCE, processes_of_session, wait_for
from operator_faults import ENVELOPE, Operator
from queue_faults import SLOT_SECONDS, SLOTS, run_queue, set_back_cursor
from rows import Broken
from send_faults import COPIES_MAX, send_signal

LETTERS = {"hold": "h", "release": "l", "retry": "r", "drop": "d", "bounce": "b"}
IDLE_SECONDS = 0.3
FAR_SECONDS = 4 * 3600  # a slot that is due so much later is not read now
STARTS_MAX = 4
DONE = "K"


class Asked(Operator):
    single = False

    def __init__(self, instance, staging, ledger, operation, held=False):
        """STAGING: another instance, which does not run; there messages are made."""
        super().__init__(instance, ledger, operation, held)
        self.staging, self.copies = staging, COPIES_MAX
        self.name = f"ekiden-send is asked to {operation}{', held' if held else ''}"
        self.process = self.control = None
        self.path = instance.folder / "fault.trace"

    # --- the scheduler ---

    def start(self):
        instance, user, self.control = self.instance, self.instance.user, Control()
        set_back_cursor(instance, int(time.time()) // SLOT_SECONDS - 1)
        fd = self.control.theirs.fileno()
        command = [*tracer(os.devnull, None, user and user[0], fd),
                   instance.programs / "ekiden-send", "-C", instance.control, "-Q", instance.queue,
                   "-M", instance.folder / "mail"]  # fmt: skip
        with open(instance.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                env=environment(), start_new_session=True, pass_fds=(fd,))
        self.control.started()
        self.await_idle()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def await_idle(self):
        wait_for(lambda: not self.is_running() or self.control.is_idle(IDLE_SECONDS),
                 what="a scheduler with nothing to do")

    def ensure(self):
        """What a supervisor does."""
        for _ in range(STARTS_MAX):
            if self.is_running():
                return
            self.end()
            self.start()
        raise AssertionError(f"no scheduler: {self.instance.log_text()[-2000:]}")

    def end(self):
        """Returns what hung."""
        if not self.process:
            return []
        process, self.process, wrong = self.process, None, []
        process.terminate()
        try:
            process.wait(PATIENCE)
            wait_for(lambda: not processes_of_session(process.pid), what="the end of all")
        except (subprocess.TimeoutExpired, AssertionError):
            left = processes_of_session(process.pid)
            wrong = [Broken("hung", f"{self.name}: no end on SIGTERM: {left}")]
            send_signal(left, signal.SIGKILL)
            process.wait()
        self.control.close()
        return wrong

    # --- one run ---

    def queue(self, body):
        """A message that the scheduler does not try by itself. Returns its id."""
        code, _ = run_queue(self.staging, body, traced=False, envelope=ENVELOPE)
        assert code == 0, f"ekiden-queue: exit {code}"
        (path,) = (self.staging.queue / "new").iterdir()
        slot = (int(time.time()) + FAR_SECONDS) // SLOT_SECONDS % SLOTS
        folder, self.place = ("hold", "hold") if self.held else (f"wheel/{slot:03}", str(slot))
        path.rename(self.instance.queue / folder / path.name)
        return path.name

    def ask(self, name):
        """Returns the letter of the answer; "" where the scheduler has gone, None where it hangs."""
        folder = os.open(self.instance.queue, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(PATIENCE)
            try:
                client.connect(f"/proc/self/fd/{folder}/control")
                client.send(f"{LETTERS[self.operation]}\0{name}\0{self.place}\0".encode())
                return client.recv(300)[:1].decode()
            except TimeoutError:
                return None
            except OSError:
                return ""
            finally:
                os.close(folder)

    def attempt(self, fault):
        age_drafts(self.instance.folder / "mail")
        self.ensure()
        self.await_idle()
        token, body = self.ledger.message("")
        name = self.queue(body)
        self.control.arm(self.path, fault)
        answer = self.ask(name)
        self.await_idle()
        self.control.arm(os.devnull)
        trace = Trace(self.path).read()
        what = f"{self.name}: {trace}, answer {answer!r}"
        self.codes[token] = 0 if answer == DONE else 1
        self.ledger.entries[token].label = what
        self.ledger.expect(token, 0, COPIES_MAX if fault else 1)
        self.leftovers = self.leftovers and (trace.struck is None or trace.killed)
        assert fault or answer == DONE, what
        return trace, [Broken("hung", what)] if answer is None else []

    def settle(self):
        return self.end() + super().settle()
