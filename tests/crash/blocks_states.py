"""Which states of a recording are tried, and the trying of a share of them."""

import random
import traceback
from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path

from blocks_check import Bench, Judge
from blocks_disk import map_log, private_mounts
from blocks_log import Base, all_writes, some_writes
from blocks_run import Run

KEPT = 4000  # outcomes, for states that come again
DRAIN = 4  # in one of so many states what was put off is tried as well
BTRFS_SUPERS = {128, 131072}  # sectors, where btrfs has its super blocks
KINDS = ("entry", "least", "apart", "subset", "torn")


@dataclass(frozen=True)
class State:
    """The disks at MOMENT, a position of each log. PICKS are the writes since the last flush that
    are there, a tuple of Pick for each disk."""

    kind: str
    moment: tuple
    picks: tuple


def is_whole(fs):
    """What is never torn: btrfs does not mount with half a super block, whatever is on it."""

    def never(entry):
        return entry.sector in BTRFS_SUPERS

    return never if fs == "btrfs" else None


def states_at(moment, logs, fs, dice, subsets):
    """Every write there; none of those that no flush has followed; on two disks one of each; and
    SUBSETS random choices."""
    full = tuple(all_writes(log, count) for log, count in zip(logs, moment))
    none = tuple(() for _ in logs)
    yield State("entry", moment, full)
    yield State("least", moment, none)
    if len(logs) > 1:
        yield State("apart", moment, (full[0], none[1]))
        yield State("apart", moment, (none[0], full[1]))
    for _ in range(subsets if any(full) else 0):
        picks = tuple(
            some_writes(dice, log, count, is_whole(fs)) for log, count in zip(logs, moment)
        )
        torn = any(pick.parts for some in picks for pick in some)
        yield State("torn" if torn else "subset", moment, picks)


class Trial:
    """Tries states of the recording RECORDED, in the order of their moments."""

    def __init__(self, folder, recorded, programs, early=False):
        self.run = Run.load(recorded)
        self.judge = Judge(recorded, self.run, early)
        self.logs = [map_log(Path(recorded) / f"disk{n}/log.raw") for n in range(self.run.disks)]
        for log in self.logs:
            log.read_more()
        self.bases = [Base(log) for log in self.logs]
        self.bench = Bench(folder, recorded, self.run, programs, self.judge)
        self.known, self.outcomes, self.tried = set(), OrderedDict(), 0

    def put(self, state):
        for disk, log, picks in zip(self.bench.disks, self.logs, state.picks):
            disk.put(log, picks)

    def advance(self, moment):
        for disk, log, base, count in zip(self.bench.disks, self.logs, self.bases, moment):
            for number in base.advance(log.last_flush(count)):
                disk.write(log, number)

    def try_one(self, state):
        """Returns (same, outcome, complaints); SAME: a state with the same bytes was tried."""
        self.advance(state.moment)
        identity = tuple(
            base.identity_with(picks) for base, picks in zip(self.bases, state.picks)
        )
        same, outcome = identity in self.known, self.outcomes.get(identity)
        self.known.add(identity)
        if outcome is None:
            self.put(state)
            outcome = self.bench.try_state(self.tried % DRAIN == 0)
            self.tried += 1
            self.outcomes[identity] = outcome
            if len(self.outcomes) > KEPT:
                self.outcomes.popitem(last=False)
        return same, outcome, self.judge.complaints(outcome, state.moment)


def share(moments, number, workers):
    """The part of worker NUMBER, in one piece: each worker's disks go forward through it."""
    return moments[len(moments) * number // workers : len(moments) * (number + 1) // workers]


def work(folder, recorded, programs, number, workers, options, results):
    """A process: tries its share of the states of a recording, and puts what it found in RESULTS."""
    try:
        private_mounts()
        trial = Trial(Path(folder) / f"bench{number}", recorded, programs, options["early"])
        for moment in share(trial.judge.moments(), number, workers)[:: options["stride"]]:
            dice = random.Random(f"{options['seed']} {moment}")
            for state in states_at(moment, trial.logs, trial.run.fs, dice, options["subsets"]):
                before = Counter(trial.bench.times)
                same, outcome, wrong = trial.try_one(state)
                counts = Counter({f"same {state.kind}" if same else state.kind: 1})
                if not same:
                    counts.update(unfinished=outcome.unfinished, set_aside=outcome.set_aside)
                    counts.update(extra=outcome.extra)
                told = [(getattr(one, "kind", "other"), str(one)) for one in wrong]
                failure = told and [state, told, trial.bench.log[-4000:].decode("latin-1")]
                results.put((counts, trial.bench.times - before, failure or None))
        trial.bench.close()
    except Exception:  # noqa: BLE001: told by the parent
        results.put((Counter(broken=1), Counter(), [None, [("other", traceback.format_exc())], ""]))
    results.put(None)
    results.close()
    results.join_thread()
