"""The view ``v_return_register``: how every return stands today, for analysts, in SQL.

Its calendar is written out by ``duedates.due_date`` when the views are made, so the view and ``register.states`` cannot
disagree about a day; ``FIRST`` and ``LAST`` bound it. A GSTR-3B of a month that has an IFF proves a monthly filer.
Invariant: like ``register`` it calls a return not filed only when the register was read after its due date. An
extension that a firm adds to its own file later shows in ``register`` at once and in the view when views are next made.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from clientsync.periods import Period, span
from clientsync.warehouse.views import View
from connectors.gst.duedates import QRMP_BEGAN, Extension, due_date, extensions_in_force
from connectors.gst.register import quarter_of

FIRST, LAST = Period(2020, 4), Period(2036, 3)
STATES = (*(f"{code:02d}" for code in range(1, 39)), "96", "97", "99")


def calendar(extensions: tuple[Extension, ...]) -> Iterator[tuple[str, str, Period, str, date | None, bool]]:
    """Yield return, frequency, month, states (blank: all), due date and whether it is owed at all."""
    for period in span(FIRST, LAST):
        for frequency in ("M", "Q"):
            within = frequency == "Q" and not period.is_quarter_end
            for return_type in ("GSTR1", "GSTR3B", "IFF") if within else ("GSTR1", "GSTR3B"):
                rule = "M" if within and return_type != "IFF" else frequency
                by_day: dict[date | None, list[str]] = {}
                for state in STATES:
                    due = due_date(return_type, period, rule, state, extensions)
                    by_day.setdefault(due.on if due else None, []).append(state)
                for day, states in by_day.items():
                    shown = "" if len(by_day) == 1 else "|".join(["", *states, ""])
                    yield return_type, frequency, period, shown, day, not within


def _values(extensions: tuple[Extension, ...]) -> str:
    rows = []
    for return_type, frequency, period, states, day, is_owed in calendar(extensions):
        due = f"'{day}'" if day else "NULL"
        rows.append(
            f"('{return_type}','{frequency}','{period}','{period.financial_year}','{quarter_of(period)}',"
            f"'{period.first_day}','{period.last_day}','{states}',{due},{int(is_owed)})"
        )
    return ",\n".join(rows)


_DIALECT = {
    "sqlite": {
        "today": "date('now', '+330 minutes')",
        "read": "date(asked_at, '+330 minutes')",
        "due": "d.due_on",
        "starts": "d.starts_on",
        "ends": "d.ends_on",
        "registered": "json_extract(c.settings, '$.registered_on')",
        "days": "CAST(julianday({later}) - julianday({earlier}) AS INTEGER)",
        "certain": "uncertain_empty = 0",
    },
    "postgresql": {
        "today": "CAST(now() AT TIME ZONE 'Asia/Kolkata' AS date)",
        "read": "CAST(asked_at AT TIME ZONE 'Asia/Kolkata' AS date)",
        "due": "CAST(d.due_on AS date)",
        "starts": "CAST(d.starts_on AS date)",
        "ends": "CAST(d.ends_on AS date)",
        "registered": "CAST(c.settings->>'registered_on' AS date)",
        "days": "({later} - {earlier})",
        "certain": "NOT uncertain_empty",
    },
}


def select(dialect: str) -> str:
    """Return the SELECT of the view for ``sqlite`` or ``postgresql``."""
    words = _DIALECT[dialect]
    late = words["days"].format(later="x.filed_on", earlier="x.due_on")
    open_ = words["days"].format(later="x.today", earlier="x.due_on")
    return f"""
WITH due (return_type, frequency, return_period, financial_year, quarter, starts_on, ends_on, states, due_on, is_owed)
AS (VALUES {_values(extensions_in_force())}),
filed AS (
  SELECT client_id, return_type, return_period, MIN(filed_on) AS filed_on FROM core_gst__filing
  WHERE removed_at IS NULL AND UPPER(status) IN ('', 'FILED') AND UPPER(valid) NOT IN ('N', 'NO')
  GROUP BY client_id, return_type, return_period
),
year_read AS (
  SELECT client_id, unit_period, {words["read"]} AS read_on FROM sync_cell
  WHERE connector = 'gst' AND module = 'return_register' AND section = 'rettrack'
    AND asked_at IS NOT NULL AND {words["certain"]}
),
x AS (
  SELECT c.client_id, c.name AS client_name, d.financial_year, d.return_type, d.return_period, d.frequency,
    CASE WHEN d.is_owed = 1 OR d.return_type = 'IFF' OR f.filed_on IS NOT NULL THEN {words["due"]} END AS due_on,
    f.filed_on, d.is_owed, r.read_on, {words["today"]} AS today,
    CASE WHEN {words["ends"]} < {words["registered"]} THEN 1 ELSE 0 END AS is_before
  FROM year_read r
  JOIN sync_client c ON c.client_id = r.client_id
  JOIN due d ON d.financial_year = r.unit_period AND {words["starts"]} <= {words["today"]}
    AND (d.states = '' OR d.states LIKE '%|' || c.state_code || '|%')
  LEFT JOIN core_gst__preference p ON p.client_id = c.client_id AND p.removed_at IS NULL
    AND p.period = d.financial_year AND p.quarter = d.quarter AND p.preference IN ('M', 'Q')
  LEFT JOIN filed f ON f.client_id = c.client_id AND f.return_type = d.return_type
    AND f.return_period = d.return_period
  WHERE d.frequency = CASE WHEN EXISTS (
      SELECT 1 FROM filed g JOIN due e ON e.return_period = g.return_period AND e.return_type = 'IFF'
      WHERE g.client_id = c.client_id AND g.return_type = 'GSTR3B' AND e.financial_year = d.financial_year
        AND e.quarter = d.quarter AND e.starts_on >= '{QRMP_BEGAN.first_day}'
    ) THEN 'M' ELSE COALESCE(p.preference, c.filing_frequency) END
),
judged AS (
  SELECT x.*,
    CASE
      WHEN filed_on IS NOT NULL AND (due_on IS NULL OR filed_on <= due_on) THEN 'filed'
      WHEN filed_on IS NOT NULL THEN 'filed late'
      WHEN is_before = 1 OR is_owed = 0 THEN 'not applicable'
      WHEN due_on IS NULL THEN 'not known'
      WHEN today <= due_on THEN 'not yet due'
      WHEN read_on <= due_on THEN 'not known'
      ELSE 'not filed'
    END AS state
  FROM x
)
SELECT x.client_id, x.client_name, x.financial_year, x.return_type, x.return_period, x.frequency, x.due_on, x.filed_on,
  CASE x.state WHEN 'filed late' THEN {late} WHEN 'not filed' THEN {open_} ELSE 0 END AS days_late,
  x.state, x.read_on
FROM judged x
UNION ALL
SELECT f.client_id, c.name, NULL, f.return_type, f.return_period, NULL, NULL, f.filed_on, 0, 'filed', NULL
FROM filed f JOIN sync_client c ON c.client_id = f.client_id
WHERE NOT EXISTS (
  SELECT 1 FROM judged j
  WHERE j.client_id = f.client_id AND j.return_type = f.return_type AND j.return_period = f.return_period
)
"""  # noqa: S608 - made of constants and of dates and names that were read and checked


VIEWS = (View("v_return_register", select),)
