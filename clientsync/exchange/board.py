"""What the head office sees of its stores: when each was there last, what waits, and whether the days agree."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from clientsync.clock import now
from clientsync.database import reading
from clientsync.exchange.handshakes import misfit
from clientsync.exchange.lists import received_totals
from clientsync.exchange.mailbox import Mailbox
from clientsync.exchange.nodes import Node, peers_of
from clientsync.exchange.series import gaps_received


def _peers(node: Node) -> list[str]:
    with reading(node.engine) as connection:
        return peers_of(connection)


def freshness(node: Node, mailbox: Mailbox) -> list[dict[str, Any]]:
    """Return by store: last seen, software version, what waited then for an answer, since when, and what it is worth.

    Minutes are counted until now: they grow while a store is away. Of a store whose version does not fit, or whose sign
    of life cannot be read, it is told when it was there only.
    """
    peers = _peers(node)
    beats = mailbox.beats(peers)
    rows = []
    for peer in peers:
        seen = beats.get(peer)
        beat = seen if seen and not misfit(seen) else {}
        oldest = str(beat.get("oldest_unsent", ""))
        rows.append(
            {
                "store": peer,
                "last seen": seen["at"] if seen else "never",
                "version": str(seen.get("software", "")) if seen else "",
                "waiting": beat.get("waiting", ""),
                "oldest, minutes": int((now() - datetime.fromisoformat(oldest)).total_seconds() // 60)
                if oldest
                else "",
                "value, rupees": f"{Decimal(beat['value']) / 100:,.2f}" if "value" in beat else "",
            }
        )
    return rows


def compared(node: Node, mailbox: Mailbox) -> list[dict[str, Any]]:
    """Return by store, day and type what the store says it wrote, what took effect here, and whether they are equal.

    A store that never synchronised, or does not fit, is told as not compared, never as equal. Amounts in paise,
    quantity in thousandths.
    """
    peers = _peers(node)
    beats = mailbox.beats(peers)
    rows = []
    for peer in peers:
        if peer not in beats:
            rows.append(_row(peer, "", "", None, None, "not compared: it never synchronised"))
            continue
        if why := misfit(beats[peer]):
            rows.append(_row(peer, "", "", None, None, f"not compared: {why}"))
            continue
        theirs = {(one[0], one[1]): one[2:] for one in beats[peer].get("control", ())}
        ours = {(one[0], one[1]): one[2:] for one in received_totals(node, peer)}
        for kind, day in sorted({*theirs, *ours}, key=lambda one: (one[1], one[0])):
            said, have = theirs.get((kind, day)), ours.get((kind, day))
            rows.append(_row(peer, day, kind, said, have, "equal" if said == have else "differs"))
    return rows


def _row(
    peer: str, day: str, kind: str, said: list[int] | None, have: list[int] | None, state: str
) -> dict[str, Any]:
    names = ("count", "quantity", "net", "tax", "tender")
    found: dict[str, Any] = {"store": peer, "day": day, "type": kind, "state": state}
    for place, name in enumerate(names):
        found[f"{name} there"] = said[place] if said else 0
        found[f"{name} here"] = have[place] if have else 0
    return found


def missing_numbers(node: Node, mailbox: Mailbox) -> list[dict[str, Any]]:
    """Return by store the numbers that are missing in its series here, and whether the store itself has them.

    Found from the numbers of the last business days, independently of batches and answers.
    """
    peers = _peers(node)
    beats = mailbox.beats(peers)
    series = [kind.name for kind in node.catalogue if kind.is_series and kind.owner != node.kind]
    rows = []
    with reading(node.engine) as connection:
        for peer in peers:
            beat = beats.get(peer, {})
            theirs = {tuple(one) for one in beat.get("gaps", ())} if not misfit(beat) else set()
            rows += [
                {
                    "store": peer,
                    "type": name,
                    "from": one.first,
                    "to": one.last,
                    "count": one.count,
                    "why": f"{peer} never wrote it"
                    if (name, one.first, one.last) in theirs
                    else f"{peer} did not say that it never wrote it: `clientsync exchange trace` there",
                }
                for name in series
                for one in gaps_received(connection, peer, name)
            ]
    return rows
