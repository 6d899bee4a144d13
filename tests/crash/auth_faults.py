"""ekiden-auth under faults: a wrong password is never right, and what one run leaves does not harm the
next ones, nor forget who has failed."""

from faults import calls_of, environment, faults_of, points_of, tracer
from logins import credentials

PASSWORD = "correct horse"


def run_check(logins, password, *options):
    """One traced check. Returns its exit code and its trace."""
    trace = logins.folder / "fault.trace"
    trace.write_text("")
    trace.chmod(0o666)
    before = tracer(trace, *options, user=logins.user[0] if logins.user else None)
    user, logins.user = logins.user, None  # strace changes the user
    try:
        ended = logins.check("alice", password, before=before, environment=environment(False))
    finally:
        logins.user = user
    return ended.code, trace.read_text(errors="replace")


def sweep(logins, kinds, calls):
    """Every fault of KINDS at CALLS, with a right and with a wrong password. Returns (number of
    faults, those that did not come about, complaints)."""
    count, missed, wrong = 0, [], []
    for password, expected in ((PASSWORD, 0), ("wrong", 1)):
        code, trace = run_check(logins, password)
        assert code == expected, trace[-2000:]
        # The calls of the shell that executes it come first and are not ours.
        begin = max(place for place, (_, call, _) in enumerate(calls_of(trace)) if call == "execve")
        points = [point for point in points_of(trace)
                  if point.call in calls and point.place > begin]
        for fault in faults_of(points, kinds):
            code, trace = run_check(logins, password, fault.option())
            count += 1
            if not fault.happened(trace):
                missed.append(str(fault))
            if code == 0 and expected != 0:
                wrong.append(f"{fault}: a wrong password was right")
            if fault.kind != "KILL" and code not in (0, 1, 2, 111):
                wrong.append(f"{fault}: exit {code}")
            # A store that was killed at its making may be made anew, but at once.
            after = [logins.check("alice", PASSWORD).code for _ in range(2)]
            if after[1] != 0:
                wrong.append(f"{fault}: afterwards exit {after}")
    return count, missed, wrong
