"""How a payload falls apart into records: the natural key and the amounts in paise of every row.

The same rules count the rows of a summary, write the ground truth and read it, so the three cannot drift apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
AMOUNTS = {
    "val": "value", "txval": "txval", "igst": "igst", "cgst": "cgst", "sgst": "sgst", "cess": "cess",
    "iamt": "igst", "camt": "cgst", "samt": "sgst", "csamt": "cess", "ad_amt": "txval", "suppval": "txval",
    "amt_ded": "txval", "tx_val": "txval", "expt_amt": "exempt", "nil_amt": "nil", "ngsup_amt": "nongst",
    "tot_tr_amt": "amount", "tot_rng_bal": "balance", "igstTaxAmt": "igst", "cgstTaxAmt": "cgst",
    "sgstTaxAmt": "sgst", "cessTaxAmt": "cess",
}  # fmt: skip
KEYS = (
    "ctin", "stin", "etin", "rtin", "sgstin", "gstin_ded", "m_id", "exp_typ", "inum", "nt_num", "ntnum", "docnum",
    "ntty", "typ", "doctyp", "isd_docty", "idt", "nt_dt", "dt", "docdt", "boenum", "benum", "boedt", "bedt",
    "portcode", "portcd", "isamd", "amd", "sply_ty", "pos", "rt", "omon", "hsn_sc", "doc_num", "from", "supprd",
    "rtnprd", "ref_no", "refNo", "arn", "refId", "tr_typ", "dschrg_typ", "ret_prd", "rtntype", "quarter",
    "part", "ty", "tran_desc",
)  # fmt: skip
LISTS = ("inv", "nt", "doclist", "boe", "docs")


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a section: what names it, and its amounts in paise."""

    key: tuple[tuple[str, str], ...]
    values: tuple[tuple[str, int], ...]


def paise(value: object) -> int:
    """Read an amount."""
    return round(float(value) * 100) if isinstance(value, int | float) else 0


def _record(row: Json, parent: Json) -> Record:
    merged = {**{k: v for k, v in parent.items() if not isinstance(v, list | dict)}, **row}
    key = tuple((name, str(merged[name])) for name in KEYS if name in merged)
    totals: dict[str, int] = {}
    nested = row.get("itms") or row.get("items") or []
    lines: list[Json] = [line.get("itm_det", line) for line in nested if isinstance(line, dict)]
    for source in (row, *lines):
        for name, target in AMOUNTS.items():
            if isinstance(source.get(name), int | float):
                totals[target] = totals.get(target, 0) + paise(source[name])
    return Record(key, tuple(sorted(totals.items())))


def flatten(section: Any, parent: Json | None = None) -> Iterator[Record]:
    """Walk a section and give its records, in order."""
    if isinstance(section, list):
        for row in section:
            if not isinstance(row, dict):
                continue
            inner = next((name for name in LISTS if isinstance(row.get(name), list)), None)
            if inner:
                for nested in row[inner]:
                    if isinstance(nested, dict):
                        yield _record(nested, {**(parent or {}), **row})
            else:
                yield _record(row, parent or {})
    elif isinstance(section, dict):
        for name, value in section.items():
            if isinstance(value, list):
                yield from flatten(value, {**(parent or {}), "part": name})
            elif isinstance(value, dict):
                yield _record(value, {"part": name})


def sections(statement: str, payload: Json) -> dict[str, Any]:
    """Split a payload of a statement into its named sections."""
    if statement == "GSTR2B":
        data = payload.get("data", {})
        found = dict(data.get("docdata", {}))
        found |= {f"rejected_{name}": rows for name, rows in data.get("docRejdata", {}).items()}
        reversal = found.pop("itcrev", [])
        for block in reversal:
            found |= {f"itcrev_{name}": rows for name, rows in block.items()}
        return found
    if statement == "ITC":
        return {"tr": payload.get("itcLdgDtls", {}).get("tr", [])}
    return {name: value for name, value in payload.items() if isinstance(value, list | dict)}
