"""Matching of documents: how right it is, beside the eleven greedy rules, and how long 500,000 against 500,000 take."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pandas as pd

from benchmarks.figures import Figure
from benchmarks.greedy import greedy
from benchmarks.matching_scale import run
from benchmarks.practice import HOME, SEED
from clientsync.reconcile.documents.frames import AMOUNTS, DOCUMENT_COLUMNS, Matched, MatchStatus
from clientsync.reconcile.documents.matching import match_documents
from simulators.gst.labelled import Labelled, Pair, labelled
from simulators.gst.labelled_world import Paper

SEEDS = (SEED, SEED + 1, SEED + 2)
DOCUMENTS = 20_000
MANY = 500_000
LEAST_PRECISION, LEAST_RECALL = 99.5, 98.0
MOST_RATIO, MOST_MEGABYTES = 3.0, 1500
MATCHING = (
    MatchStatus.EXACT,
    MatchStatus.SUGGESTED,
    MatchStatus.MISMATCH,
    MatchStatus.ONE_TO_MANY,
    MatchStatus.LINKED,
)
Kinds = dict[str, tuple[int, int]]


def measure(documents: int = DOCUMENTS, many: int = MANY) -> Iterator[Figure]:
    """Yield quality over generated labels and the time of many documents; sizes are those of one side."""
    yield from _quality(documents)
    yield from _scale(many)


def frame_of(papers: list[Paper]) -> pd.DataFrame:
    """Return documents of the labelled data as a frame for matching."""
    rows = [
        (
            one.name, one.owner, one.party, one.kind, one.number, one.day, one.period, one.place, one.reverse,
            one.amends, one.amends_day, *one.amounts,
        )
        for one in papers
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(DOCUMENT_COLUMNS))
    for name in ("document_on", "amends_on"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[s]")
    return frame.astype(dict.fromkeys(AMOUNTS, "int64"))


def pairs_of(found: Matched) -> set[Pair]:
    """Return every pair of documents of the two sides that lie in one group whose status says that they match."""
    groups = found.groups.loc[found.groups["status"].isin(MATCHING), "group"]
    members = found.members[found.members["group"].isin(groups)]
    left, right = members[members["side"] == "left"], members[members["side"] == "right"]
    both = left.merge(right, on="group", suffixes=("_left", "_right"))
    return set(zip(both["id_left"], both["id_right"], strict=True))


def quality(pairs: Iterable[Pair], data: Labelled) -> tuple[float, float, Kinds]:
    """Return precision and recall in per cent, and by mishap how many true pairs were found of how many.

    The second entry of a duplicate may be taken in the place of the first; what nobody could know is left out.
    """
    found = {data.either.get(pair, pair) for pair in pairs} - data.unknowable
    true = data.pairs.keys() - data.unknowable
    right = found & true
    of = Counter(mishap for pair in true for mishap in data.pairs[pair])
    got = Counter(mishap for pair in right for mishap in data.pairs[pair])
    precision = 100 * len(right) / len(found) if found else 100.0
    return precision, 100 * len(right) / len(true), {name: (got[name], of[name]) for name in sorted(of)}


def without_splits(data: Labelled) -> Labelled:
    """Return the same truth without the documents that are several on the other side, for recall alone."""
    single = {pair: kinds for pair, kinds in data.pairs.items() if not kinds[0].startswith("split_")}
    return replace(data, pairs=single)


def _quality(documents: int) -> Iterator[Figure]:
    ours, base, single = [], [], []
    for seed in SEEDS:
        data = labelled(seed, documents)
        found = pairs_of(match_documents(frame_of(data.books), frame_of(data.portal)))
        by_rules = greedy(data).keys()
        ours.append(quality(found, data))
        base.append(quality(by_rules, data))
        single.append([quality(one, without_splits(data))[1] for one in (found, by_rules)])
    (precision, recall), (other_precision, other_recall) = (
        (min(one[0] for one in many), min(one[1] for one in many)) for many in (ours, base)
    )
    over = f"the worst of seeds {SEEDS}, {documents:,} documents each"
    note = f"eleven greedy rules {other_precision:.2f}; {over}"
    yield Figure("matching, precision in per cent", precision, LEAST_PRECISION, True, SEED, note)
    alone, other_alone = (min(one[place] for one in single) for place in (0, 1))
    note = (
        f"eleven greedy rules {other_recall:.2f}; without split documents {alone:.2f} ({other_alone:.2f}); "
        f"by mishap, theirs in brackets: {_by_mishap(ours, base)}"
    )
    yield Figure("matching, recall in per cent", recall, LEAST_RECALL, True, SEED, note)


def _by_mishap(ours: list[tuple[float, float, Kinds]], base: list[tuple[float, float, Kinds]]) -> str:
    def shares(many: list[tuple[float, float, Kinds]]) -> dict[str, float]:
        got: Counter[str] = Counter()
        of: Counter[str] = Counter()
        for _, _, kinds in many:
            for name, (found, whole) in kinds.items():
                got[name] += found
                of[name] += whole
        return {name: 100 * got[name] / of[name] for name in sorted(of)}

    theirs = shares(base)
    return ", ".join(f"{name} {share:.1f} ({theirs[name]:.1f})" for name, share in shares(ours).items())


def _scale(many: int) -> Iterator[Figure]:
    folder = HOME / "matching"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _, bare, ours, joined = (run(part, folder, many) for part in ("make", "bare", "match", "duckdb"))
    note = (
        f"{many:,} documents a side: {ours['seconds']:.1f} s, merely read and written {bare['seconds']:.1f} s; "
        f"read and joined by equal keys in DuckDB {joined['seconds']:.1f} s; {ours['rows']:,} result rows"
    )
    ratio = ours["seconds"] / bare["seconds"]
    yield Figure("matching, time / reading and writing alone", ratio, MOST_RATIO, False, SEED, note)
    note = f"largest resident memory of the process in MB; merely read and written {bare['megabytes']:.0f}"
    yield Figure("matching, peak memory in MB", ours["megabytes"], MOST_MEGABYTES, False, SEED, note)


if __name__ == "__main__":
    for figure in measure():
        sys.stdout.write(figure.line() + "\n")
