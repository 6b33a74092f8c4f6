"""Return register, filing preference, notices and public search.

The register lists exactly the returns whose date of filing has come; it never lists one that is not filed.
"""

from datetime import date, timedelta
from typing import Any

from simulators.gst import periods
from simulators.gst.parties import Client, Country, Filings, Overrides, Party

Json = dict[str, Any]
NOTICE_TYPES = (("RE", "ASMT-10"), ("RE", "GSTR-3A"), ("AS", "DRC-01"), ("AS", "DRC-01B"), ("RF", "RFD-08"))


class Register:
    """What the portal knows about a taxpayer beside the statements."""

    def __init__(self, country: Country, filings: Filings, overrides: Overrides) -> None:
        self._country = country
        self._filings = filings
        self._overrides = overrides

    def track(self, party: Party, year: int, form: str, today: date) -> Json | None:
        """List the filed returns of a financial year, newest first."""
        names = {"R1": "GSTR1", "R3B": "GSTR3B", "R1A": "GSTR1A"}
        rows = []
        start = max(periods.FIRST, year * 12 + 3)
        for month in range(start, year * 12 + 15):
            for code, name in names.items():
                if form and form not in {code, name}:
                    continue
                filed = self._filings.planned_or_done(party, code, month)
                if filed <= today:
                    client = None if party.client is None else self._country.clients[party.client]
                    iff = code == "R1" and client and client.quarterly and not periods.is_quarter_end(month)
                    tag = self._country.rng("arn", party.gstin, code, month).randrange(10**7)
                    rows.append(
                        (filed, {"valid": "Y", "mof": "ONLINE", "dof": periods.dmy(filed),
                                 "ret_prd": periods.show(month), "rtntype": "IFF" if iff else name,
                                 "arn": f"A{'AB'[code == 'R1']}{party.state}{month % 12 + 1:02d}"
                                        f"{month // 12 % 100:02d}{tag:07d}", "status": "Filed"})
                    )  # fmt: skip
        rows.sort(key=lambda one: one[0], reverse=True)
        return {"EFiledlist": [row for _, row in rows]} if rows else None

    @staticmethod
    def preference(client: Client) -> Json:
        """Give the preference of each quarter."""
        return {"response": [{"quarter": f"Q{n}", "preference": client.frequency} for n in range(1, 5)]}

    def notices(self, client: Client, today: date) -> list[Json]:
        """List all notices issued to a client so far."""
        rng = self._country.rng("notices", client.gstin)
        issued = [
            self._country.start - timedelta(days=rng.randrange(2, 200))
            for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))
        ]
        if client.showcase and not issued:
            issued = [self._country.start - timedelta(days=20)]
        pairs = [(day, place) for place, day in enumerate(sorted(issued))]
        pairs += self._overrides.notices.get(client.gstin, [])
        out = []
        for day, place in pairs:
            if day <= today:
                module, kind = NOTICE_TYPES[(client.index + place) % len(NOTICE_TYPES)]
                number = f"{client.party.state}{day:%m%y}{client.index:04d}{place:03d}"
                out.append(
                    {"refId": f"ZD{number}", "arn": f"AD{number}", "moduleCd": module, "alertCd": kind,
                     "dateOfIssue": periods.dmy_slash(day),
                     "dateOfRespond": periods.dmy_slash(day + timedelta(days=30))}
                )  # fmt: skip
        return out

    def notice(self, client: Client, reference: str, today: date) -> Json | None:
        """Give one notice in full."""
        for one in self.notices(client, today):
            if one["refId"] == reference:
                day = periods.parse_dmy(one["dateOfIssue"]) or today
                before = periods.of(day) - 3
                return {
                    "arn": one["arn"], "dateOfIssue": one["dateOfIssue"], "noticeType": one["alertCd"],
                    "dueDateOfReply": one["dateOfRespond"],
                    "taxPeriod": {"from": periods.show(before), "to": periods.show(before)},
                    "maindocs": [{"docId": f"{reference}M", "docName": f"{one['alertCd']}.pdf"}], "suppdocs": [],
                }  # fmt: skip
        return None

    def search(self, party: Party) -> Json:
        """Give what the public search shows."""
        return {
            "gstin": party.gstin, "lgnm": party.name, "tradeNam": party.name, "sts": "Active", "dty": "Regular",
            "ctb": "Partnership", "rgdt": "01/07/2017", "cxdt": "", "lstupdt": "01/04/2024",
            "einvoiceStatus": "Yes", "nba": ["Wholesale Business"], "stj": "Ward 1", "ctj": "Range I",
            "pradr": {"addr": {"stcd": party.state, "pncd": "400001"}}, "adadr": [],
        }  # fmt: skip
