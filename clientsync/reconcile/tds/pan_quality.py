"""R13: deductee rows without a PAN or with an invalid PAN, in the statement file and on the default summary.

Rows are counted, not deductees, because placeholders do not tell one deductee from another. Invariant: no PAN
leaves this module.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from clientsync.reconcile.result import ReconRow, ordered
from clientsync.reconcile.tds.codes import result_row
from clientsync.reconcile.tds.inputs import DefaultCounts, FileDeductee
from clientsync.reconcile.tds.keys import is_pan
from clientsync.reconcile.tds.returns import ReturnKey

WITHOUT = frozenset({"", "PANNOTAVBL", "PANAPPLIED"})
"""What stands in a file where the deductee has no PAN; anything else that is no PAN counts as invalid."""


def pan_quality(counts: Iterable[DefaultCounts], deductees: Iterable[FileDeductee]) -> tuple[ReconRow, ...]:
    """R13: compare both counts of every quarter and form.

    A file whose default summary is not shown (there is no demand) is information; a summary without a file is not
    comparable.
    """
    filed: dict[ReturnKey, list[FileDeductee]] = defaultdict(list)
    for row in deductees:
        filed[(row.client_id, row.quarter, row.form)].append(row)
    shown: dict[ReturnKey, list[DefaultCounts]] = defaultdict(list)
    for count in counts:
        shown[(count.client_id, count.quarter, count.form)].append(count)
    rows: list[ReconRow] = []
    for place in filed.keys() | shown.keys():
        in_file: dict[str, list[str]] = {"without": [], "invalid": []}
        for row in filed.get(place, []):
            if row.pan in WITHOUT:
                in_file["without"].append(f"deductee:{row.row_id}")
            elif not is_pan(row.pan):
                in_file["invalid"].append(f"deductee:{row.row_id}")
        summaries = shown.get(place, [])
        on_traces = {
            "without": sum(one.without_pan for one in summaries),
            "invalid": sum(one.invalid_pan for one in summaries),
        }
        for kind, found in in_file.items():
            if place not in shown:
                status, why = "PAN_COUNT_NOT_SHOWN", f"The file has {len(found)}; TRACES shows no summary."
            elif place not in filed:
                status, why = "PAN_COUNT_NO_FILE", f"TRACES counts {on_traces[kind]}; no file is imported."
            else:
                agrees = len(found) == on_traces[kind]
                status = "PAN_COUNT_AGREES" if agrees else "PAN_COUNT_DIFF"
                why = f"The file has {len(found)} rows, TRACES counts {on_traces[kind]}."
            evidence = (*sorted(f"summary:{one.row_id}" for one in summaries), *sorted(found))
            rows.append(
                result_row(
                    status,
                    place[0],
                    (place[1].label, place[2], kind),
                    f"{on_traces[kind]} rows" if place in shown else None,
                    f"{len(found)} rows" if place in filed else None,
                    why,
                    evidence=evidence,
                )
            )
    return ordered(rows)
