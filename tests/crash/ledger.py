"""The ledger: what was sent, what was acknowledged, and whether the mailboxes agree."""

import re
import uuid
from collections import Counter
from dataclasses import dataclass, field

from rows import Broken

# What delivery may put in front of the message as it was sent.
TRACE = rb"(?:(?:Return-Path|Delivered-To|Received):[^\n]*\n(?:[ \t][^\n]*\n)*)*"
TOKEN = re.compile(rb"^Subject: crash ([0-9a-f]{32})$", re.M)
MESSAGE_ID = re.compile(rb"^Message-ID: <([^>\n]+)>", re.M | re.I)


@dataclass
class Entry:
    body: bytes
    label: str  # for messages of a failed test
    least: int = 1  # copies in each mailbox
    most: float = 1


@dataclass
class Ledger:
    entries: dict = field(default_factory=dict)

    def message(self, label, size=300):
        """A new message of about SIZE bytes, different from all others. Returns (token, bytes)."""
        token = uuid.uuid4().hex.encode()
        line = b"..%s 0123456789 abcdefghijklmnopqrstuvwxyz From here\n" % token
        body = b"Subject: crash %s\nFrom: <a@elsewhere.example>\n\n" % token
        body += line * max(1, (size - len(body)) // len(line))
        self.entries[token] = Entry(body, label)
        return token, body

    def expect(self, token, least, most):
        self.entries[token].least, self.entries[token].most = least, most

    def complete(self, bytes_found):
        """The entry's token when BYTES_FOUND is a whole message of the ledger, else None."""
        found = TOKEN.search(bytes_found)
        entry = self.entries.get(found.group(1)) if found else None
        if not entry or not bytes_found.endswith(entry.body):
            return None
        before = bytes_found[: -len(entry.body)]
        return found.group(1) if re.fullmatch(TRACE, before) else None

    def acknowledged(self):
        return [token for token, entry in self.entries.items() if entry.least]

    def missing(self, mailbox):
        """How many acknowledged messages are not in MAILBOX, a list of bytes."""
        there = {self.complete(one) for one in mailbox}
        return sum(1 for token in self.acknowledged() if token not in there)

    def violations(self, mailbox, name):
        """Every promise that MAILBOX breaks, as text."""
        copies, wrong = dict.fromkeys(self.entries, 0), []
        for one in mailbox:
            token = self.complete(one)
            if token is None:
                text = f"{name}: no whole message: {one[:300]!r}...{one[-80:]!r}"
                wrong.append(Broken("partial", text))
            else:
                copies[token] += 1
        for token, count in copies.items():
            entry = self.entries[token]
            if not entry.least <= count <= entry.most:
                kind = "lost" if count < entry.least else "doubled"
                text = f"{name}: {count} copies, not {entry.least} to {entry.most}: {entry.label}"
                wrong.append(Broken(kind, text))
        return wrong

    def reports(self, mailbox):
        """token -> Message-ID of each report about it in MAILBOX -> how many copies of that."""
        counts = {token: Counter() for token in self.entries}
        for report in mailbox:
            name, found = MESSAGE_ID.search(report), TOKEN.search(report)
            if found and name and b"Content-Type: multipart/report" in report:
                counts[found.group(1)][name.group(1)] += 1
        return counts

    def report_violations(self, mailbox):
        """As `violations`, where MAILBOX is a sender's and each message ends in a report: one, and
        as many more as copies are allowed after a crash."""
        wrong = []
        for token, copies in self.reports(mailbox).items():
            entry = self.entries[token]
            if len(copies) < entry.least:
                wrong.append(Broken("lost", f"no report: {entry.label}"))
            elif len(copies) > entry.most or max(copies.values(), default=0) > entry.most:
                wrong.append(Broken("doubled", f"reports and copies: {copies}: {entry.label}"))
        return wrong
