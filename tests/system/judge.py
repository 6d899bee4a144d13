"""A session's part in the protocol of judge/question.h: asks ekiden-judge through a socket pair.

    with Judge(programs, folder, {"dnsbl": "list.test\\n"}, server) as judge:
        findings = judge.ask("C", "192.0.2.1")
        assert findings[0].verdict == "r" and findings[0].place == "dnsbl:1"
"""

import os
import pwd
import socket
import subprocess
from collections import namedtuple

LEEWAY = 60  # seconds for an answer that comes at once, on a slow machine
ANSWER_MAX = 65536

Finding = namedtuple("Finding", "verdict number rule place status text trail")


def parse_answer(packet):
    """(letter, number, findings); every byte of it must be of the form."""
    assert packet.endswith(b"\0"), packet
    texts = packet[:-1].split(b"\0")
    head, texts = texts[0].decode("ascii"), texts[1:]
    assert len(texts) % 6 == 0, packet
    for text in texts:
        assert all(0x20 <= byte <= 0x7E for byte in text), text
    texts = [text.decode("ascii") for text in texts]
    findings = [Finding(texts[at][0], int(texts[at][1:]), *texts[at + 1 : at + 6])
                for at in range(0, len(texts), 6)]
    for finding in findings:
        assert finding.verdict in "-+nrd?" and finding.rule, finding
        want = {"d": 4, "r": 5}.get(finding.verdict, 0)
        assert finding.number // 100 == want and finding.status[:1] == (str(want) if want else "")
    return head[0], int(head[1:]), findings


class Judge:
    def __init__(self, programs, folder, control, server=None, arguments=("-n",), user=None,
                 prefix=()):
        self.control = folder / "control"
        self.control.mkdir(mode=0o755, exist_ok=True)
        for old in self.control.iterdir():
            old.unlink()
        if server is not None:
            servers = server if isinstance(server, list) else [server]
            control = {"nameservers": "".join(f"{one.endpoint}\n" for one in servers), **control}
        for name, text in control.items():
            (self.control / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        self.log_path = folder / "log"
        self.number = 0
        self.answers = {}
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line = [*prefix, str(programs / "ekiden-judge"), "-C", str(self.control), *arguments]
        if user:
            gid = pwd.getpwnam(user).pw_gid
            line = ["setpriv", f"--reuid={user}", f"--regid={gid}", "--clear-groups", *line]
        with theirs, open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                line, stdin=theirs, stdout=subprocess.DEVNULL, stderr=log, cwd="/",
                env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """It ends with its socket, and did nothing that a sanitizer saw."""
        self.socket.close()
        try:
            self.code = self.process.wait(LEEWAY)
        finally:
            self.process.kill()
        if kind is None:
            assert self.code == 0, (self.code, self.log())
            assert "Sanitizer" not in self.log() and "runtime error" not in self.log(), self.log()

    def log(self):
        return self.log_path.read_text("latin-1")

    def peak_memory(self):
        """KiB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    def send(self, letter, *fields):
        """Asks, and does not wait. Returns the question's number."""
        self.number += 1
        octets = [field if isinstance(field, bytes) else field.encode() for field in fields]
        head = f"{letter}{self.number}".encode()
        self.socket.send(b"".join(part + b"\0" for part in (head, *octets)))
        return self.number

    def receive(self, timeout=LEEWAY):
        """The next answer, whichever it is: (letter, number, findings)."""
        self.socket.settimeout(timeout)
        packet = self.socket.recv(ANSWER_MAX)
        assert packet, f"it ended: {self.log()}"
        letter, number, findings = parse_answer(packet)
        assert number not in self.answers, "answered twice"
        self.answers[number] = findings
        return letter, number, findings

    def wait(self, number, timeout=LEEWAY):
        """The findings for question NUMBER."""
        while number not in self.answers:
            self.receive(timeout)
        return self.answers[number]

    def ask(self, letter, *fields, timeout=LEEWAY):
        return self.wait(self.send(letter, *fields), timeout)
