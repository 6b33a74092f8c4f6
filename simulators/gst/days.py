"""A new day: what changes overnight, and nothing else.

The changes follow from the seed and the number of the day; statements that no change touches stay byte-identical.
"""

from datetime import timedelta
from typing import Any

from simulators.gst import periods
from simulators.gst.parties import Client
from simulators.gst.portal import Portal

Json = dict[str, Any]


def new_day(portal: Portal) -> Json:
    """Advance the simulated day by one.

    Returns:
        What changed: lists of GSTINs per kind of change.
    """
    inward, overrides = portal.inward, portal.overrides
    inward.serial += 1
    serial, today = inward.serial, portal.today + timedelta(days=1)
    newest = periods.of(today) - 1
    clients = portal.country.clients
    rng = portal.country.rng("day", serial)
    some = max(1, len(clients) // 10)
    report: Json = {"day": today.isoformat(), "serial": serial}

    def choose() -> list[Client]:
        return rng.sample(clients, some)

    added = choose()
    for client in added:
        overrides.added.setdefault((client.gstin, newest), []).append(serial)
    report["added"] = [one.gstin for one in added]
    report["deleted"] = [one.gstin for one in choose() if _delete_one(portal, one, newest)]
    report["acted"] = [one.gstin for one in choose() if _act(portal, one, newest, serial)]
    report["deposited"] = []
    for client in choose():
        overrides.deposits.setdefault(client.gstin, []).append((today, rng.randrange(1_000, 50_000) * 100))
        report["deposited"].append(client.gstin)
    report["noticed"] = []
    for client in choose():
        overrides.notices.setdefault(client.gstin, []).append((today, 100 + serial))
        report["noticed"].append(client.gstin)
    report["filed"] = _file_some(portal, newest, some)
    portal.set_today(today)
    return report


def _delete_one(portal: Portal, client: Client, month: int) -> bool:
    """Let a supplier who has not filed delete one uploaded invoice."""
    for one in portal.trade.inward(client, month):
        if one.supplier.client is None and not portal.filings.filed(one.supplier, "R1", month, portal.today):
            key = (one.supplier.gstin, one.number)
            if key not in portal.overrides.removed.setdefault(client.gstin, set()):
                portal.overrides.removed[client.gstin].add(key)
                return True
    return False


def _act(portal: Portal, client: Client, month: int, serial: int) -> bool:
    """Let the client accept two invoices which had no action."""
    done = 0
    for one in portal.trade.inward(client, month):
        usable = not one.reverse and one.eligible and one.kind == "I"
        if usable and portal.inward.action(client, one, serial) == "N":
            key = (client.gstin, one.supplier.gstin, one.number)
            portal.overrides.actions.setdefault(key, []).append((serial, "A"))
            done += 1
            if done == 2:
                break
    return done > 0


def _file_some(portal: Portal, month: int, limit: int) -> list[list[str]]:
    """File one return for the first clients who are behind, oldest form first."""
    out: list[list[str]] = []
    today = portal.today + timedelta(days=1)
    for client in portal.country.clients:
        for form, behind in (("R1", month), ("R3B", month - 1), ("R3B", month)):
            if form == "R3B" and client.quarterly:
                continue
            if not portal.filings.filed(client.party, form, behind, today):
                portal.overrides.filings[(client.gstin, form, behind)] = today
                out.append([client.gstin, form, periods.show(behind)])
                break
        if len(out) >= limit:
            break
    return out
