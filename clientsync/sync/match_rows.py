"""From the outcome of matching to the rows that are stored: both sides' values, marks, decisions, the next step.

Invariant: one row a group, so the amounts of the rows add up to those of the documents; a decision counts only while
the values are those that the person saw.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from clientsync.reconcile.documents.acting import CLOSED, NO_BOOKS, NO_CREDIT, NOT_YET, Direction, judged
from clientsync.reconcile.documents.frames import AMOUNTS, DOCUMENT_COLUMNS, Matched, MatchStatus

SHOWN = ("client_id", "party_name", "note", "mark")
"""Columns that documents carry besides those that are matched: whose, the other party's name, what the portal says."""
COLUMNS = (*DOCUMENT_COLUMNS, *SHOWN)
MARKS = (NO_CREDIT, CLOSED)
_VALUES = tuple(f"{side}_{name}" for side in ("left", "right") for name in AMOUNTS)
_TAXES = AMOUNTS[1:]


@dataclass(frozen=True)
class Inputs:
    """The documents of some clients, as they stood at the end of a day.

    Attributes:
        left: documents of the books, with ``COLUMNS``.
        right: documents of the portal, with ``COLUMNS``; ``mark`` is ``no_credit``, ``closed`` or empty.
        missing: client id to what is not complete; nothing of such a client is called clean.
        left_out: client id to why nothing of it is compared.
        newest: client id to the newest month of the portal's statement, YYYYMM.
        booked: client id to the months whose books are there, MMYYYY.
    """

    left: pd.DataFrame
    right: pd.DataFrame
    missing: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]
    newest: Mapping[str, str]
    booked: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Verdict:
    """A decision of a person on a group that stands as it is: accept or ignore."""

    decision_id: str
    kind: str
    seen: str
    reason: str
    decided_on: date


def no_documents() -> pd.DataFrame:
    """Return a frame with ``COLUMNS`` and no rows."""
    return frame_of([])


def frame_of(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Return documents as a frame with ``COLUMNS`` and their types; values in that order, dates as ``date``."""
    frame = pd.DataFrame(list(rows), columns=list(COLUMNS))
    texts = [name for name in COLUMNS if name not in AMOUNTS and not name.endswith("_on")]
    return frame.astype(
        {
            **dict.fromkeys(texts, "object"),
            **dict.fromkeys(AMOUNTS, "int64"),
            "document_on": "datetime64[s]",
            "amends_on": "datetime64[s]",
        }
    )


def rows_of(
    matched: Matched, inputs: Inputs, direction: Direction, verdicts: Mapping[tuple[str, str], Verdict]
) -> pd.DataFrame:
    """Return the rows of ``recon_match`` without run and key of the reconciliation, in the order of the groups.

    Args:
        matched: of these inputs.
        inputs: what was matched.
        direction: what the documents are.
        verdicts: (client id, match id) to what a person decided on the group.
    """
    groups = matched.groups
    rows = groups[
        [*_VALUES, "left_count", "right_count", "status", "score", "differs", "reason", "party_gstin"]
    ].copy()
    sides = _sides(matched.members, inputs)
    for side, shown in sides.items():
        for name in ("number", "on", "period"):
            rows[f"{side}_{name}"] = shown[name].reindex(groups["group"]).to_numpy()
        rows[f"{side}_ids"] = shown["ids"].reindex(groups["group"]).fillna("[]").to_numpy()
    for name in ("left_number", "left_period", "right_number", "right_period"):
        rows[name] = rows[name].fillna("")
    left, right = (sides[side].reindex(groups["group"]).reset_index(drop=True) for side in ("left", "right"))
    rows["client_id"] = right["client_id"].fillna(left["client_id"]).to_numpy()
    rows["party_name"] = (
        right["party_name"]
        .where(right["party_name"].fillna("") != "", left["party_name"])
        .fillna("")
        .to_numpy()
    )
    rows["remark"] = right["note"].fillna("").to_numpy()
    has_right = rows["right_count"] > 0
    rows["period"] = rows["right_period"].where(has_right, rows["left_period"])
    is_early = _is_early(rows, inputs.newest)
    marks = right["mark"].fillna("").to_numpy()
    unbooked = _unbooked(rows, inputs.booked)
    is_unbooked = unbooked != ""
    rows["tags"] = _tags(groups["tags"], is_early, is_unbooked, marks)
    rows["reason"] = rows["reason"].where(
        ~is_early, _said("The portal has no statement of ", rows["period"], " yet.")
    )
    rows["reason"] = rows["reason"].where(
        ~is_unbooked, _said("The books of ", unbooked, " are not imported.")
    )
    rows["match_id"] = [
        match_id(left_ids, right_ids)
        for left_ids, right_ids in zip(rows["left_ids"], rows["right_ids"], strict=True)
    ]
    answers = judged(rows, direction)
    rows["severity"], rows["action"] = answers["severity"], answers["action"]
    rows["candidates"] = _candidates(matched, inputs)
    for name in ("decision_id", "decision", "decision_reason"):
        rows[name] = ""
    is_linked = rows["status"] == MatchStatus.LINKED
    rows.loc[is_linked, "decision"] = "link"
    _decide(rows, verdicts)
    return rows


def match_id(left_ids: str, right_ids: str) -> str:
    """Return under which id a group is stored: the same as long as it has the same documents (JSON lists, sorted)."""
    return hashlib.md5(f"{left_ids}|{right_ids}".encode(), usedforsecurity=False).hexdigest()


def seen_hash(row: Mapping[str, Any]) -> str:
    """Return what identifies the values of a group that a person looks at: amounts, numbers, dates, status."""
    names = (*_VALUES, "status", "differs", "left_number", "right_number")
    text = json.dumps([str(row[name]) for name in names])
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sides(members: pd.DataFrame, inputs: Inputs) -> dict[str, pd.DataFrame]:
    """Return, per side and by group, what the first document shows and which documents there are."""
    found: dict[str, pd.DataFrame] = {}
    for side, documents in (("left", inputs.left), ("right", inputs.right)):
        own = members.loc[members["side"] == side, ["id", "group"]].merge(documents, on="id", how="left")
        own = own.sort_values(["group", "id"], kind="stable")
        several = own["group"].duplicated(keep=False)
        one = own[~several]
        shown = pd.DataFrame(
            {
                "number": one["document_number"].to_numpy(),
                "on": one["document_on"].to_numpy(),
                "period": one["period"].to_numpy(),
                "client_id": one["client_id"].to_numpy(),
                "party_name": one["party_name"].to_numpy(),
                "note": one["note"].to_numpy(),
                "mark": one["mark"].to_numpy(),
                "ids": ('["' + one["id"].astype(str) + '"]').to_numpy(),
            },
            index=one["group"].to_numpy(),
        )
        if several.any():
            shown = pd.concat([shown, _joined(own[several])])
        found[side] = shown
    return found


def _joined(members: pd.DataFrame) -> pd.DataFrame:
    joined = {}
    for group, own in members.groupby("group", sort=True):
        newest = max(own.to_dict("records"), key=lambda one: _month(one["period"]))
        joined[group] = {
            "number": ", ".join(sorted(own["document_number"])),
            "on": own["document_on"].min(),
            "period": newest["period"],
            "client_id": newest["client_id"],
            "party_name": newest["party_name"],
            "note": "; ".join(sorted({note for note in own["note"] if note})),
            "mark": next((mark for mark in MARKS if mark in set(own["mark"])), ""),
            "ids": json.dumps(list(own["id"]), separators=(",", ":")),
        }
    return pd.DataFrame.from_dict(joined, orient="index")


def _month(period: str) -> str:
    """Return MMYYYY as YYYYMM, which sorts by time."""
    return period[2:] + period[:2]


def _is_early(rows: pd.DataFrame, newest: Mapping[str, str]) -> pd.Series[bool]:
    """Say which documents of the books belong to a month that the portal has no statement for yet."""
    alone = rows["status"] == MatchStatus.MISSING_THERE
    last = rows["client_id"].map(dict(newest)).fillna("000000")
    month = rows["left_period"].str.slice(2) + rows["left_period"].str.slice(0, 2)
    return alone & (month > last)


def _unbooked(rows: pd.DataFrame, booked: Mapping[str, frozenset[str]]) -> pd.Series[str]:
    """Return, of documents of the portal alone, the month whose books are not there; nothing for others.

    That is the month of the statement, or the month of the document when it lies before all books.
    """
    months = pd.to_datetime(rows["right_on"]).dt.strftime("%m%Y").fillna("").tolist()
    alone = (rows["status"] == MatchStatus.MISSING_HERE).tolist()
    firsts = {client_id: min(map(_month, own)) for client_id, own in booked.items() if own}
    found = [
        _unbooked_month(client_id, period, month, booked, firsts) if is_alone else ""
        for is_alone, client_id, period, month in zip(
            alone, rows["client_id"].tolist(), rows["right_period"].tolist(), months, strict=True
        )
    ]
    return pd.Series(found, index=rows.index, dtype="object")


def _unbooked_month(
    client_id: str, period: str, month: str, booked: Mapping[str, frozenset[str]], firsts: Mapping[str, str]
) -> str:
    if period not in booked.get(client_id, frozenset()):
        return period
    return month if month and _month(month) < firsts[client_id] else ""


def _said(before: str, months: pd.Series[str], after: str) -> pd.Series[str]:
    return before + months.str.slice(0, 2) + "/" + months.str.slice(2) + after


def _tags(
    tags: pd.Series[str], is_early: pd.Series[bool], is_unbooked: pd.Series[bool], marks: Any
) -> list[str]:
    return [
        ",".join(part for part in (own, NOT_YET if early else "", NO_BOOKS if unbooked else "", mark) if part)
        for own, early, unbooked, mark in zip(tags, is_early, is_unbooked, marks, strict=True)
    ]


def _candidates(matched: Matched, inputs: Inputs) -> list[str]:
    """Return per group the nearest documents of the other side as JSON."""
    found: dict[int, list[dict[str, Any]]] = {}
    if len(matched.candidates):
        members = matched.members
        alone = matched.candidates.merge(members, on=["side", "id"], how="left")
        shown = pd.concat(
            [
                inputs.right.assign(
                    side="left"
                ),  # candidates of the books lie on the portal, and the reverse
                inputs.left.assign(side="right"),
            ]
        )
        taxes = shown[list(_TAXES)].sum(axis=1)
        shown = shown[["side", "id", "document_number", "document_on", "taxable_paise"]].assign(
            tax_paise=taxes
        )
        alone = alone.merge(
            shown.rename(columns={"id": "candidate_id"}), on=["side", "candidate_id"], how="left"
        )
        ordered: Iterable[Any] = alone.sort_values(["group", "rank"], kind="stable").itertuples(index=False)
        for row in ordered:
            found.setdefault(int(row.group), []).append(
                {
                    "id": row.candidate_id,
                    "number": row.document_number,
                    "on": "" if pd.isna(row.document_on) else row.document_on.date().isoformat(),
                    "taxable_paise": int(row.taxable_paise),
                    "tax_paise": int(row.tax_paise),
                    "score": int(row.score),
                    "why_not": row.why_not,
                }
            )
    texts = {group: json.dumps(one, ensure_ascii=False) for group, one in found.items()}
    return [texts.get(int(group), "[]") for group in matched.groups["group"]]


def _decide(rows: pd.DataFrame, verdicts: Mapping[tuple[str, str], Verdict]) -> None:
    """Write the decisions of persons onto the groups that they are about."""
    if not verdicts:
        return
    keys = list(zip(rows["client_id"], rows["match_id"], strict=True))
    for place, key in enumerate(keys):
        verdict = verdicts.get(key)
        if verdict is None:
            continue
        label = rows.index[place]
        rows.loc[label, "decision_id"] = verdict.decision_id
        if verdict.seen == seen_hash(rows.loc[label]):
            rows.loc[label, "decision"] = verdict.kind
            rows.loc[label, "decision_reason"] = verdict.reason
        else:
            word = {"accept": "Accepted", "ignore": "Ignored"}[verdict.kind]
            rows.loc[label, "decision_reason"] = (
                f"{word} on {verdict.decided_on:%d-%m-%Y}, but the values have changed since: look again."
            )
