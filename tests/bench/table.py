"""The table of tests/bench/run, in Markdown: medians, the ratio to the peer, aim and verdict."""

import statistics

from rows import PEER

PEERS = ("postfix", "opensmtpd")
NAMES = {"postfix": "Postfix", "opensmtpd": "OpenSMTPD", "ekiden": "Ekiden"}


def median(runs):
    """Of each figure. A figure that a run lacks is not counted."""
    found = {}
    for key in {key for run in runs for key in run}:
        values = [run[key] for run in runs if run.get(key) is not None]
        found[key] = statistics.median(values) if values else None
    return found


def shown(value, digits):
    return "–" if value is None else f"{value:.{digits}f}"


def ratio(figure, figures, name):
    """How many times as good as the peer; above 1 is better, whatever the figure."""
    mine, theirs = (figures.get(one, {}).get(figure.key) for one in (name, PEER))
    if not mine or not theirs:
        return "–"
    return f"{theirs / mine if figure.less_is_better else mine / theirs:.2f}"


def verdict(figure, figures, name):
    if not figure.aim:
        return ""
    try:
        return "yes" if figure.aim.met(figures, name) else "**no**"
    except (KeyError, TypeError):  # a server that it takes is not there, or has no such figure
        return "?"


def lines(row, figures, names, judged):
    """One line for each figure of ROW. FIGURES: the medians by server; JUDGED: whose aims they are."""
    for figure in row.figures:
        values = [shown(figures.get(name, {}).get(figure.key), figure.digits) for name in names]
        aim = figure.aim.text if figure.aim else ""
        yield [figure.title, *values, ratio(figure, figures, judged), aim,
               verdict(figure, figures, judged)]  # fmt: skip


def head(names):
    return ["", *(NAMES.get(name, name) for name in names), "ratio", "aim", "met"]


def widths(rows):
    return [max(map(len, column)) for column in zip(*rows)]


def markdown(found):
    """FOUND: [(row, figures by server)]. The whole table as text; peers come first."""
    names = list(dict.fromkeys(name for _, figures in found for name in figures))
    names.sort(key=lambda name: name not in PEERS)
    judged = next((name for name in names if name not in PEERS), names[0])
    body = [head(names)]
    for row, figures in found:
        body.append([f"**{row.title}**", *[""] * (len(names) + 3)])
        body += lines(row, figures, names, judged)
    wide = widths(body)
    text = [line(cells, wide) for cells in body]
    rule = ["-" * width for width in wide]
    rule[1:-2] = [dashes[1:] + ":" for dashes in rule[1:-2]]
    return "\n".join([text[0], "| " + " | ".join(rule) + " |", *text[1:]]) + "\n"


def line(cells, wide):
    numbers = len(cells) - 2
    parts = [cell.rjust(width) if 0 < place < numbers else cell.ljust(width)
             for place, (cell, width) in enumerate(zip(cells, wide))]
    return "| " + " | ".join(parts) + " |"
