"""One sweep by several processes, each with a subject of its own and its share of the faults."""

import multiprocessing

from faults import clean_points, sweep

CONTEXT = multiprocessing.get_context("fork")


def work(make, end, share, plan, seconds, log, link):
    try:
        subject = make()
        if share[0] == 0:
            link.send(clean_points(subject))
        link.send(sweep(subject, plan, seconds, log, link.recv(), share))
    finally:
        end()


def sweep_in_shares(make, end, workers, plan=None, seconds=None, log=None):
    """As faults.sweep, by WORKERS processes. MAKE() gives a subject, END() cleans up after it: both
    in the process that uses it. All go by the points of the first one's clean run, so that the
    shares are parts of one whole. Returns a Tally."""
    links, processes = [], []
    for at in range(workers):
        ours, theirs = CONTEXT.Pipe()
        processes.append(CONTEXT.Process(
            target=work, args=(make, end, (at, workers), plan, seconds, log, theirs), daemon=True))
        processes[-1].start()
        theirs.close()
        links.append(ours)
    points = links[0].recv()
    for link in links:
        link.send(points)
    tally, *others = [link.recv() for link in links]
    for other in others:
        tally.merge(other)
    for process in processes:
        process.join()
    return tally
