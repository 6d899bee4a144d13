#!/usr/bin/python3 -I
"""An agent of any kind, by the name it is started under: it does as its recipients are named.

Jobs of ekiden-local and ekiden-launch (deliver/job.h): the target's name says what becomes of it.
Jobs of ekiden-remote (deliver/remote_job.h): the recipient's local part, then the first label of
the host. Jobs of ekiden-bounce (queue/report_job.h): the file `bounce` beside this program."""

import array
import json
import os
import select
import signal
import socket
import struct
import sys
import time

PROGRAM = os.path.basename(sys.argv[0])
FOLDER = os.path.dirname(os.path.abspath(__file__))
ANSWERS = {
    "defer": ("Z", "4.2.0 not now"),
    "fail": ("D", "5.2.0 never"),
    "corrupt": ("C", "4.3.0 damaged"),
    "relay": ("R", "2.0.0 taken, and no more said"),
    "pass": ("P", "2.0.0 passed on"),
    "gone": ("N", "4.4.1 no connection"),
}
os.umask(0)  # agents of several users write to the same files
link = socket.socket(fileno=0)


def note(name, *fields):
    """Adds a line of JSON to a file beside this program, in one write."""
    record = os.open(os.path.join(FOLDER, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(record, (json.dumps(fields) + "\n").encode())
    os.close(record)


def is_there(name):
    return os.path.exists(os.path.join(FOLDER, name))


def say(number, letter, text):
    answer = b"\0".join((number, letter.encode(), text.encode(), b""))
    link.sendall(struct.pack(">IH", len(answer), 0) + answer)


def behave(what):
    """What a name asks for at once. False: it is never answered."""
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "slow":
        time.sleep(0.5)
    if what == "held":
        note("begun", "held")
        os.close(os.open(os.path.join(FOLDER, "go"), os.O_RDONLY))
    if what == "asks":  # for TLS (tls/tls_request.h)
        with socket.socket(fileno=os.dup(3)) as service, open("/dev/null") as null:
            socket.send_fds(service, [b"C\0001\0encrypt\0\0"], [null.fileno()] * 4)
    return what != "silent"


def deliver(fields, descriptors):
    """A job of local delivery."""
    number, kind, target, extension, recipient, sender = fields[:6]
    body = os.pread(descriptors[0], int(fields[7]), int(fields[6]))
    what = target.decode().split("\n")[0].rstrip("0123456789")
    if not behave(what):
        return
    letter, text = ANSWERS.get(what, ("K", "2.0.0 delivered"))
    if letter == "K":
        note("deliveries", recipient.decode(), sender.decode(), body.hex(), PROGRAM,
             kind.decode(), target.decode(), extension.decode())
    say(b"12345" if what == "stranger" else number, letter, text)


waiting = []  # transactions with a host whose name begins with `hang`


def transact(fields, descriptors):
    """A job of remote delivery."""
    hosts = fields[: fields.index(b"")]
    note("routes", *(field.decode() for field in fields[: len(hosts) + 4]))
    host, port, way = (field.decode() for field in hosts[:3])
    fields = fields[len(hosts) + 4 :]
    sender = fields[0].decode()
    body = os.pread(descriptors[0], int(fields[2]), int(fields[1]))
    rest = [field for field in fields[5:-1] if field[:1] not in (b"V", b"R", b"N", b"O")]
    numbers, recipients = rest[::2], [field.decode() for field in rest[1::2]]
    note("transactions", host, int(port), way, sender, recipients, len(body), fields[4].decode())
    if host.startswith("hang") and not is_there("unhang"):
        waiting.append((host, numbers, recipients))
    else:
        answer(host, numbers, recipients)


def answer(host, numbers, recipients):
    for number, recipient in zip(numbers, recipients):
        names = (recipient.partition("@")[0], host.partition(".")[0])
        what = next((name for name in (name.rstrip("0123456789") for name in names)
                     if name in ANSWERS or name in ("die", "silent", "slow", "held", "asks")), "")
        if not behave(what):
            continue
        letter, text = ANSWERS.get(what, ("K", "2.0.0 taken"))
        if what == "gone" and is_there("reach"):
            letter, text = "K", "2.0.0 taken"
        if letter == "K":
            note("sent", recipient)
        say(number, letter, f"{text}, says {host}")


def report(fields, descriptors):
    """A job of reporting: what the queue file and the notes say."""
    number, kind, name = (field.decode() for field in fields[:3])
    message = os.pread(descriptors[0], os.fstat(descriptors[0]).st_size, 0)
    notes = os.pread(descriptors[1], os.fstat(descriptors[1]).st_size, 0).decode()
    envelope = message[message.index(b"\0F") + 1:].split(b"\0\0")[0].split(b"\0")[1:]
    recipients = [record for record in envelope if record[:1] in b"T+!-"]
    letters, mark = {"failure": ("F", b"-"), "success": ("SRE", b"!"), "delay": ("D", b"T")}[kind]
    texts = {}
    for line in notes.splitlines():
        if line and line[0] in letters:
            letter, index, text = line.split(" ", 2)
            texts[int(index)] = f"{letter} {text}" if kind == "success" else text
    told = [(record[1:].decode(), texts.get(index)) for index, record in enumerate(recipients)
            if record[:1] == mark and (kind != "delay" or index in texts)]
    note("asked", kind, name)
    what = open(os.path.join(FOLDER, "bounce")).read() if is_there("bounce") else ""
    if what == "die":
        note("reports", kind, name, told)  # made, but the scheduler is not told
    if not behave(what):
        return
    if what != "defer":
        note("reports", kind, name, told)
    say(fields[0], *(("Z", "4.3.0 later") if what == "defer" else ("K", "reported")))


do = {"ekiden-remote": transact, "ekiden-bounce": report}.get(PROGRAM, deliver)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
note("started", PROGRAM, sys.argv[1:], {key: value.split() for key, value in status.items()})
data, descriptors = b"", array.array("i")
while True:
    ready, _, _ = select.select([link], [], [], 0.01 if waiting else None)
    if waiting and is_there("unhang"):
        for transaction in waiting:
            answer(*transaction)
        waiting = []
    if not ready:
        continue
    piece, control, flags, _ = link.recvmsg(65536, socket.CMSG_SPACE(4 * 250))
    if not piece:
        sys.exit(0)
    data += piece
    for _, _, value in control:
        descriptors.frombytes(value)
    while len(data) >= 6:
        length, count = struct.unpack(">IH", data[:6])
        if len(data) < 6 + length:
            break
        fields = data[6:6 + length].split(b"\0")
        data = data[6 + length:]
        passed, descriptors = descriptors[:count], descriptors[count:]
        do(fields, passed)
        for descriptor in passed:
            os.close(descriptor)
