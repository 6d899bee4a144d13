"""ekiden-auth under faults: a wrong password is never right, and what one run leaves does not harm the
next ones, nor forget who has failed."""

import subprocess

from faults import Subject, Trace, environment, tracer
from rows import Broken

PASSWORD = "correct horse"
LIBRARY = 127  # the C library ends so where it cannot protect its pages, before the program begins
EXPECTED = {PASSWORD: 0, "wrong": 1}


class Auth(Subject):
    def __init__(self, logins, password):
        self.logins, self.password = logins, password
        right = "right" if EXPECTED[password] == 0 else "wrong"
        self.name = f"ekiden-auth, a {right} password"

    def attempt(self, fault):
        logins, path = self.logins, self.logins.folder / "fault.trace"
        before = tracer(path, fault, logins.user[0] if logins.user else None)
        user, logins.user = logins.user, None  # `fault` changes the user
        try:
            code = logins.check("alice", self.password, before=before,
                                environment=environment()).code
        except subprocess.TimeoutExpired:
            code = None
        finally:
            logins.user = user
        trace = Trace(path).read()
        # The calls of the shell that executes it come first and are not ours.
        trace.points = [point for point in trace.points if point.role != "sh"]
        return trace, self.judge(code, trace, fault)

    def judge(self, code, trace, fault):
        what, wrong = f"{self.name}: {trace}: exit {code}", []
        if code is None:
            wrong.append(Broken("hung", what))
        if code == 0 and EXPECTED[self.password] != 0:
            wrong.append(Broken("other", f"{what}: a wrong password was right"))
        if code == 1 and EXPECTED[self.password] != 1:
            wrong.append(Broken("other", f"{what}: a right password was wrong"))
        if code not in (None, 0, 1, 2, 111, LIBRARY) and not trace.killed:
            wrong.append(Broken("other", what))
        if fault is None and code != EXPECTED[self.password]:
            wrong.append(Broken("other", f"{what}: without a fault"))
        # A store that was killed at its making may be made anew, but at once.
        after = [self.logins.check("alice", PASSWORD).code for _ in range(2)]
        if after[1] != 0:
            wrong.append(Broken("other", f"{what}: afterwards exit {after}"))
        return wrong
