"""ekiden-bounce: what a report says, to whom, and what it never does, whatever it is about."""

import os
import signal
import subprocess
import tempfile
import time

import pytest
from bouncer import DELIVERED, DONE, FAILED, HOST, TODO, Bouncer, QueuedReport, remove
from instance import SANITIZER, Process, wait_for

SAID = "5.1.1 mx.far.test[192.0.2.7]:25 said: 550 5.1.1 <bob@far.test>: no such user"
BIG = b"Subject: big\nMessage-ID: <big@far.test>\n\n" + b"0123456789abcde\n" * 20000


@pytest.fixture
def make_bouncer(scratch, programs):
    made = []

    def make(start=True, **control):
        folder = tempfile.mkdtemp(prefix="", dir=scratch)
        os.chmod(folder, 0o755)
        made.append(Bouncer(folder, programs, **control))
        return made[-1].start() if start else made[-1]

    yield make
    for bouncer in made:
        assert not SANITIZER.search(bouncer.log_path.read_text()), bouncer.log_path.read_text()
        remove(bouncer)


@pytest.fixture
def bouncer(make_bouncer):
    return make_bouncer()


def test_report_of_a_failure(bouncer):
    body = b"From: Somebody Else <else@other.test>\nSubject: lunch\nMessage-ID: <1@far.test>\n\nhi\n"
    name = bouncer.failed(("bob@far.test", SAID), body=body)
    report = bouncer.report(name)
    assert (report.sender, report.recipients) == (b"", [b"ann@far.test"])
    assert report.flags == []
    message = report.message
    assert message["To"] == "ann@far.test"
    assert message["From"] == f"Mail Delivery System <MAILER-DAEMON@{HOST}>"
    assert message["In-Reply-To"] == message["References"] == "<1@far.test>"
    assert "not delivered" in message["Subject"]
    assert abs(message["Date"].datetime.timestamp() - time.time()) < 300

    text = report.text
    assert f"mail server {HOST}" in text and name in text
    assert "<bob@far.test>\n    There is no such mailbox.\n    5.1.1 mx.far.test[192" in text
    assert all(len(line) <= 78 for line in text.split("\n"))

    fields = report.status[1]
    assert fields == {
        "Final-Recipient": "rfc822; bob@far.test",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.far.test",
        "Diagnostic-Code": "smtp; 550 5.1.1 <bob@far.test>: no such user",
    }
    assert report.original == ("message/rfc822", body)

    (event,) = bouncer.events("report")
    assert event["id"] == name and event["report"] == report.name
    assert (event["kind"], event["recipients"]) == ("failure", "1")
    assert bouncer.awake().endswith(f"{report.name}\n")
    assert bouncer.end() == 0


def test_only_what_failed_is_reported(bouncer):
    name = bouncer.queued([("a@x.test", DONE), ("b@x.test", FAILED), ("c@x.test", TODO),
                           ("d@x.test", FAILED), ("b@x.test", FAILED)])
    bouncer.noted(name, ("F", 1, "5.0.0 first"), ("D", 2, "4.0.0 later"), ("F", 0, "5.0.0 old"),
                  ("F", 1, "5.2.2 last"), ("F", 99, "5.0.0 nobody"), ("D", 1, "4.4.1 wrong"))
    report = bouncer.report(name)
    assert [(f["Final-Recipient"], f["Status"]) for f in report.status[1:]] == [
        ("rfc822; b@x.test", "5.2.2"),
        ("rfc822; d@x.test", "5.0.0"),
        ("rfc822; b@x.test", "5.0.0"),
    ]
    assert report.status[1]["Diagnostic-Code"] == "X-Ekiden; 5.2.2 last"
    assert "first" not in report.text and "a@x.test" not in report.text


# --- what the sender asked for (RFC 3461) ---


def test_envelope_id_and_original_recipient(bouncer):
    name = bouncer.queued([("bob@far.test\0NSF\0Orfc822;Bob+2Bx@Old.test", FAILED),
                           ("eve@far.test", FAILED)], asked=b"VQQ+2B314+20159\0RF\0")
    bouncer.noted(name, ("F", 0, SAID), ("F", 1, SAID))
    report = bouncer.report(name)
    assert report.status[0]["Original-Envelope-Id"] == "QQ+314 159"
    assert report.status[1]["Original-Recipient"] == "rfc822; Bob+x@Old.test"
    assert report.status[1]["Final-Recipient"] == "rfc822; bob@far.test"
    assert "Original-Recipient" not in report.status[2]
    assert report.original[0] == "message/rfc822"
    assert list(report.status[0])[0] == "Original-Envelope-Id"


@pytest.mark.parametrize("orcpt, shown, kind", [
    ("utf-8;jürgen@bücher.test", "utf-8; jürgen@bücher.test", "message/global-delivery-status"),
    ("utf-8;j\\x{FC}rgen@x.test", "utf-8; j\\x{FC}rgen@x.test", "message/delivery-status"),
    ("rfc822;a+3A+20b@x.test", "rfc822; a: b@x.test", "message/delivery-status"),
    (b"utf-8;j\xfcrgen@x.test", "utf-8; j?rgen@x.test", "message/delivery-status"),
])
def test_original_recipients(bouncer, orcpt, shown, kind):
    orcpt = orcpt if isinstance(orcpt, bytes) else orcpt.encode()
    report = bouncer.report(bouncer.queued([(b"bob@far.test\0O" + orcpt, FAILED)]))
    assert report.part(1)[0] == kind
    assert report.status[1]["Original-Recipient"] == shown


@pytest.mark.parametrize("wish, kind, returned", [
    (b"RF\0", "failure", "message/rfc822"),
    (b"RH\0", "failure", "text/rfc822-headers"),
    (b"", "delay", "message/rfc822"),
    (b"RF\0", "delay", "text/rfc822-headers"),
    (b"RH\0", "delay", "text/rfc822-headers"),
    (b"RF\0", "success", "text/rfc822-headers"),
    (b"", "success", "text/rfc822-headers"),
])
def test_what_comes_back(bouncer, wish, kind, returned):
    mark, letter = {"failure": (FAILED, "F"), "delay": (TODO, "D"), "success": (DELIVERED, "S")}[kind]
    name = bouncer.queued([("bob@far.test", mark)], asked=wish)
    bouncer.noted(name, (letter, 0, "4.2.1 so it is"))
    assert bouncer.report(name, kind).original[0] == returned


def test_ret_full_has_the_usual_bound(bouncer):
    body = b"Subject: x\n\n" + b"x" * 70 + b"\n" + 2000 * (b"y" * 70 + b"\n")
    name = bouncer.queued([("bob@far.test", FAILED)], asked=b"RF\0", body=body)
    assert bouncer.report(name).original[0] == "text/rfc822-headers"


def test_report_of_success(bouncer):
    said = "2.0.0 mx.far.test[192.0.2.1]:25 said: 250 2.0.0 taken"
    name = bouncer.queued([("a@x.test", DELIVERED), ("b@x.test", TODO), ("c@x.test", FAILED),
                           ("d@x.test", DELIVERED), ("e@x.test", DELIVERED), ("f@x.test", DONE),
                           ("g@x.test", DELIVERED)])
    bouncer.noted(name, ("S", 0, "2.0.0 delivered to a mailbox"), ("R", 3, said), ("F", 2, "5.1.1 no"),
                  ("E", 4, "2.0.0 forwarded as 1"), ("S", 5, "2.0.0 told before"))
    report = bouncer.report(name, "success")
    assert (report.sender, report.recipients) == (b"", [b"ann@far.test"])
    assert [(f["Final-Recipient"], f["Action"], f["Status"]) for f in report.status[1:]] == [
        ("rfc822; a@x.test", "delivered", "2.0.0"),
        ("rfc822; d@x.test", "relayed", "2.0.0"),
        ("rfc822; e@x.test", "expanded", "2.0.0"),
        ("rfc822; g@x.test", "relayed", "2.0.0"),  # without a note the least is said
    ]
    assert report.status[2]["Remote-MTA"] == "dns; mx.far.test"
    assert report.status[2]["Diagnostic-Code"] == "smtp; 250 2.0.0 taken"
    assert "delivered" in report.message["Subject"]
    assert "<a@x.test>\n    It was delivered." in report.text
    assert report.message["Auto-Submitted"] == "auto-replied"
    (event,) = bouncer.events("report")
    assert (event["kind"], event["recipients"]) == ("success", "4")


@pytest.mark.parametrize("sender", ["", "#@[]"])
def test_no_success_report_without_a_sender(bouncer, sender):
    name = bouncer.queued([("a@x.test", DELIVERED)], sender=sender)
    bouncer.noted(name, ("S", 0, "2.0.0 delivered"))
    assert bouncer.ask(name, "success")[0] == "K"
    assert bouncer.new() == []


def test_success_report_to_a_list_with_a_sender_for_each(bouncer):
    name = bouncer.queued([("a@x.test", DELIVERED)], sender="list-owner-@host.test-@[]")
    assert bouncer.report(name, "success").recipients == [b"list-owner-@host.test"]


def test_nothing_to_report(bouncer):
    name = bouncer.queued([("a@x.test", DONE), ("c@x.test", TODO)])
    assert bouncer.ask(name) == ("K", "2.0.0 no report: no recipient to report")
    assert bouncer.ask(name, "delay")[0] == "K"
    assert bouncer.new() == []


@pytest.mark.parametrize(
    "text, status, remote, code",
    [
        ("5.1.1 no such user", "5.1.1", None, "X-Ekiden; 5.1.1 no such user"),
        ("no code at all", "5.0.0", None, "X-Ekiden; no code at all"),
        ("2.0.0 fine", "5.0.0", None, "X-Ekiden; 2.0.0 fine"),
        ("4.4.7 too old", "4.4.7", None, "X-Ekiden; 4.4.7 too old"),
        ("5.1.1234 odd", "5.0.0", None, "X-Ekiden; 5.1.1234 odd"),
        ("5.7.1 [192.0.2.7]:25 said: 550 no", "5.7.1", "dns; [192.0.2.7]", "smtp; 550 no"),
        ("5.7.1 [2001:db8::1]:25 said: 550", "5.7.1", "dns; [IPv6:2001:db8::1]", "smtp; 550"),
        ("5.7.1 a;b[192.0.2.7] said: 550 x", "5.7.1", None, "smtp; 550 x"),
        ("5.7.1 he said: 550 x", "5.7.1", "dns; he", "smtp; 550 x"),
        ("5.7.1 he said: no", "5.7.1", None, "X-Ekiden; 5.7.1 he said: no"),
        ("5.7.1 said: 550 x", "5.7.1", None, "X-Ekiden; 5.7.1 said: 550 x"),
    ],
)
def test_reasons(bouncer, text, status, remote, code):
    fields = bouncer.report(bouncer.failed(("a@x.test", text))).status[1]
    assert fields["Status"] == status
    assert fields.get("Remote-MTA") == remote
    assert fields["Diagnostic-Code"] == code


# --- who is told ---


def test_report_to_a_list_with_a_sender_for_each(bouncer):
    """qmail's form of it is no address: the report goes to the list's owner."""
    name = bouncer.failed(("bob@far.test", SAID), sender="l-owner-@far.test-@[]")
    report = bouncer.report(name)
    assert report.recipients == [b"l-owner-@far.test"]
    assert report.message["To"] == "l-owner-@far.test"


def test_double_bounce(make_bouncer):
    bouncer = make_bouncer(doublebouncehost="other.test\n")
    report = bouncer.report(bouncer.failed(("bob@far.test", SAID), sender=""))
    assert (report.sender, report.recipients) == (b"#@[]", [b"postmaster@other.test"])
    assert "double bounce" in report.text
    assert "Its sender" not in report.text
    assert bouncer.events("report")[0]["kind"] == "double"


def test_no_third_report(bouncer):
    name = bouncer.failed(("postmaster@far.test", SAID), sender="#@[]")
    letter, text = bouncer.ask(name)
    assert (letter, bouncer.new()) == ("K", [])
    (event,) = bouncer.events("report-discarded")
    assert event["id"] == name and "double" in event["reason"] and "double" in text


def test_double_bounces_can_be_off(make_bouncer):
    bouncer = make_bouncer(doublebounceto="# nobody\n")
    assert bouncer.ask(bouncer.failed(("bob@far.test", SAID), sender=""))[0] == "K"
    assert bouncer.new() == []
    assert bouncer.events("report-discarded")[0]["reason"] == "doublebounceto is empty"
    # A sender is told all the same.
    assert bouncer.report(bouncer.failed(("bob@far.test", SAID))).recipients == [b"ann@far.test"]


@pytest.mark.parametrize("sender", [f"MAILER-DAEMON@{HOST}", f"postmaster@{HOST}", "bob@far.test"])
def test_reports_do_not_go_round(bouncer, sender):
    """H10: each report has a sender for which the next one is closer to the end."""
    report = bouncer.report(bouncer.failed((sender, "5.1.1 no such user"), sender=sender))
    assert (report.sender, report.recipients) == (b"", [sender.encode()])
    report = bouncer.report(bouncer.failed((sender, "5.1.1 no such user"), sender=report.sender))
    assert (report.sender, report.recipients) == (b"#@[]", [f"postmaster@{HOST}".encode()])
    letter, _ = bouncer.ask(bouncer.failed((sender, "5.1.1 no"), sender=report.sender))
    assert (letter, bouncer.new()) == ("K", [])


def test_names_of_the_sender_of_reports(make_bouncer):
    bouncer = make_bouncer(bouncefrom="reports\n", bouncehost="Example.TEST\n")
    report = bouncer.report(bouncer.failed(("bob@far.test", SAID)))
    assert report.message["From"] == "Mail Delivery System <reports@example.test>"


def test_sender_that_is_no_plain_address(bouncer):
    report = bouncer.report(bouncer.failed(("bob@far.test", SAID), sender='a "b\\c@x.test'))
    assert report.recipients == [b'a "b\\c@x.test']
    assert report.message.get("To").addresses[0].username == 'a "b\\c'
    report = bouncer.report(bouncer.failed(("bob@far.test", SAID), sender="root"))
    assert report.recipients == [b"root"]
    assert report.message["To"] == f"root@{HOST}"


# --- delays ---


def test_delay(make_bouncer):
    bouncer = make_bouncer(queuelifetime="1000\n")
    name = bouncer.queued([("a@x.test", TODO), ("b@x.test", DONE), ("c@x.test", TODO),
                           ("d@x.test", FAILED)])
    bouncer.noted(name, *(("D", index, "4.4.1 it does not answer") for index in (0, 1, 3)))
    report = bouncer.report(name, "delay")
    assert "delayed" in report.message["Subject"] and "need not send" in " ".join(report.text.split())
    assert "The server did not answer." in report.text
    (fields,) = report.status[1:]
    assert fields["Final-Recipient"] == "rfc822; a@x.test"
    assert (fields["Action"], fields["Status"]) == ("delayed", "4.4.1")
    dates = [report.status[0]["Arrival-Date"], fields["Will-Retry-Until"]]
    arrival, until = (time.mktime(time.strptime(date, "%a, %d %b %Y %H:%M:%S +0000"))
                      for date in dates)
    assert until - arrival == 1000


@pytest.mark.parametrize(
    "header, wanted",
    [
        (b"Precedence: bulk\n", False),
        (b"precedence :\n  LIST\n", False),
        (b"Precedence: junk (really)\n", False),
        (b"Precedence: first-class\n", True),
        (b"Auto-Submitted: auto-generated; x=y\n", False),
        (b"Auto-Submitted: No\n", True),
        (b"Auto-Submitted: no (not)\n", True),
        (b"Auto-Submitted:\n", False),
        (b"List-Id: <list.x.test>\n", False),
        (b"LIST-Unsubscribe: <mailto:x>\n", False),
        (b"Listing: 1\nX-List-Id: x\nSubject:\n List-Id: y\n", True),
        (b"Subject: \xff\x80\nno colon\n\tfold\nX: \xe9\n", True),
    ],
)
def test_delay_reports_are_for_people(bouncer, header, wanted):
    for body in (b"From: x\n" + header + b"To: y\n\nList-Id: in the body\n", header.rstrip(b"\n")):
        name = bouncer.delayed(("a@x.test", "4.4.1 no"), body=body)
        letter, text = bouncer.ask(name, "delay")
        # A last line without its end cannot be told from one that was cut.
        if body.endswith(b"\n"):
            assert (letter, len(bouncer.new())) == ("K", wanted), text
        # A failure is told to everybody who has an address.
        bouncer.new()
        bouncer.report(bouncer.failed(("a@x.test", "5.4.1 no"), body=body))


@pytest.mark.parametrize("sender", ["", "#@[]"])
def test_no_delay_report_without_a_sender(bouncer, sender):
    name = bouncer.delayed(("a@x.test", "4.4.1 no"), sender=sender)
    assert (bouncer.ask(name, "delay")[0], bouncer.new()) == ("K", [])


# --- sizes ---


def test_a_large_message_comes_back_as_its_header(bouncer):
    report = bouncer.report(bouncer.failed(("bob@far.test", SAID), body=BIG))
    assert report.original == (
        "text/rfc822-headers", b"Subject: big\nMessage-ID: <big@far.test>\n")
    assert len(report.bytes) < 5000


def test_bouncemaxbytes(make_bouncer):
    body = b"Subject: x\n\n" + b"y" * 60 + b"\n"
    for size, whole in ((len(body), True), (len(body) - 1, False), (0, False)):
        bouncer = make_bouncer(bouncemaxbytes=f"{size}\n")
        kind, content = bouncer.report(bouncer.failed(("b@far.test", SAID), body=body)).original
        assert (kind == "message/rfc822") == whole
        assert content == (body if whole else b"Subject: x\n")


def test_a_header_has_its_bound(bouncer):
    header = b"".join(b"X-%d: %s\n" % (index, b"v" * 60) for index in range(2000))
    for body in (header + b"\nbody\n", header * 100 + b"\nbody\n", b"x" * 200000):
        report = bouncer.report(bouncer.failed(("bob@far.test", SAID), body=body))
        kind, content = report.original
        assert kind == "text/rfc822-headers"
        assert body.startswith(content.rstrip(b"\n")) and 15000 < len(content) <= 16385
        assert len(report.bytes) < 30000
        assert b"\nContent-Description: " in report.parts[2]


def test_a_thousand_recipients(bouncer):
    """H06: one report, bounded. Each failure that has room stands in it once."""
    reasons = [(f"user{i}@domain{i % 50}.test",
                f"5.1.1 mx{i % 50}.test[192.0.2.1]:25 said: 550 5.1.1 unknown user {i}" + "x" * 300)
               for i in range(1000)]
    report = bouncer.report(bouncer.failed(*reasons, body=BIG))
    assert len(report.bytes) <= 100_000
    shown = report.recipients_reported
    assert shown == [address for address, _ in reasons][:len(shown)] and len(shown) > 600
    assert "... and " in report.text
    assert report.original[0] == "text/rfc822-headers"
    assert bouncer.events("report")[0]["recipients"] == "1000"


def test_five_hundred_recipients_all_stand_in_the_report(bouncer):
    reasons = [(f"user{i}@domain{i % 50}.test", f"5.1.1 mx[192.0.2.1]:25 said: 550 5.1.1 no user{i}")
               for i in range(500)]
    name = bouncer.failed(*reasons)
    report = bouncer.report(name)
    assert report.recipients_reported == [address for address, _ in reasons]
    assert len(report.bytes) <= 100_000
    assert {fields["Status"] for fields in report.status[1:]} == {"5.1.1"}


def test_memory_does_not_grow_with_recipients(bouncer, sanitized):
    """A hundred thousand recipients cost what their addresses cost, a large message nothing."""
    name = bouncer.queued([(f"user{i}@domain.test", FAILED) for i in range(100_000)],
                          body=BIG + b"z" * (30 << 20))
    bouncer.noted(name, *(("F", i, "5.1.1 " + "x" * 60) for i in range(100_000)))
    report = bouncer.report(name)
    assert len(report.bytes) <= 100_000
    assert "... and 99" in report.text
    assert sanitized or Process(bouncer.process.pid).peak_memory < 20_000


# --- what is not ASCII ---

UTF8 = "jürgen@bücher.test"


def test_utf8_recipient(bouncer):
    said = "5.1.1 mx.test[192.0.2.1]:25 said: 550 5.1.1 unbekannt: jürgen"
    report = bouncer.report(bouncer.failed((UTF8, said), ("a@x.test", "5.2.2 voll")))
    assert report.part(1)[0] == "message/global-delivery-status"
    assert report.status[1]["Final-Recipient"] == f"utf-8; {UTF8}"
    assert report.status[1]["Diagnostic-Code"] == "smtp; 550 5.1.1 unbekannt: jürgen"
    assert report.status[2]["Final-Recipient"] == "rfc822; a@x.test"
    assert f"<{UTF8}>" in report.text
    assert report.flags == [] and report.bytes.isascii()


def test_utf8_sender(bouncer):
    report = bouncer.report(bouncer.failed(("a@x.test", "5.2.2 full"), sender=UTF8))
    assert report.recipients == [UTF8.encode()]
    assert report.flags == [b"B", b"U"]
    assert f"\nTo: {UTF8}\n".encode() in report.bytes
    assert f"<{UTF8}>" in report.text
    assert report.part(1)[0] == "message/delivery-status"


def test_bytes_that_are_no_utf8(bouncer):
    report = bouncer.report(
        bouncer.failed((b"j\xfcrgen@x.test", b"5.2.2 voll \xfc"), sender=b"\xe9ric@x.test"))
    assert report.recipients == [b"\xe9ric@x.test"]
    assert (report.flags, report.message["To"]) == ([], "?ric@x.test")
    assert report.status[1]["Final-Recipient"] == "rfc822; j?rgen@x.test"
    assert report.status[1]["Diagnostic-Code"] == "X-Ekiden; 5.2.2 voll ?"


@pytest.mark.parametrize(
    "body, kind, returned",
    [
        (b"Subject: x\n\nna\xc3\xafve\n", "message/global", None),
        ("Subject: naïve\n\ncafé =20\ntrailing \n\t\n".encode(), "message/global", None),
        (b"Subject: x\n\nlatin \xef\n", "message/global", None),
        (b"Subject: latin \xef\n\nx\n", "text/rfc822-headers", b"Subject: latin \xef\n"),
        (b"Subject: x\n\nCR\rinside\0NUL\n", "message/global", None),
        (b"Subject: x\n\n" + b"long " * 300 + b"\n", "message/global", None),
        (b"Subject: x\n\nno end", "message/rfc822", b"Subject: x\n\nno end\n"),
        (b"", "message/rfc822", b""),
        (b"\n", "message/rfc822", b"\n"),
        ("Subject: naïve\n\n".encode() + b"x" * 90000, "message/global-headers",
         "Subject: naïve\n".encode()),
    ],
)
def test_originals(bouncer, body, kind, returned):
    report = bouncer.report(bouncer.failed(("bob@far.test", SAID), body=body))
    assert report.bytes.isascii()
    assert report.original == (kind, body if returned is None else returned)


def test_an_original_that_grows_too_much_comes_back_as_its_header(make_bouncer):
    bouncer = make_bouncer(bouncemaxbytes="1000\n")
    body = b"Subject: x\n\n" + b"\xc3\xa9" * 400 + b"\n"
    report = bouncer.report(bouncer.failed(("bob@far.test", SAID), body=body))
    assert report.original == ("text/rfc822-headers", b"Subject: x\n")


# --- hostile ones ---


def test_hostile_texts(bouncer):
    """Nothing from outside becomes a line, a field or a part of the report."""
    reasons = [
        ("a@x.test", b"5.1.1 mx[1.2.3.4]:25 said: 550 \xff\xfe\x80 \xe2\x80\xae --=_x"),
        ("b@x.test", "5.1.1 mx said: 550 " + "w" * 1000),
        ("c@x.test", "5.1.1 " + "--=_boundary " * 40),
        ('"quoted; Action: delivered"@x.test', "5.1.1 x"),
        ("d;@x.test", "5.1.1 Final-Recipient: rfc822; other@x.test"),
        ("y" * 1003, "5.1.1 x"),
        ('z"\\' * 300 + "@x.test", "5.1.1 x"),
    ]
    name = bouncer.failed(*reasons)
    # An address with a line end cannot be queued, and a note is a line; a file can be written by
    # whoever can write the queue.
    bouncer.noted(name, ("F", 0, b"5.0.0 evil\r\nF 1 5.9.9 forged\n\n--=_x\r\n"),
                  ("F", 0, reasons[0][1]))
    report = bouncer.report(name)
    fields = report.status[1:]
    assert len(fields) == len(reasons)
    assert all(f["Action"] == "failed" for f in fields)
    assert [f["Status"] for f in fields[:3]] == ["5.1.1", "5.9.9", "5.1.1"]
    assert "??? ??? --=_x" in fields[0]["Diagnostic-Code"]
    assert fields[5]["Final-Recipient"].endswith("y...")


@pytest.mark.parametrize("message_id", [b"<a@b> Bcc: x", b"<a b@c>", b"<ab>", b"a@b",
                                        b"<" + b"a" * 300 + b"@b>", b"<a@b\xff>", b"<a@b",
                                        b"<a@b>\n <c@d>", b"", b"<a\rb@c>"])
def test_strange_message_ids_are_not_quoted(bouncer, message_id):
    body = b"Message-ID: " + message_id + b"\nSubject: x\n\nhello\n"
    report = bouncer.report(bouncer.failed(("bob@far.test", SAID), body=body))
    assert "In-Reply-To" not in report.message and "References" not in report.message


def test_an_original_that_looks_like_a_report(bouncer):
    """The report of a report holds it whole; its boundary is another one."""
    report = bouncer.report(bouncer.failed(("bob@far.test", SAID)))
    again = bouncer.report(bouncer.failed(("bob@far.test", SAID), body=report.bytes))
    assert again.original == ("message/rfc822", report.bytes)
    assert again.message.get_boundary() != report.message.get_boundary()


def test_a_damaged_message_is_reported_without_it(bouncer):
    name = bouncer.failed(("bob@far.test", SAID))
    content = bytearray(bouncer.path(name).read_bytes())
    at = content.index(b"hello")
    content[at] ^= 1
    bouncer.path(name).write_bytes(content)
    report = bouncer.report(name)
    assert report.original is None
    assert report.recipients_reported == ["bob@far.test"]


def test_a_damaged_head_is_not_reported(bouncer):
    name = bouncer.failed(("bob@far.test", SAID))
    content = bouncer.path(name).read_bytes().replace(b"bob", b"rob", 1)
    bouncer.path(name).write_bytes(content)
    assert bouncer.ask(name)[0] == "Z"
    assert bouncer.new() == []


# --- the agent ---


@pytest.mark.parametrize("payload", [b"", b"1\0failure\0", b"1\0other\0" + b"0" * 20 + b"\0",
                                     b"1\0failure\0../../etc/passwd-----\0"])
def test_orders_that_are_none_end_it(bouncer, payload):
    notes = bouncer.folder / "queue/notes/n"
    notes.touch()
    bouncer.send(payload, [notes, notes])
    assert bouncer.process.wait(60) == 111
    assert bouncer.events("agent-ends")


def test_order_without_descriptors_ends_it(bouncer):
    bouncer.send(b"1\0failure\0" + b"0" * 20 + b"\0", [])
    assert bouncer.process.wait(60) == 111


def test_many_orders_at_once(bouncer):
    names = [bouncer.failed((f"user{i}@x.test", SAID)) for i in range(40)]
    numbers = [bouncer.order(name) for name in names]
    answers = [bouncer.answer() for _ in names]
    assert [answer[0] for answer in answers] == numbers
    made = [QueuedReport(bouncer.path(text.split()[-1]).read_bytes(), text.split()[-1])
            for _, _, text in answers]
    assert [report.recipients_reported for report in made] == [[f"user{i}@x.test"]
                                                               for i in range(40)]
    assert bouncer.new() == sorted(report.name for report in made)
    assert bouncer.end() == 0


def test_a_signal_ends_it(bouncer):
    bouncer.report(bouncer.failed(("bob@far.test", SAID)))
    bouncer.process.send_signal(signal.SIGTERM)
    assert bouncer.process.wait(60) == 0


def test_killed_it_leaves_the_report_whole_or_none(make_bouncer):
    """H09: no answer, no promise; an answer, a whole report. What is left half is no queue file."""
    bouncer = make_bouncer(start=False, bouncemaxbytes="1000000\n")
    name = bouncer.failed(("bob@far.test", SAID), body=BIG)
    answered = 0
    for delay in range(12):
        bouncer.start()
        bouncer.order(name)
        if delay % 3 == 0:
            answered += bouncer.answer()[1] == "K"
        else:
            wait_for(lambda: bouncer.new() or bouncer.events("report"), what="its beginning")
            time.sleep(delay / 2000)  # any moment will do
        bouncer.kill()
    complete = 0
    for report in set(os.listdir(bouncer.folder / "queue/new")) - {name}:
        content = bouncer.path(report).read_bytes()
        if len(content) > 81 and content[-81:].startswith(b"\nend "):
            complete += 1
            assert QueuedReport(content, report).original == ("message/rfc822", BIG)
    assert answered == 4 and complete >= answered


def test_no_room_for_the_report(make_bouncer):
    """The same by a limit of the process, wherever the tests run."""
    bouncer = make_bouncer(start=False)
    name = bouncer.failed(("bob@far.test", SAID), body=b"Subject: x\n\n" + b"line\n" * 9000)
    bouncer.start(file_size=20_000)
    letter, text = bouncer.ask(name)
    assert letter == "Z" and text.startswith("4.3.1 ")
    assert bouncer.new() == []
    assert bouncer.end() == 0
    assert bouncer.start().report(name).original[0] == "message/rfc822"


@pytest.mark.root
def test_full_disk(make_bouncer):
    """Z while the disk is full, nothing left behind; K once there is room."""
    bouncer = make_bouncer(start=False)
    new = bouncer.folder / "queue/new"
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=777", "tmpfs", new]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        name = bouncer.failed(("bob@far.test", SAID))
        bouncer.start()
        filler = new / "filler"
        with open(filler, "wb", 0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
        bouncer.seen.add("filler")
        letter, text = bouncer.ask(name)
        assert letter == "Z" and text.startswith("4.3.1 ") and "full" in text
        assert bouncer.new() == []
        (event,) = bouncer.events("report-deferred")
        assert event["id"] == name
        filler.unlink()
        assert bouncer.report(name).recipients_reported == ["bob@far.test"]
        assert bouncer.end() == 0
    finally:
        bouncer.kill()
        subprocess.run(["umount", new], check=True)


def test_settings_are_loaded_anew(bouncer):
    bouncer.report(bouncer.failed(("bob@far.test", SAID)))  # it runs, and watches
    bouncer.set("bouncefrom", "reports\n")
    bouncer.await_event("settings-loaded")
    report = bouncer.report(bouncer.failed(("bob@far.test", SAID)))
    assert report.message["From"].addresses[0].addr_spec == f"reports@{HOST}"
    bouncer.set("bouncefrom", "not a name\n")
    (event,) = bouncer.await_event("settings-not-loaded")
    assert "bouncefrom:1" in event["error"]
    report = bouncer.report(bouncer.failed(("bob@far.test", SAID)))
    assert report.message["From"].addresses[0].addr_spec == f"reports@{HOST}"


@pytest.mark.parametrize("name, text", [("bouncefrom", "a@b.test\n"), ("bouncefrom", '"a"\n'),
                                        ("bouncehost", "no host\n"), ("doublebounceto", "a b\n"),
                                        ("doublebouncehost", "-\n"), ("bouncemaxbytes", "1k\n")])
def test_malformed_settings(make_bouncer, name, text):
    bouncer = make_bouncer(**{name: text})
    assert bouncer.process.wait(60) == 100
    assert f"{name}:1" in bouncer.log_path.read_text()


@pytest.mark.root
def test_not_as_root(programs):
    done = subprocess.run([programs / "ekiden-bounce", "-q", "0"], capture_output=True)
    assert done.returncode == 100


@pytest.mark.parametrize("options", [[], ["-q"], ["-q", "x"], ["-q", "-1"], ["-q", "0", "more"]])
def test_wrong_usage(programs, options):
    user = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
    done = subprocess.run([programs / "ekiden-bounce", *options], capture_output=True, **user)
    assert done.returncode == 100 and b"usage" in done.stderr
