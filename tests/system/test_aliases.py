"""Aliases on their whole way: SMTP, queue, the local agent, the injector's socket, mailboxes."""

from instance import DOMAIN, wait_for

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
CONTROL = {
    "users": "alice\nbob\npostmaster:alice\n",
    "aliases": "staff: alice, bob\nlist: :include:members\nowner-list: alice\n",
    "members": "# of the list\nbob\n",
}


def test_an_alias_has_several_targets(server):
    server.send(b"Subject: hello\n\nbody\n", f"staff@{DOMAIN}", BOB)
    for user in ("alice", "bob"):
        (message,) = server.wait_for_mail(user)
        assert message.startswith(f"Return-Path: <{BOB}>\nDelivered-To: {user}@{DOMAIN}\n".encode())
        assert f"\nDelivered-To: staff@{DOMAIN}\n".encode() in message
        assert message.endswith(b"\nSubject: hello\n\nbody\n")


def test_a_list_has_members_and_an_owner(server):
    """The members stand in a file of this instance's own control folder."""
    server.send(b"Subject: hello\n\nbody\n", f"list@{DOMAIN}", ALICE)
    (message,) = server.wait_for_mail("bob")
    assert message.startswith(f"Return-Path: <owner-list@{DOMAIN}>\n".encode())
    assert not server.mailbox("alice")


def test_a_broken_postmaster_ends_the_reports(make_instance):
    """A double bounce stays one when an alias with an owner forwards it: nobody is told when that
    fails too. With the owner as its sender it would be reported for ever."""
    nowhere = "gone@[127.0.0.1]"
    instance = make_instance({"users": "alice\nbob\n",
                              "aliases": f"postmaster: {nowhere}\nowner-postmaster: {nowhere}\n"})
    instance.accepts_mail = False
    instance.send(f"Delivered-To: {ALICE}\n\nbody\n".encode(), ALICE, sender="")
    discarded = "report-discarded"
    wait_for(lambda: any(event.get("event") in (discarded, "deferred") for event in instance.log()))
    instance.wait_for_empty_queue()
    events = [event["event"] for event in instance.log() if event["program"] == "ekiden-bounce"]
    assert events == ["report", discarded]


def test_a_name_alone_is_ours(make_instance):
    """Also on a host whose own name gets no mail; agents see the whole address."""
    instance = make_instance({"me": "mail.demo.example\n"})
    instance.send(b"Subject: hello\n\nbody\n", f"staff@{DOMAIN}", "")
    for user in ("alice", "bob"):
        (message,) = instance.wait_for_mail(user)
        assert f"\nDelivered-To: {user}@mail.demo.example\n".encode() in message
