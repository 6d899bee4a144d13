"""A scripted DNS server: says what a test wants said, rightly or in one of many wrong ways.

    with NameServer({("example.test", "MX"): [(10, "mx.example.test")],
                     ("mx.example.test", "A"): ["127.0.0.2"]},
                    {"dead.test": "silence"}) as server:
        ... 127.0.0.1, server.port ...
        assert server.asked("example.test", "MX") == 1

Records: (name, type) -> values. A and AAAA: text. MX: (preference, name). CNAME, PTR, NS: a name.
TXT: str or bytes, or a list of them (the strings of one record). Any type but TXT, also as a
number: bytes, the rdata as it is. `\\DDD` and `\\X` in names as in zone files; "." is the root.
"*.test" answers for what is not there otherwise. CNAMEs are followed in the answer, `follow=False`
gives one link only.
What is not in the dictionary does not exist (NXDOMAIN); a name above one that exists, or with other
types only, has no data. Both dictionaries may be changed while the server runs.

Behaviours: name, (name, type) or "*" for all -> one of those below, or a tuple of it and its
argument, or a function(question, packet) -> list of packets; a list of them is for the first
question, the second, ...; after its end, and for None, the answer is right.

    servfail refused formerr notimp      the answer is this code
    silence                              nothing, and TCP is closed only by the asker
    close                                TCP is closed at once, UDP is silent
    (delay, SECONDS)                     the right answer, late
    ad                                   the right answer with the AD bit
    noedns                               FORMERR without OPT to a question with it
    case                                 the right answer, its question in other letter case
    wrong-id wrong-question wrong-type wrong-class wrong-port wrong-address query-bit opcode
                                         the right answer but for this
    (flood, N)                           N answers by UDP with wrong ids, then the right one
    (flood-only, N)                      the same without the right one; TCP answers rightly
    (garbage, LENGTH)                    random octets behind the right id
    empty short header                   nothing, 5 octets, and the 12 of the header alone
    no-question two-questions            QDCOUNT 0 and 2
    (count, N)                           ANCOUNT N, whatever follows
    (cut, N)                             the right answer without its last N octets
    trailing                             the right answer and 100 octets more
    pointer-loop pointer-self pointer-end
                                         an owner name of two pointers to each other, of one to
                                         itself, of one behind the end
    (label, N)                           an owner name whose label has the length octet N
    (rdlength, DELTA)                    RDLENGTHs larger by DELTA than the data
    wrong-owner                          records of other names only
    truncate                             TC over UDP, all of it over TCP
    truncate-always                      TC over TCP too
    tcp-close tcp-silence (tcp-length, DELTA) tcp-slow tcp-wrong-id
                                         TC over UDP; over TCP: ended at once, nothing, a length
                                         wrong by DELTA, one octet a second, another id

`NameServer(..., namespace="/proc/PID/ns/net")` binds in another network namespace (root).
As a program: name_server.py [--address IP] [--port N] FILE.json with
{"records": [[name, type, [values]]], "behaviours": {name: behaviour}} prints its port and serves
until its standard input ends.
"""

import argparse
import ctypes
import ipaddress
import json
import os
import random
import select
import socket
import struct
import sys
import threading
from collections import namedtuple

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28,
         "OPT": 41, "SPF": 99, "ANY": 255}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
CODES = {"servfail": SERVFAIL, "refused": REFUSED, "formerr": FORMERR, "notimp": NOTIMP}
QR, AA, TC, RD, RA, AD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020
CLONE_NEWNET = 0x40000000
FOLLOWED = 100  # links of a chain of CNAMEs in one answer
HEADER = struct.Struct("!6H")

# One question as it came: its name in presentation form and lower case, the type as a name or a
# number, "udp" or "tcp", who asked (address, port), and its parts as they were.
Question = namedtuple("Question", "name type transport source id flags edns wire_name wire")


def labels_of(name):
    """The labels of a name in presentation form, as bytes."""
    octets = name.encode("latin-1") if isinstance(name, str) else name
    labels, label, at = [], bytearray(), 0
    while at < len(octets):
        byte = octets[at : at + 1]
        at += 1
        if byte == b"\\" and octets[at : at + 3].isdigit() and len(octets[at : at + 3]) == 3:
            label.append(int(octets[at : at + 3]))
            at += 3
        elif byte == b"\\":
            label += octets[at : at + 1]
            at += 1
        elif byte == b".":
            labels.append(bytes(label))
            label = bytearray()
        else:
            label += byte
    labels.append(bytes(label))
    return [label for label in labels if label]


def wire_of(name):
    return b"".join(bytes([len(label)]) + label for label in labels_of(name)) + b"\0"


def text_of(wire):
    """Presentation form of an uncompressed name."""
    labels, at = [], 0
    while wire[at]:
        label = wire[at + 1 : at + 1 + wire[at]]
        labels.append("".join(chr(b) if chr(b).isalnum() and b < 128 or b in b"-_*/=+"
                              else f"\\{b:03d}" for b in label))
        at += 1 + wire[at]
    return ".".join(labels) or "."


def type_number(kind):
    return kind if isinstance(kind, int) else TYPES[kind]


class Packet:
    """An answer being built. Names are compressed, as every real server does it."""

    def __init__(self, question, code, flags):
        self.counts = [1, 0, 0, 0]
        self.flags = QR | RA | flags | (question.flags & RD) | code
        self.id = question.id
        self.names = {}
        self.body = b""
        self.name(question.wire_name)
        self.body += question.wire[HEADER.size + len(question.wire_name) :][:4]

    def name(self, wire):
        at = 0
        while wire[at]:
            rest = wire[at:].lower()
            if rest in self.names:
                self.body += struct.pack("!H", 0xC000 | self.names[rest])
                return
            place = HEADER.size + len(self.body)
            if place < 0x4000:
                self.names[rest] = place
            self.body += wire[at : at + 1 + wire[at]]
            at += 1 + wire[at]
        self.body += b"\0"

    def record(self, section, owner, kind, value, ttl=60):
        self.name(wire_of(owner))
        number = type_number(kind)
        self.body += struct.pack("!HHIH", number, 1, ttl, 0)
        start = len(self.body)
        if isinstance(value, bytes) and number != TYPES["TXT"]:
            self.body += value
        elif number in (TYPES["A"], TYPES["AAAA"]):
            self.body += ipaddress.ip_address(value).packed
        elif number in (TYPES["NS"], TYPES["CNAME"], TYPES["PTR"]):
            self.name(wire_of(value))
        elif number == TYPES["MX"]:
            self.body += struct.pack("!H", value[0])
            self.name(wire_of(value[1]))
        elif number == TYPES["SOA"]:
            self.name(wire_of(value))
            self.name(wire_of(value))
            self.body += struct.pack("!5I", 1, 3600, 600, 86400, 60)
        else:  # TXT
            for part in value if isinstance(value, (list, tuple)) else [value]:
                octets = part.encode() if isinstance(part, str) else part
                pieces = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
                self.body += b"".join(bytes([len(piece)]) + piece for piece in pieces)
        length = len(self.body) - start
        self.body = self.body[: start - 2] + struct.pack("!H", length) + self.body[start:]
        self.counts[section] += 1

    def option(self):
        """OPT: we take 1232 octets, as the asker says."""
        self.body += b"\0" + struct.pack("!HHIH", TYPES["OPT"], 1232, 0, 0)
        self.counts[3] += 1

    def wire(self):
        return HEADER.pack(self.id, self.flags, *self.counts) + self.body


def parse_question(wire, transport, source):
    """None for what is no question."""
    try:
        number, flags, count, _, _, additional = HEADER.unpack_from(wire)
        at = HEADER.size
        while wire[at]:
            at += 1 + wire[at]
        at += 1
        kind, _ = struct.unpack_from("!HH", wire, at)
        name = wire[HEADER.size : at]
        if flags & QR or count != 1:
            return None
        edns = None
        if additional:
            option, edns = struct.unpack_from("!xHH", wire, at + 4)
            edns = edns if option == TYPES["OPT"] else None
        return Question(text_of(name).lower(), TYPE_NAMES.get(kind, kind), transport,
                        source, number, flags, edns, name, wire)
    except (IndexError, struct.error):
        return None


def with_header(packet, **changes):
    """PACKET with fields of its header changed: id, flags, questions, answers."""
    fields = list(HEADER.unpack_from(packet))
    for place, key in enumerate(("id", "flags", "questions", "answers")):
        fields[place] = changes.get(key, fields[place])
    return HEADER.pack(*fields) + packet[HEADER.size :]


def wrong_id(packet):
    number = HEADER.unpack_from(packet)[0]
    return with_header(packet, id=number ^ random.randint(1, 0xFFFF))


class NameServer:
    def __init__(self, records=None, behaviours=None, address="127.0.0.1", port=0, follow=True,
                 namespace=None):
        self.records = {} if records is None else records
        self.behaviours = {} if behaviours is None else behaviours
        self.address, self.port, self.follow, self.namespace = address, port, follow, namespace
        self.questions = []
        self.stopping = threading.Event()
        self.threads = []

    # --- what tests look at ---

    def asked(self, name=None, kind=None, transport=None):
        """How many questions came, of this name, type and transport where they are given."""
        wanted = None if name is None else text_of(wire_of(name)).lower()
        return sum(
            (wanted is None or question.name == wanted)
            and (kind is None or question.type == kind)
            and (transport is None or question.transport == transport)
            for question in list(self.questions)
        )

    @property
    def endpoint(self):
        """As it stands in the control file `nameservers`."""
        if ":" in self.address:
            return f"[{self.address}]:{self.port}"
        return f"{self.address}:{self.port}"

    # --- sockets ---

    def __enter__(self):
        self.in_namespace(self.bind)
        self.start(self.serve)
        return self

    def __exit__(self, *_):
        self.stopping.set()
        os.close(self.wake)
        for thread in self.threads:
            thread.join(10)
        for each in (self.udp, self.tcp, self.other_port, self.other_address):
            each.close()
        os.close(self.woken)

    def in_namespace(self, function):
        """A thread's namespace is its own, and a socket stays in the one it was made in."""
        failures = []

        def run():
            try:
                if self.namespace:
                    with open(self.namespace) as namespace:
                        libc = ctypes.CDLL(None, use_errno=True)
                        if libc.setns(namespace.fileno(), CLONE_NEWNET) < 0:
                            raise OSError(ctypes.get_errno(), f"setns {self.namespace}")
                function()
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if failures:
            raise failures[0]

    def bind(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        for attempt in range(100):
            self.tcp = socket.socket(family, socket.SOCK_STREAM)
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.udp = socket.socket(family, socket.SOCK_DGRAM)
            try:
                self.tcp.bind((self.address, self.port))
                self.udp.bind((self.address, self.tcp.getsockname()[1]))
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
                if self.port or attempt == 99:
                    raise
        self.port = self.tcp.getsockname()[1]
        self.tcp.listen(64)
        self.other_port = socket.socket(family, socket.SOCK_DGRAM)
        self.other_port.bind((self.address, 0))
        self.other_address = socket.socket(family, socket.SOCK_DGRAM)
        if self.address.startswith("127."):
            self.other_address.bind((f"127.{random.randint(1, 254)}.9.9", self.port))
        self.woken, self.wake = os.pipe()

    def start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self.threads = [each for each in self.threads if each.is_alive()] + [thread]
        thread.start()

    def serve(self):
        while not self.stopping.is_set():
            ready = select.select([self.udp, self.tcp, self.woken], [], [])[0]
            if self.woken in ready:
                return
            if self.udp in ready:
                wire, source = self.udp.recvfrom(65535)
                self.take(wire, source)
            if self.tcp in ready:
                connection, source = self.tcp.accept()
                self.start(self.serve_connection, connection, source)

    def take(self, wire, source):
        question = parse_question(wire, "udp", source[:2])
        if question is None:
            return
        behaviour, argument = self.note(question)
        if behaviour == "delay":  # a thread only where one is needed, so that thousands are quick
            self.start(self.answer_datagram, question, source, behaviour, argument)
        else:
            self.answer_datagram(question, source, behaviour, argument)

    def answer_datagram(self, question, source, behaviour, argument):
        through = {"wrong-port": self.other_port, "wrong-address": self.other_address}
        for packet in self.packets(question, behaviour, argument):
            try:
                through.get(behaviour, self.udp).sendto(packet, source)
            except OSError:
                return  # the asker has gone

    def serve_connection(self, connection, source):
        with connection:
            connection.settimeout(60)
            try:
                while not self.stopping.is_set() and self.serve_stream(connection, source):
                    pass
            except OSError:
                pass

    def receive(self, connection, length):
        data = b""
        while len(data) < length:
            if self.woken in select.select([connection, self.woken], [], [])[0]:
                return b""
            more = connection.recv(length - len(data))
            if not more:
                return b""
            data += more
        return data

    def serve_stream(self, connection, source):
        """One question of a connection. False: it ends."""
        prefix = self.receive(connection, 2)
        if not prefix:
            return False
        question = parse_question(self.receive(connection, *struct.unpack("!H", prefix)), "tcp",
                                  source[:2])
        if question is None:
            return False
        behaviour, argument = self.note(question)
        if behaviour in ("tcp-close", "close"):
            return False
        if behaviour in ("tcp-silence", "silence"):
            self.receive(connection, 1)
            return False
        for packet in self.packets(question, behaviour, argument):
            delta = argument if behaviour == "tcp-length" else 0
            wire = struct.pack("!H", max(0, min(len(packet) + delta, 0xFFFF))) + packet
            if behaviour == "tcp-slow":
                for at in range(len(wire)):
                    connection.sendall(wire[at : at + 1])
                    if self.stopping.wait(1):
                        return False
            else:
                connection.sendall(wire)
        return True

    # --- what is answered ---

    def note(self, question):
        """Records the question; the behaviour that holds for it, and its argument."""
        behaviours = self.behaviours
        keys = [(question.name, question.type), question.name, "*"]
        behaviour = next((behaviours[key] for key in keys if key in behaviours), None)
        if isinstance(behaviour, list):
            number = self.asked(question.name, question.type)
            behaviour = behaviour[number] if number < len(behaviour) else None
        self.questions.append(question)
        return behaviour if isinstance(behaviour, tuple) else (behaviour, None)

    def find(self, name):
        """The records of a name, by type number; None where it does not exist."""
        lower = {text_of(wire_of(owner)).lower(): owner for owner, _ in list(self.records)}
        wanted = name
        if name not in lower:
            if any(owner.endswith("." + name) for owner in lower):
                return {}
            parts = name.split(".")
            stars = ["*." + ".".join(parts[at:]) for at in range(1, len(parts))]
            wanted = next((star for star in stars if star in lower), None)
            if wanted is None:
                return None
        return {type_number(kind): values for (owner, kind), values in list(self.records.items())
                if text_of(wire_of(owner)).lower() == wanted}

    def right(self, question, flags=0, empty=False):
        """The right answer. With EMPTY, and over UDP when it is too large, the truncated one."""
        kind = type_number(question.type)
        name, code, links = question.name, NOERROR, []
        for _ in range(FOLLOWED):
            found = self.find(name)
            if found is None:
                code = NXDOMAIN
            if not found or kind in found or TYPES["CNAME"] not in found:
                break
            target = found[TYPES["CNAME"]][0]
            links.append((name, "CNAME", target))
            name = text_of(wire_of(target)).lower()
            if not self.follow or name in [link[0] for link in links]:
                found = {}
                break
        values = (found or {}).get(kind, [])
        packet = Packet(question, code, flags | (TC if empty else 0))
        if not empty:
            for link in links:
                packet.record(1, *link)
            for value in values:
                packet.record(1, name, kind, value)
            if not values and not (links and not self.follow):
                packet.record(2, name.rpartition(".")[2] or ".", "SOA", "ns.invalid")
        if question.edns is not None:
            packet.option()
        wire = packet.wire()
        room = max(question.edns or 512, 512) if question.transport == "udp" else 65535
        return self.right(question, flags, True) if len(wire) > room else wire

    def coded(self, question, code, option=True):
        packet = Packet(question, code, 0)
        if question.edns is not None and option:
            packet.option()
        return packet.wire()

    def packets(self, question, behaviour, argument):
        """The packets to send, one after the other."""
        if callable(behaviour):
            return behaviour(question, self.right(question))
        if behaviour in CODES:
            return [self.coded(question, CODES[behaviour])]
        if behaviour in ("silence", "close"):
            return []
        if behaviour == "delay":
            return [] if self.stopping.wait(argument) else [self.right(question)]
        if behaviour == "ad":
            return [self.right(question, AD)]
        if behaviour == "noedns" and question.edns is not None:
            return [self.coded(question, FORMERR, option=False)]
        if behaviour == "truncate-always" or (
            question.transport == "udp" and behaviour in
            ("truncate", "tcp-close", "tcp-silence", "tcp-length", "tcp-slow", "tcp-wrong-id")
        ):
            return [self.right(question, empty=True)]
        return bent(self.right(question), question, behaviour, argument)


def bent(packet, question, behaviour, argument):
    """The right answer with what BEHAVIOUR does to it."""
    end = HEADER.size + len(question.wire_name)  # of the name in the question
    body, answers = packet[HEADER.size : end + 4], packet[end + 4 :]
    flags = HEADER.unpack_from(packet)[1]
    address = struct.pack("!HHIH4B", 1, 1, 60, 4, 192, 0, 2, 66)

    def forged(owner):
        """An answer of one record."""
        return [packet[:2] + struct.pack("!5H", flags & ~0xF, 1, 1, 0, 0) + body + owner + address]

    if behaviour in (None, "noedns", "truncate", "wrong-port", "wrong-address", "tcp-length",
                     "tcp-slow"):
        return [packet]
    if behaviour in ("wrong-id", "tcp-wrong-id"):
        return [wrong_id(packet)]
    if behaviour in ("flood", "flood-only"):
        wrong = [] if question.transport == "tcp" else [wrong_id(packet) for _ in range(argument)]
        return wrong + ([packet] if behaviour == "flood" or not wrong else [])
    if behaviour == "case":
        return [packet[:12] + packet[12:end].swapcase() + packet[end:]]
    if behaviour == "wrong-question":
        return [packet[:13] + bytes([packet[13] ^ 3]) + packet[14:]]
    if behaviour == "wrong-type":
        return [packet[:end] + struct.pack("!H", 0x63) + packet[end + 2 :]]
    if behaviour == "wrong-class":
        return [packet[: end + 2] + struct.pack("!H", 3) + packet[end + 4 :]]
    if behaviour == "query-bit":
        return [with_header(packet, flags=flags & ~QR)]
    if behaviour == "opcode":
        return [with_header(packet, flags=flags | 0x2800)]
    if behaviour == "garbage":
        return [packet[:2] + os.urandom(argument)]
    if behaviour == "empty":
        return [b""]
    if behaviour == "short":
        return [packet[:5]]
    if behaviour == "header":
        return [packet[:12]]
    if behaviour == "no-question":
        return [with_header(packet[:12] + answers, questions=0)]
    if behaviour == "two-questions":
        return [with_header(packet[:12] + body + body + answers, questions=2)]
    if behaviour == "count":
        return [with_header(packet, answers=argument)]
    if behaviour == "cut":
        return [packet[:-argument]]
    if behaviour == "trailing":
        return [packet + b"\x55" * 100]
    if behaviour == "pointer-loop":  # two that point at each other, then the record
        place = end + 4
        return forged(struct.pack("!HH", 0xC000 | (place + 2), 0xC000 | place))
    if behaviour == "pointer-self":
        return forged(struct.pack("!H", 0xC000 | (end + 4)))
    if behaviour == "pointer-end":
        return forged(b"\xff\xff")
    if behaviour == "label":
        return forged(bytes([argument]) + b"a" * 200 + b"\0")
    if behaviour == "wrong-owner":
        return forged(wire_of("other.invalid"))
    if behaviour == "rdlength":
        owner = struct.pack("!H", 0xC00C)
        record = struct.pack("!HHIH4B", 1, 1, 60, max(0, 4 + argument), 192, 0, 2, 66)
        head = packet[:2] + struct.pack("!5H", flags & ~0xF, 1, 1, 0, 0)
        return [head + body + owner + record]
    raise ValueError(f"no behaviour {behaviour}")


def main():
    parser = argparse.ArgumentParser(description="a scripted DNS server")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("file")
    options = parser.parse_args()
    with open(options.file) as file:
        script = json.load(file)
    records = {(name, kind): [tuple(v) if kind == "MX" else v for v in values]
               for name, kind, values in script.get("records", [])}
    behaviours = {name: tuple(value) if isinstance(value, list) else value
                  for name, value in script.get("behaviours", {}).items()}
    with NameServer(records, behaviours, options.address, options.port) as server:
        print(server.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
