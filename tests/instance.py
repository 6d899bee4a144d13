"""A complete server of our own: started, watched, stopped, and judged afterwards."""

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from smtp_client import Client

DOMAIN = "demo.example"
SENDER = "sender@elsewhere.example"
DEFAULTS = {  # those of ekiden-serve, which leaves a control folder alone that is there already
    "me": f"{DOMAIN}\n",
    "locals": f"{DOMAIN}\n",
    "rcpthosts": f"{DOMAIN}\n",
    "users": "alice\nbob\npostmaster:alice\n",
}
PROGRAMS = ("ekiden-serve", "ekiden-explain", "ekiden-check", "ekiden-smtpd", "ekiden-queue", "ekiden-send", "ekiden-local",
            "ekiden-bounce", "ekiden-launch", "ekiden-dotqmail", "ekiden-remote", "ekiden-inject",
            "sendmail", "ekiden-tls", "ekiden-auth", "ekiden-passwd", "ekiden-spf", "ekiden-judge", "ekiden")
ROLES = ("smtp", "submission", "submissions")  # the ports of ekiden-serve
FIELD = re.compile(r'([A-Za-z_][A-Za-z0-9_-]*)=("(?:[^"\\]|\\.)*"|\S*)')
# How long is waited for what must come: it costs where nothing comes, and nowhere else. Less than
# the time after which deferred mail is tried again by itself.
PATIENCE = 90
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehavior|runtime error:")


def wait_for(condition, timeout=PATIENCE, what="the condition"):
    """Waits until CONDITION gives something true, and returns it. Fails after TIMEOUT seconds."""
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true in {timeout} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


class Process:
    """One entry of /proc, read when asked. A process that is gone gives empty answers."""

    def __init__(self, pid):
        self.pid = pid

    def read(self, name):
        try:
            return Path(f"/proc/{self.pid}/{name}").read_text(errors="replace")
        except OSError:
            return ""

    @property
    def comm(self):
        return self.read("comm").strip()

    def stat(self):
        """The fields of /proc/PID/stat behind the name: state, parent, group, session, ..."""
        return self.read("stat").rpartition(")")[2].split()

    def facts(self, *keys):
        """These lines of its status, as they stand at one moment; () when it is gone."""
        text = self.read("status")
        found = [re.search(rf"^{key}:[ \t]*(.*?)[ \t]*$", text, re.M) for key in keys]
        return tuple(one.group(1) for one in found) if all(found) else ()

    def status(self, key):
        return next(iter(self.facts(key)), "")

    @property
    def uid(self):
        """None when it is gone."""
        ids = self.status("Uid").split()
        return int(ids[1]) if ids else None

    @property
    def peak_memory(self):
        """The largest resident size so far, in KiB (VmHWM)."""
        return int((self.status("VmHWM") or "0").split()[0])

    @property
    def private_memory(self):
        """The memory that is this process's alone, in KiB. Needs the right to read it."""
        found = re.search(r"^Private_Dirty:\s*(\d+)", self.read("smaps_rollup"), re.M)
        return int(found.group(1)) if found else 0

    def __repr__(self):
        return f"{self.comm}[{self.pid}]"


def processes_of_session(session):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = Process(int(name))
            stat = process.stat()
            if len(stat) > 3 and stat[0] != "Z" and int(stat[3]) == session:
                found.append(process)
    return found


def has_end_record(path):
    try:
        return path.read_bytes()[-81:].startswith(b"\nend ")  # QUEUE_END_SIZE in queue_file.h
    except FileNotFoundError:
        return False  # delivered meanwhile


class Instance:
    """A server rooted at FOLDER, which ekiden-serve fills with control/, queue/ and mail/.

    USER is the account that it runs as (None: the caller). CONTROL holds control files to write
    before the first start. MODE is "privileged" or "unprivileged", for tests that differ.
    """

    def __init__(self, folder, programs, mode, user=None, control=None, sanitized=False):
        self.folder = Path(folder)
        self.programs = Path(programs)
        self.mode = mode
        self.user = user
        self.sanitized = sanitized
        self.patience = PATIENCE
        self.process = None
        self.machine = None  # a Machine (system/machine.py) in whose network it runs
        self.port = None  # that of mail between servers
        self.submission_port = None
        self.submissions_port = None
        self.environment = {}
        self.arguments = []
        self.accepts_mail = True  # False: the oracle does not try a message (see oracle.py)
        self.expected_signals = False  # True: the test killed processes, the log may say so
        self.folder.mkdir(parents=True, exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.log_path = self.folder / "log"
        self.log_path.touch()
        self.give_away(self.folder)
        for name, text in {**DEFAULTS, **(control or {})}.items() if control else ():
            self.set(name, text)

    # --- files ---

    def give_away(self, path):
        if self.user:
            shutil.chown(path, *self.user)

    @property
    def control(self):
        return self.folder / "control"

    @property
    def queue(self):
        return self.folder / "queue"

    def set(self, name, text, secret_of=None):
        """Writes the control file NAME as an operator's editor does: a new file, renamed. With
        SECRET_OF nobody but this service user may read it."""
        self.control.mkdir(mode=0o755, exist_ok=True)
        self.give_away(self.control)
        draft = self.control / f".{name}.new"
        draft.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.give_away(draft)
        if secret_of:
            draft.chmod(0o600)
            if self.mode == "privileged":
                shutil.chown(draft, secret_of)
        draft.rename(self.control / name)

    def set_at_once(self, name, text):
        """The same, and waits until the scheduler has taken it up."""

        def loaded():
            return self.log_text().count("ekiden-send: event=settings-loaded")

        before = loaded()
        self.set(name, text)
        wait_for(lambda: loaded() > before, self.patience, f"a scheduler that knows {name}")

    def remove(self, name):
        (self.control / name).unlink()

    def add_login(self, login, password):
        """A user who may send, by ekiden-passwd."""
        self.control.mkdir(mode=0o755, exist_ok=True)
        self.give_away(self.control)
        line = self.command("ekiden-passwd", "-C", self.control, "add", login)
        subprocess.run(line, input=f"{password}\n".encode(), check=True, timeout=PATIENCE)

    def mail_folder(self, user):
        return self.folder / "mail" / user / "Maildir"

    def mail_files(self, user):
        found = []
        for name in ("new", "cur"):
            folder = self.mail_folder(user) / name
            if folder.is_dir():
                found += sorted(folder.iterdir())
        return found

    def mailbox(self, user):
        """The messages of USER, as bytes, in the order of their file names."""
        return [path.read_bytes() for path in self.mail_files(user)]

    def wait_for_mail(self, user, count=1, timeout=None):
        """Waits until USER has COUNT messages, and returns them."""
        timeout = timeout or self.patience
        wait_for(
            lambda: len(self.mail_files(user)) >= count, timeout, f"{count} messages for {user}"
        )
        messages = self.mailbox(user)
        assert len(messages) == count, f"{len(messages)} messages for {user}, not {count}"
        return messages

    def empty_mailboxes(self):
        for folder in (self.folder / "mail").glob("**/Maildir"):
            for name in ("new", "cur"):
                for path in (folder / name).iterdir():
                    path.unlink()

    def queue_files(self):
        """The message files in the queue, whatever their state."""
        if not self.queue.is_dir():
            return []
        return [
            path
            for path in self.queue.rglob("*")
            if path.is_file()
            and re.fullmatch(r"[0-9A-Za-z]{20}", path.name)
            and path.parent.name != "notes"
        ]

    def accepted_files(self):
        """Those that hold a whole message. After a crash there may be others, whose senders were
        not told 250; they are collected after a day and a half."""
        return [path for path in self.queue_files() if has_end_record(path)]

    def wait_for_empty_queue(self, timeout=None, unfinished=False):
        """UNFINISHED: files that were never finished do not count."""
        wait_for(lambda: self.queue_is_empty(unfinished), timeout or self.patience, "an empty queue")

    def queue_is_empty(self, unfinished=False):
        """The folders are listed one after the other, and a file that is put off meanwhile may be in
        none of the lists: what counts is a list that was made while the scheduler stood still."""
        files = self.accepted_files if unfinished else self.queue_files
        if files():
            return False
        with self.standing_scheduler():
            return not files()

    # --- the log ---

    def log_text(self):
        return self.log_path.read_bytes().decode("latin-1")

    def log(self):
        """The events of the log, each a dict of its fields; `program` and `line` are added."""
        events = []
        for line in self.log_text().splitlines():
            fields = {key: value.strip('"') for key, value in FIELD.findall(line)}
            fields["program"] = line.split(" ", 1)[0].rstrip(":")
            fields["line"] = line
            events.append(fields)
        return events

    # --- running ---

    def command(self, name, *arguments):
        """The command line of a program, run as this instance's user."""
        line = [str(self.programs / name), *map(str, arguments)]
        if self.user:
            user, group = self.user
            line = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *line]
        if self.machine:
            line = ["nsenter", "-t", str(self.machine.pid), "-n", *line]
        return line

    def start(self):
        """Starts the server and waits until it is ready and the scheduler has started, which it
        does not wait for. Its standard error is the log."""
        assert not self.process
        started = self.scheduler_starts()
        ports = [word for role in ROLES for word in (f"--{role}", 0)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command("ekiden-serve", self.folder, *ports, *self.arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0", **self.environment},
                cwd="/",
            )
        line = self.read_ready()
        found = re.fullmatch("ready" + "".join(rf" {role}=(\d+)" for role in ROLES), line)
        if not found:
            self.kill()
            raise AssertionError(f"not ready: {line!r}\n{self.log_text()[-4000:]}")
        self.port, self.submission_port, self.submissions_port = map(int, found.groups())
        wait_for(lambda: self.scheduler_starts() > started, what="the start of ekiden-send")
        self.templates = wait_for(self.template_pids, what="the template of the dialogues")
        return self

    def template_pids(self):
        """Of the processes from which dialogues are forked: two while settings are loaded."""
        return {process.pid for process in self.processes().get("smtpd-template", [])}

    def wait_for_new_template(self):
        """Waits until sessions come from a template that this has not seen before, and from it
        alone: the old one may still take a client after the new settings were loaded."""

        def is_alone():
            pids = self.template_pids()
            return len(pids) == 1 and not pids & self.templates and pids

        self.templates |= wait_for(is_alone, self.patience, "a new template, and the old one's end")

    def scheduler_starts(self):
        return len(re.findall(r"^ekiden-send: event=started ", self.log_text(), re.M))

    def read_ready(self):
        output, line, deadline = self.process.stdout, b"", time.monotonic() + self.patience
        while not line.endswith(b"\n") and time.monotonic() < deadline:
            if select.select([output], [], [], 0.1)[0]:
                piece = os.read(output.fileno(), 4096)
                if not piece:
                    break
                line += piece
        return line.decode(errors="replace").strip()

    def all_processes(self):
        return processes_of_session(self.process.pid) if self.process else []

    def processes(self):
        """The running processes by the name that each has in /proc/PID/comm."""
        roles = {}
        for process in self.all_processes():
            roles.setdefault(process.comm, []).append(process)
        return roles

    def scheduler(self):
        """The process, and not those that it forks, which have its name until they execute an agent."""
        for process in self.processes().get("ekiden-send", ()):
            if process.stat()[1:2] == [str(self.process.pid)]:
                return process
        return None

    @contextlib.contextmanager
    def standing_scheduler(self):
        process = self.scheduler()
        if not process:  # then nobody moves anything
            yield
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGSTOP)
        try:
            wait_for(lambda: process.stat()[:1] in ([], ["T"], ["t"], ["Z"]),
                     what="a scheduler that stands still")
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)

    def try_all(self):
        """SIGALRM: what was put off is tried now. Once the scheduler knows the signal: those that do
        not, die of it."""

        def scheduler():
            process = self.scheduler()
            held = int(process.status("SigBlk") or "0", 16) if process else 0  # it waits at a descriptor
            return process if held >> 13 & 1 else None

        os.kill(wait_for(scheduler, what="a scheduler that knows SIGALRM").pid, signal.SIGALRM)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """SIGTERM. Returns the exit code, once no process is left."""
        self.signal(signal.SIGTERM)
        return self.await_end()

    def await_end(self):
        process = self.process
        try:
            code = process.wait(self.patience)
            wait_for(
                lambda: not processes_of_session(process.pid),
                self.patience,
                "that no process is left",
            )
        except (subprocess.TimeoutExpired, AssertionError) as error:
            left = processes_of_session(process.pid)
            self.kill()
            raise AssertionError(f"still running after its end: {left}") from error
        process.stdout.close()
        self.process = None
        return code

    def kill_first(self):
        """SIGKILL for the first process only: the others must notice and end."""
        self.expected_signals = True
        self.signal(signal.SIGKILL)
        return self.await_end()

    def kill(self):
        """SIGKILL for every process at once."""
        self.expected_signals = True
        process, self.process = self.process, None
        while True:
            left = processes_of_session(process.pid)
            for one in left:
                try:
                    os.kill(one.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if process.poll() is not None and not left:
                break
            time.sleep(0.005)
        process.stdout.close()

    def restart(self):
        self.stop()
        return self.start()

    # --- one session, as tcpserver, inetd and systemd Accept=yes start it ---

    def single_session(self, environment=None, control=None, arguments=(), local=False):
        """Starts ekiden-smtpd with a connected socket as fd 0 and 1. Returns (Popen, Client). LOCAL:
        the socket has no addresses, so the environment says who the client is."""
        if local:
            connected, ours = socket.socketpair()
            ours.settimeout(self.patience)
            client = Client(0, connected=ours)
        else:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                client = Client(listener.getsockname()[1], timeout=self.patience)
                connected, _ = listener.accept()
        control = control or self.control
        with connected, open(self.log_path, "ab") as log:
            process = subprocess.Popen(
                self.command("ekiden-smtpd", "-C", control, "-Q", self.queue, "-A",
                             self.folder / "state", "-J", self.folder / "judge", *arguments),
                stdin=connected,
                stdout=connected,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0", **(environment or {})},
                cwd="/",
            )
        return process, client

    # --- mail ---

    def connect(self, source=None, timeout=None, port=None):
        """A connection to PORT (None: that of mail between servers)."""
        timeout = timeout or self.patience
        port = port or self.port
        connected = self.machine and self.machine.connect(port, timeout=timeout, source=source)
        return Client(port, source, timeout=timeout, connected=connected)

    def session(self, source=None, name="client.example", port=None):
        """A connection that has been greeted and has said EHLO."""
        client = self.connect(source, port=port)
        client.greet(name)
        return client

    def send(self, message, recipient=f"alice@{DOMAIN}", sender=SENDER):
        """Sends one message with LF line ends; it must be accepted."""
        recipients = [recipient] if isinstance(recipient, str) else recipient
        with self.session() as client:
            answer = client.deliver(sender, recipients, message)
            assert answer.code == 250, f"refused: {answer}\n{self.log_text()[-2000:]}"
            client.quit()
        return answer
