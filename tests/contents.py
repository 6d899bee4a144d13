"""Messages that must arrive byte for byte, and the comparison.

Each has all the fields that a server could miss and add, and a Message-ID by which it is found.
"""

import random
import re

FIELD = re.compile(rb"([!-9;-~]+):[^\n]*\n(?:[ \t][^\n]*\n)*")
TRACE = {b"return-path", b"delivered-to", b"received"}
OF_OTHERS = {b"x-original-to", b"envelope-to", b"delivery-date"}


def message(name, body, subject=b"exchange"):
    header = (
        b"From: Ann <ann@elsewhere.example>\nTo: bob@elsewhere.example\nSubject: %s\n"
        b"Date: Mon, 05 Jan 2026 10:00:00 +0000\nMessage-ID: <%s@elsewhere.example>\n"
        b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
        b"Content-Transfer-Encoding: 8bit\nX-Folded: one\n two\n\t three\n\n"
    )
    return header % (subject, name.encode()) + body


def big_body(octets, seed=1):
    """Lines of every length and, but for NUL, CR and LF, every octet."""
    values = bytes(set(range(1, 256)) - {10, 13})
    block = bytes(random.Random(seed).choices(values, k=1 << 16))
    lines, size, number = [], 0, 0
    while size < octets:
        length = number * 7 % 998
        start = number * 31 % (len(block) - 998)
        lines.append(b"%d " % number + block[start : start + length - length * 8 // 998])
        size += len(lines[-1]) + 1
        number += 1
    return b"\n".join(lines) + b"\n"


def contents(big):
    """name -> message. BIG: the octets of the largest."""
    bodies = {
        "seven-bit": b"Hello,\n\nplain text.\n-- \nAnn\n",
        "eight-bit": bytes(set(range(128, 256))) + b"\nGr\xfc\xdfe, \xe6\x97\xa5\xe6\x9c\xac\n",
        "dots": b".\n..\n...\n.x\n\n.\n..\n.",
        "long-lines": b"".join(
            start + b"x" * (length - len(start)) + b"\n"
            for length in (997, 998)
            for start in (b"", b".", b"\xc3\xa4")
        ),
        "blanks": b" \n\t\nends with blanks  \n\n   begins\nFrom here\n>From there\n\n\n",
        "header-alone": b"",
        "big": big_body(big),
    }  # fmt: skip
    return {name: message(name, body) for name, body in bodies.items()}


def name_of(delivered):
    found = re.search(rb"^Message-ID: <([^@>]*)@elsewhere\.example>$", delivered, re.M)
    assert found, f"not one of ours: {delivered[:1500]!r}"
    return found.group(1).decode()


def assert_same(delivered, sent, others=()):
    """SENT has arrived as it was, with nothing but trace fields on top (and those of OTHERS)."""
    expected = sent if sent.endswith(b"\n") else sent + b"\n"
    top = delivered[: len(delivered) - len(expected)]
    if not delivered.endswith(expected):
        at = next((n for n, (x, y) in enumerate(zip(delivered[::-1], expected[::-1])) if x != y), 0)
        raise AssertionError(f"{name_of(delivered)} differs {at} octets before its end: "
                             f"{delivered[-at - 200 :][:400]!r}, top: {delivered[:1500]!r}")
    while top:
        field = FIELD.match(top)
        assert field, f"no header field on top: {top!r}"
        assert field.group(1).lower() in TRACE | set(others), f"a field was added: {field.group(0)}"
        top = top[field.end() :]


def assert_all(delivered, sent, others=()):
    """Each message of SENT (name -> message) is in DELIVERED once, and nothing else is."""
    names = sorted(name_of(one) for one in delivered)
    assert names == sorted(sent), f"arrived: {names}"
    for one in delivered:
        assert_same(one, sent[name_of(one)], others)
