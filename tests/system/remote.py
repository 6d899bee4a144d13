"""ekiden-remote by itself: as qmail-remote, and as the scheduler's agent. And servers to talk to."""

import array
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

from instance import FIELD, PATIENCE, SANITIZER, wait_for

HOST = "mail.local.test"
SENDER = "ann@local.test"
MESSAGE = b"Subject: hello\n\nover the hills\n"
REPORT = re.compile(rb"([rhsKZD])([^\0]*)\0")


def run_as():
    """Whom the agent runs as: it refuses root."""
    if os.geteuid() == 0:
        return {"user": "nobody", "group": "nogroup", "extra_groups": []}
    return {}


class Sink:
    """A small SMTP server on several addresses and one port. SCRIPT: address -> what it does there,
    or a list of that for the first connection, the second, ... (then all is well):

        drop              closes at once
        silent            never greets
        (verb, REPLY)     answers this to a command, `greeting` or `dot`; REPLY "" closes
    """

    def __init__(self, *addresses, script=None, port=0):
        self.addresses, self.script, self.port = addresses or ("127.0.0.2",), script or {}, port
        self.messages = []  # (address, sender, [recipients], octets)
        self.connections = []  # addresses, in order
        self.peers = []  # whom they came from
        self.stopping = threading.Event()

    def __enter__(self):
        self.bind()
        self.woken, self.wake = os.pipe()
        self.threads = [threading.Thread(target=self.serve, daemon=True)]
        self.threads[0].start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        os.close(self.wake)
        for thread in self.threads:
            thread.join(PATIENCE)
        for listener in self.listeners:
            listener.close()
        os.close(self.woken)

    def bind(self):
        for attempt in range(100):
            port, self.listeners = self.port, []
            try:
                for address in self.addresses:
                    family = socket.AF_INET6 if ":" in address else socket.AF_INET
                    listener = socket.socket(family, socket.SOCK_STREAM)
                    self.listeners.append(listener)
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind((address, port))
                    listener.listen(64)
                    port = listener.getsockname()[1]
                break
            except OSError:
                for listener in self.listeners:
                    listener.close()
                if self.port or attempt == 99:
                    raise
        self.port = port

    def serve(self):
        while self.woken not in (ready := select.select([*self.listeners, self.woken], [], [])[0]):
            for listener in ready:
                connection, peer = listener.accept()
                address = listener.getsockname()[0]
                behaviour = self.script.get(address)
                if isinstance(behaviour, list):
                    behaviour = behaviour.pop(0) if behaviour else None
                self.connections.append(address)
                self.peers.append(peer[0])
                thread = threading.Thread(target=self.talk, daemon=True,
                                          args=(connection, address, behaviour))
                self.threads.append(thread)
                thread.start()

    def talk(self, connection, address, behaviour):
        with connection:
            connection.settimeout(PATIENCE)
            try:
                if behaviour == "silent":
                    select.select([connection, self.woken], [], [])
                elif behaviour != "drop":
                    self.dialogue(connection, address, behaviour or ("", None))
            except OSError:
                pass

    def dialogue(self, connection, address, behaviour):
        lines = connection.makefile("rb")

        def say(what, reply, taken=None):
            """TAKEN is a message: it counts before its sender knows."""
            if what == behaviour[0]:
                reply = behaviour[1]
                if not reply:
                    raise OSError("as the script has it")
            if taken and reply[0] == "2":
                self.messages.append(taken)
            connection.sendall(reply.encode() + b"\r\n")
            return reply[0]

        sender, recipients = "", []
        say("greeting", "220 sink ESMTP")
        for line in lines:
            verb = line[:4].decode("latin-1").strip().upper()
            argument = re.search(rb"<(.*)>", line)
            if verb == "EHLO":
                say(verb, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8")
            elif verb == "MAIL":
                sender, recipients = argument[1].decode(), []
                say(verb, "250 2.1.0 ok")
            elif verb == "RCPT":
                if say(verb, "250 2.1.5 ok") == "2":
                    recipients.append(argument[1].decode())
            elif verb == "DATA" and recipients:
                if say(verb, "354 go on") != "3":
                    continue
                data = b""
                while (piece := lines.readline()) != b".\r\n":
                    if not piece:
                        return
                    data += piece[1:] if piece.startswith(b".") else piece
                say("dot", "250 2.0.0 taken", (address, sender, recipients, data))
            elif verb == "QUIT":
                say(verb, "221 2.0.0 bye")
                return
            else:
                say(verb, "503 5.5.1 no")


class Remote:
    """A control folder and ekiden-remote. What goes by MX goes to the port given, and addresses of
    127/8 count as others' unless the control file `notipme` is given."""

    def __init__(self, folder, build, port=25, servers=(), **control):
        self.folder = Path(folder)
        self.folder.chmod(0o755)
        self.program = self.folder / "ekiden-remote"
        shutil.copy2(build / "ekiden-remote", self.program)
        self.control = self.folder / "control"
        self.control.mkdir(mode=0o755)
        self.log_path = self.folder / "log"
        self.log_path.touch()
        self.process = self.link = None
        self.set("me", HOST)
        self.set("notipme", "127.0.0.0/8\n::1")
        self.set("smtproutes", f"::{port}")
        self.set("timeoutconnect", "2")
        self.set("timeoutremote", "5")
        if servers:
            self.set("nameservers", "\n".join(server.endpoint for server in servers))
        for name, text in control.items():
            self.set(name, text)

    def set(self, name, text, mode=None):
        """With MODE the file belongs to whom ekiden-remote runs as."""
        path = self.control / name
        path.with_name("." + name).write_text(f"{text}\n")
        if mode is not None:
            if user := run_as():
                shutil.chown(path.with_name("." + name), user["user"], user["group"])
            path.with_name("." + name).chmod(mode)
        path.with_name("." + name).rename(path)

    def log(self):
        text = self.log_path.read_text(errors="replace")
        assert not SANITIZER.search(text), text
        return text

    def events(self, name):
        """The log's lines of one event, as dictionaries."""
        lines = [dict(FIELD.findall(line)) for line in self.log().splitlines()]
        return [{key: value.strip('"') for key, value in line.items()} for line in lines
                if line.get("event") == name]

    # --- qmail-remote ---

    def send(self, host, *recipients, message=MESSAGE, sender=SENDER, pipe=False, prefix=(),
             **options):
        """The reports: a list of (letter, text) for the recipients, and one for the message."""
        options = options or run_as()
        command = [*prefix, self.program, "-C", self.control, host, sender,
                   *(recipients or [f"bob@{host}"])]
        with open(self.log_path, "ab") as log:
            if pipe:
                done = subprocess.run(command, input=message, stdout=subprocess.PIPE, stderr=log,
                                      timeout=PATIENCE, **options)
            else:
                path = self.folder / "message"
                path.write_bytes(message)
                with open(path, "rb") as file:
                    done = subprocess.run(command, stdin=file, stdout=subprocess.PIPE, stderr=log,
                                          timeout=PATIENCE, **options)
        assert done.returncode == 0, self.log()
        reports = [(letter.decode(), text.decode()) for letter, text in REPORT.findall(done.stdout)]
        assert b"".join(f"{a}{b}\0".encode() for a, b in reports) == done.stdout
        assert reports and reports[-1][0] in "KZD", (done.stdout, self.log())
        return reports[:-1], reports[-1]

    def result(self, *arguments, **options):
        """The letter of the one recipient's report, and its text."""
        recipients, message = self.send(*arguments, **options)
        assert len(recipients) == 1
        assert message[0] == {"r": "K", "h": "D", "s": "Z"}[recipients[0][0]]
        return recipients[0]

    # --- the agent ---

    def start(self, prefix=(), arguments=(), **options):
        self.link, theirs = socket.socketpair()
        self.link.settimeout(PATIENCE)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*prefix, self.program, "-C", self.control, "-a", *arguments],
                stdin=theirs, stderr=log, **(options or run_as()))
        theirs.close()
        self.received = b""
        return self

    def give(self, host, recipients, message, port=25, way="mx", sender=SENDER, sum_delta=0,
             level="unset", auth="", flags=""):
        """One job. RECIPIENTS: number -> address. MESSAGE: of queue_file()."""
        path, offset, length, checksum = message
        checksum = f"{int(checksum, 16) ^ sum_delta:016x}"
        fields = [host, str(port), way, "", level, "", auth, sender, str(offset), str(length),
                  checksum, flags]
        for number, address in recipients.items():
            fields += [str(number), address]
        payload = b"".join(field.encode() + b"\0" for field in fields)
        with open(path, "rb") as file:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()]))]
            self.link.sendmsg([struct.pack(">IH", len(payload), 1) + payload], rights)

    def answers(self, count):
        """The next COUNT answers: number -> (letter, text)."""
        found = {}
        while len(found) < count:
            if len(self.received) >= 6:
                length, descriptors = struct.unpack(">IH", self.received[:6])
                assert descriptors == 0
                if len(self.received) >= 6 + length:
                    fields = self.received[6 : 6 + length].decode().split("\0")
                    self.received = self.received[6 + length :]
                    assert len(fields) == 4 and int(fields[0]) not in found
                    found[int(fields[0])] = (fields[1], fields[2])
                    continue
            piece = self.link.recv(65536)
            assert piece, self.log()
            self.received += piece
        return found

    def children(self):
        """The delivery processes that run."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def end(self):
        """The scheduler leaves. The exit code."""
        self.link.close()
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.link.close()
            self.process = None


def queue_file(folder, build, message=MESSAGE):
    """A file as the queue has it: its path, and where the message lies and what its checksum is."""
    folder = Path(folder)
    folder.chmod(0o755)
    queue = folder / "queue"
    for name in (queue, queue / "new"):
        name.mkdir()
        name.chmod(0o777)
    program = folder / "ekiden-queue"
    shutil.copy2(build / "ekiden-queue", program)
    envelope = folder / "envelope"
    envelope.write_bytes(b"F" + SENDER.encode() + b"\0Tx@x.test\0\0")
    with open(envelope, "rb") as file:
        subprocess.run([program, "-Q", queue], input=message, stdout=file, check=True,
                       timeout=PATIENCE, **run_as())
    path = next((queue / "new").iterdir())
    path.chmod(0o644)
    end = path.read_bytes()[-81:].split()
    return path, int(end[1]), int(end[2]), end[4].decode()


__all__ = ["HOST", "MESSAGE", "SENDER", "Remote", "Sink", "queue_file", "wait_for"]
