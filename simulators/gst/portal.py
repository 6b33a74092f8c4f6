"""The portal without a wire: a question about a client and a period in, a payload or an error code out.

Both wires ask here, so they cannot differ in content. Answers are cached until the simulated world changes.
"""

import json
import time
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from simulators.gst import inward, periods
from simulators.gst.books import Books
from simulators.gst.crypto import Sealed
from simulators.gst.documents import Trade
from simulators.gst.files import FileStore, paged
from simulators.gst.inward import IMS_KEYS, Inward, checksum, rupees
from simulators.gst.outward import ACTIONS, ALIASES, R1A_ACTIONS, Outward
from simulators.gst.parties import Client, Country, Filings, Overrides
from simulators.gst.records import flatten
from simulators.gst.register import Register

Json = dict[str, Any]
CACHE_SIZE = 5_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What a simulator is started with."""

    clients: int = 25
    documents: int = 40
    seed: int = 7
    today: date = field(default_factory=date.today)
    sandbox_share: float = 0.2
    queue_above: int = 10_000
    page_above: int = 10_000
    est_seconds: float = 1800.0
    link_seconds: float = 600.0
    token_minutes: float = 360.0
    consent_days: int = 30
    rate_per_minute: int = 0
    latency_ms: float = 0.0
    access_off_share: float = 0.0
    truth: bool = True


class PortalError(Exception):
    """The portal refuses with a business error."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Answer:
    """A payload with what is computed from it once."""

    statement: str
    period: str
    payload: Json
    text: bytes
    mark: str
    _sealed: Sealed | None = None

    @property
    def sealed(self) -> Sealed:
        """Give the encrypted form."""
        if self._sealed is None:
            self._sealed = Sealed.of(self.text)
        return self._sealed

    @classmethod
    def of(cls, statement: str, period: str, payload: Json) -> "Answer":
        """Prepare an answer."""
        text = json.dumps(payload, separators=(",", ":")).encode()
        return cls(statement, period, payload, text, checksum(text.decode())[:16])


class Portal:
    """The statements of all clients."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.overrides = Overrides()
        self.country = Country(
            settings.seed, settings.clients, settings.documents, settings.sandbox_share, settings.today
        )
        self.filings = Filings(self.country, self.overrides)
        self.trade = Trade(self.country, self.overrides)
        self.inward = Inward(self.country, self.trade, self.filings, self.overrides)
        self.outward = Outward(self.country, self.trade)
        self.books = Books(self.country, self.inward, self.outward, self.filings, self.overrides)
        self.register = Register(self.country, self.filings, self.overrides)
        self.files = FileStore(settings.est_seconds, settings.link_seconds)
        self._cache: dict[tuple[str, ...], Answer] = {}
        self._jobs: dict[str, str] = {}

    @property
    def today(self) -> date:
        """Give the simulated day."""
        return self.inward.today

    def set_today(self, day: date) -> None:
        """Move the simulated day."""
        self.inward.today = day
        self.changed()

    def changed(self) -> None:
        """Forget what was computed before the world changed."""
        self._cache.clear()
        self.books.forget()

    def ask(self, client: Client, statement: str, action: str, params: dict[str, str]) -> Answer:
        """Answer a question.

        Raises:
            PortalError: the portal has no payload for it.
        """
        key = (client.gstin, statement, action, *(f"{k}={v}" for k, v in sorted(params.items())))
        found = self._cache.get(key)
        if found is None:
            period = params.get("ret_period") or params.get("rtnprd") or ""
            payload = self._build(client, statement, action, params)
            found = Answer.of(action if statement == "LEDGER" else statement, period, payload)
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[key] = found
        return self._queue_if_big(client, statement, action, found)

    def _queue_if_big(self, client: Client, statement: str, action: str, found: Answer) -> Answer:
        summary = action in {"RETSUM", "GETCNT", "GETPREF"}
        if statement not in {"GSTR1", "GSTR1A", "GSTR2A", "IMS"} or summary:
            return found
        if len(found.text) < 40 * self.settings.queue_above:
            return found
        if sum(1 for rows in found.payload.values() for _ in flatten(rows)) <= self.settings.queue_above:
            return found
        return Answer.of(
            "QUEUED", found.period, self.files.queue(client.gstin, statement, found.payload, found.period)
        )

    def _build(self, client: Client, statement: str, action: str, params: dict[str, str]) -> Json:  # noqa: PLR0911 - one return per case
        if statement == "IMS":
            return self._ims(client, action, params)
        if statement == "LEDGER":
            return self._ledger(client, action, params)
        if statement == "NOTICES":
            return self._notices(client, action, params)
        if action == "GETPREF":
            return self.register.preference(client)
        month = self._month(params)
        if statement == "GSTR1":
            return self._gstr1(client, month, action, ACTIONS)
        if statement == "GSTR1A":
            return self._gstr1a(client, month, action)
        if statement == "GSTR2A":
            found = self.inward.two_a(client, month, action) if month <= periods.of(self.today) else None
            if found is None:
                raise PortalError("RET11416")
            return {"gstin": client.gstin, "fp": periods.show(month), **found}
        if statement == "GSTR2B":
            return self._gstr2b(client, month, params.get("file_num", ""))
        if statement == "GSTR3B":
            return self._gstr3b(client, month, action)
        raise PortalError("RET191166")

    @staticmethod
    def _month(params: dict[str, str]) -> int:
        month = periods.parse(params.get("ret_period") or params.get("rtnprd") or "")
        if month is None:
            raise PortalError("RET191166")
        if month < periods.FIRST:
            raise PortalError("RET13510")
        return month

    def _gstr1(self, client: Client, month: int, action: str, names: dict[str, str]) -> Json:
        if not self.filings.filed(client.party, "R1", month, self.today):
            raise PortalError("RET13510")
        return self._sections(client, month, action, names, self.outward.sections(client, month))

    def _gstr1a(self, client: Client, month: int, action: str) -> Json:
        if not self.filings.filed(client.party, "R1A", month, self.today):
            raise PortalError("RET13510")
        return self._sections(client, month, action, R1A_ACTIONS, self.outward.amended(client, month))

    def _sections(self, client: Client, month: int, action: str, names: dict[str, str], found: Json) -> Json:
        if action == "RETSUM":
            return _summary(client, month, found)
        bare = ALIASES.get(action.removeprefix("R1A"), action)
        key = names.get(action) or names.get(bare) or ACTIONS.get(bare)
        if key is None:
            raise PortalError("RET191166")
        if not found.get(key):
            raise PortalError("RET13509")
        return {"gstin": client.gstin, "fp": periods.show(month), key: found[key]}

    def _gstr2b(self, client: Client, month: int, page: str) -> Json:
        if client.quarterly and not periods.is_quarter_end(month):
            raise PortalError("GTR2B-001")
        if self.today < periods.on(month + 1, 14):
            raise PortalError("RET2B1018")
        if self.blocked(client, month):
            raise PortalError("GTR2B-002")
        whole = self.inward.two_b(client, month)
        if not whole["data"]["docdata"] and "docRejdata" not in whole["data"]:
            raise PortalError("RET2B1016")
        return paged(whole, self.settings.page_above, page)

    def blocked(self, client: Client, month: int) -> bool:
        """Tell whether the 2B waits for the 3B before it."""
        if (client.gstin, month) in self.overrides.generated:
            return False
        before = month - (3 if client.quarterly else 1)
        cut = periods.on(month + 1, 13)
        return before >= periods.FIRST and not self.filings.filed(
            client.party, "R3B", before, min(cut, self.today)
        )

    def generate(self, client: Client, period: str) -> str:
        """Generate a 2B again and give the reference of the job.

        Raises:
            PortalError: the portal refuses.
        """
        month = periods.parse(period)
        if month is None or self.filings.filed(client.party, "R3B", month, self.today):
            raise PortalError("IMS2B007")
        if self.today < periods.on(month + 1, 14):
            raise PortalError("IMS2B009")
        before = month - (3 if client.quarterly else 1)
        if not self.filings.filed(client.party, "R3B", before, self.today):
            raise PortalError("RET2B1023")
        if not self.blocked(client, month) and not self._acted_since(client, month):
            raise PortalError("IMS2005")
        self.overrides.generated[(client.gstin, month)] = (self.inward.serial, self.today)
        self.changed()
        reference = checksum([client.gstin, period, self.inward.serial, time.time_ns()])[:15]
        self._jobs[reference] = client.gstin
        return reference

    def _acted_since(self, client: Client, month: int) -> bool:
        since = self.overrides.generated.get((client.gstin, month), (0, None))[0]
        return any(
            when > since
            for (buyer, _, _), changes in self.overrides.actions.items()
            if buyer == client.gstin
            for when, _ in changes
        )

    def job(self, client: Client, reference: str) -> Json:
        """Tell how a job ended.

        Raises:
            PortalError: there is no such job of this client.
        """
        if self._jobs.get(reference) != client.gstin:
            raise PortalError("RET13510")
        return {"status_cd": "P", "err_cd": "", "err_msg": "", "reference_id": reference}

    def _gstr3b(self, client: Client, month: int, action: str) -> Json:
        found: Json | None = None
        if month < periods.of(self.today):
            if action == "RETSUM":
                found = self.books.retsum(client, month)
            elif action == "AUTOLIAB":
                found = self.books.autoliab(client, month)
            elif action in {"RETINT", "CLOSINGBAL", "OPENINGBAL", "RCMCLOSINGBAL", "RCMOPNBAL"}:
                found = self.books.small_statement(client, month, action)
            else:
                raise PortalError("RET191166")
        if found is None:
            raise PortalError("RT-3BAS1009")
        return found

    def _ims(self, client: Client, action: str, params: dict[str, str]) -> Json:
        pool = self.inward.ims(client)
        if action == "GETCNT":
            return inward.ims_counts(pool)
        key = IMS_KEYS.get(params.get("section", ""))
        if action != "GETINV" or key is None:
            raise PortalError("RET191166")
        wanted = params.get("status", "")
        rows = [row for row in pool[key] if not wanted or row.get("action", "N") == wanted]
        if not rows:
            raise PortalError("RET13510")
        return {key: rows}

    def _ledger(self, client: Client, action: str, params: dict[str, str]) -> Json:
        if action in {"CASH", "ITC"}:
            since, until = (
                periods.parse_dmy(params.get("fr_dt", "")),
                periods.parse_dmy(params.get("to_dt", "")),
            )
            if since is None or until is None or since > until:
                raise PortalError("RET191166")
            if until > self.today:
                raise PortalError("LG9089")
            return (
                self.books.cash(client, since, until)
                if action == "CASH"
                else self.books.itc(client, since, until)
            )
        month = self._month(params)
        if action == "TAX":
            return self.books.tax(client, month)
        if action == "BAL":
            return self.books.balance(client)
        raise PortalError("RET191166")

    def _notices(self, client: Client, action: str, params: dict[str, str]) -> Json:
        if action == "DETAIL":
            found = self.register.notice(client, params.get("refId", ""), self.today)
            if found is None:
                raise PortalError("RET13510")
            return found
        since = periods.parse_dmy(params.get("date", ""))
        rows = self.register.notices(client, self.today)
        if since:
            rows = [row for row in rows if (periods.parse_dmy(row["dateOfIssue"]) or since) >= since]
        if not rows:
            raise PortalError("RET13510")
        return {"notices": rows}

    def track(self, gstin: str, year_text: str, form: str) -> Answer:
        """Give the return register of any registered person.

        Raises:
            PortalError: unknown GSTIN, or nothing filed.
        """
        client = self.country.by_gstin.get(gstin)
        year = periods.parse_financial_year(year_text)
        if client is None:
            raise PortalError("FO8000")
        if year is None:
            raise PortalError("RET191166")
        found = self.register.track(client.party, year, form, self.today)
        if found is None:
            raise PortalError("RET13510")
        return Answer.of("RETTRACK", year_text, found)


def _summary(client: Client, month: int, found: Json) -> Json:
    names = {"hsn": "HSN", "txpd": "TXPD", "txpda": "TXPDA", "doc_issue": "DOC_ISSUE"}
    rows = []
    for key in ACTIONS.values():
        section = found.get(key)
        if not section:
            continue
        records = list(flatten(section))
        totals: dict[str, int] = {}
        for one in records:
            sign = -1 if dict(one.key).get("ntty") == "C" else 1
            for name, amount in one.values:
                totals[name] = totals.get(name, 0) + sign * amount
        taxes = {f"ttl_{head}": rupees(totals.get(head, 0)) for head in ("igst", "cgst", "sgst", "cess")}
        row: Json = {"sec_nm": names.get(key, key.upper()), "chksum": checksum(section), "ttl_rec": len(records),
                     "ttl_val": rupees(totals.get("value", 0)), "ttl_tax": rupees(totals.get("txval", 0)),
                     **taxes}  # fmt: skip
        if key == "nil":
            row |= {"ttl_expt_amt": rupees(totals.get("exempt", 0)), "ttl_nilsup_amt": rupees(totals.get("nil", 0)),
                    "ttl_ngsup_amt": rupees(totals.get("nongst", 0))}  # fmt: skip
        if key == "doc_issue":
            docs = [doc for one in section["doc_det"] for doc in one["docs"]]
            row |= {"ttl_doc_issued": sum(d["totnum"] for d in docs),
                    "ttl_doc_cancelled": sum(d["cancel"] for d in docs),
                    "net_doc_issued": sum(d["net_issue"] for d in docs)}  # fmt: skip
        if key == "b2b":
            row["cpty_sum"] = [
                {"ctin": group["ctin"], "chksum": checksum(group), "ttl_rec": len(group["inv"])}
                for group in section
            ]
        rows.append(row)
    return {"gstin": client.gstin, "ret_period": periods.show(month), "chksum": checksum(rows), "newSumFlag": True,
            "smryTyp": "L", "sec_sum": rows}  # fmt: skip
