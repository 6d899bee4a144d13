"""A report as its reader sees it (RFC 3464, 6522, 6533)."""

import email
import email.policy
import quopri


class Report:
    """Of HOST, with or without the trace fields of its own delivery."""

    def __init__(self, octets, host):
        self.bytes, self.host = octets, host
        self.message = email.message_from_bytes(octets, policy=email.policy.default)
        self.check()

    def check(self):
        """What is true of every report."""
        top = self.message
        assert not top.defects, top.defects
        assert b"\r" not in self.bytes and b"\0" not in self.bytes
        assert max(len(line) for line in self.bytes.split(b"\n")) <= 998
        assert top.get_content_type() == "multipart/report"
        assert top.get_param("report-type") == "delivery-status"
        assert top["Auto-Submitted"] == "auto-replied"
        assert top["MIME-Version"] == "1.0"
        assert top["Date"].datetime
        assert top["Message-ID"].endswith(f"@{self.host}>")
        header, body = self.bytes.split(b"\n\n", 1)
        assert body.isascii()
        # The delimiter stands where the parts are and nowhere else.
        delimiter = b"--" + top.get_boundary().encode()
        lines = [line for line in body.split(b"\n") if line.startswith(delimiter)]
        assert lines[:-1] == [delimiter] * (len(lines) - 1) and lines[-1] == delimiter + b"--"
        assert len(lines) in (3, 4)
        self.parts = body.split(b"\n" + delimiter)[1:-1]

    def part(self, index):
        """(content type, content) of a part, decoded here: the email package does not decode what
        a message/global part holds."""
        fields, content = self.parts[index].lstrip(b"\n").split(b"\n\n", 1)
        fields = email.message_from_bytes(fields + b"\n\n")
        encoding = fields.get("Content-Transfer-Encoding", "7bit")
        assert encoding in ("7bit", "quoted-printable")
        if encoding != "7bit":
            assert max(len(line) for line in content.split(b"\n")) <= 76
            content = quopri.decodestring(content)
        return fields.get_content_type(), content

    @property
    def text(self):
        kind, content = self.part(0)
        assert kind == "text/plain"
        return content.decode("utf-8")

    @property
    def status(self):
        """The fields of the message, then those of each recipient."""
        kind, content = self.part(1)
        utf8 = kind == "message/global-delivery-status"
        assert utf8 or (kind == "message/delivery-status" and content.isascii())
        groups = []
        for block in content.decode("utf-8").strip("\n").split("\n\n"):
            unfolded = block.replace("\n ", " ").replace("\n\t", " ")
            groups.append(dict(line.split(": ", 1) for line in unfolded.split("\n")))
        assert groups[0]["Reporting-MTA"] == f"dns; {self.host}"
        assert "Arrival-Date" in groups[0]
        return groups

    @property
    def recipients_reported(self):
        return [fields["Final-Recipient"].split("; ", 1)[1] for fields in self.status[1:]]

    @property
    def original(self):
        return self.part(2) if len(self.parts) > 2 else None
