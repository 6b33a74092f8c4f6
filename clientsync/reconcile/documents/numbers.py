"""Numbers of documents as they can be compared: case, blanks, separators, leading zeros and year tokens do not count.

A number is cleaned to letters and groups of digits: ``inv / 2024-25 / 007`` becomes ``INV7``; two groups of digits that
meet keep a hyphen between them, so ``10/1`` stays apart from ``101``. Invariant: cleaning is a function of the text
alone, and no number that has a letter or digit becomes empty. Rule of the form of a number: CGST Rules, rule 46(b).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_FIRST_YEAR, _LAST_YEAR = 17, 45
_SPANS = "|".join(f"(?:20)?{year}[ /_.-]*(?:20)?{year + 1}" for year in range(_FIRST_YEAR, _LAST_YEAR))
_YEARS = "|".join(f"(?:20)?{year}" for year in range(_FIRST_YEAR, _LAST_YEAR))
_TOKEN = rf"(^|[^0-9])(?:FY[ /_.-]*)?(?:{_SPANS})([^0-9]|$)"
_NAMED = rf"(^|[^A-Z])FY[ /_.-]*(?:{_YEARS})([^0-9]|$)"
_SPAN = rf"(?:^|[^0-9])(?P<span>{_SPANS})(?:[^0-9]|$)"
"""Anything may stand before the span but a digit, so ``FY`` does too."""
_ONE_TOKEN = re.compile(rf"(?:{_TOKEN})|(?:{_NAMED})")
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Cleaned numbers, one per document.

    Attributes:
        clean: letters and groups of digits.
        core: groups of digits alone, joined by hyphens.
        tail: the last group of digits.
        length: digits and hyphens in the core.
        written: as written, in capitals without blanks around.
        has_year: whether a year token was left out.
        token_year: year in which the financial year of that token begins, of two digits; -1 without one, or where the
            token names one year only (``FY26``), which firms use for either end.
    """

    clean: Texts
    core: Texts
    tail: Texts
    length: npt.NDArray[np.int64]
    written: Texts
    has_year: npt.NDArray[np.bool_]
    token_year: npt.NDArray[np.int64]


def cleaned(numbers: pd.Series[str]) -> Numbers:
    """Return cleaned numbers in the order of ``numbers``."""
    texts = pa.array(numbers.astype(object), type=pa.string(), from_pandas=True)
    written = pc.utf8_upper(pc.utf8_trim_whitespace(pc.utf8_normalize(texts, form="NFKC")))
    without = pc.replace_substring_regex(written, pattern=_TOKEN, replacement=r"\1 \2")
    without = pc.replace_substring_regex(without, pattern=_NAMED, replacement=r"\1 \2")
    keeps = pc.match_substring_regex(
        without, pattern="[0-9]"
    )  # a number that is nothing but a year stays as it is
    without = pc.if_else(keeps, without, written)
    has_year = pc.not_equal(without, written)
    groups = pc.replace_substring_regex(without, pattern=r"[^0-9A-Z]+", replacement=" ")
    groups = pc.replace_substring_regex(groups, pattern=r"(^|[^0-9])0+([0-9])", replacement=r"\1\2")
    # a group may follow the blank that the replacement before it has just used up, so this runs twice
    groups = pc.replace_substring_regex(groups, pattern=r"([0-9]) ([0-9])", replacement=r"\1-\2")
    groups = pc.replace_substring_regex(groups, pattern=r"([0-9]) ([0-9])", replacement=r"\1-\2")
    clean = pc.replace_substring(groups, pattern=" ", replacement="")
    core = pc.replace_substring_regex(clean, pattern=r"[^0-9]+", replacement="-")
    core = pc.utf8_trim(core, characters="-")
    return Numbers(
        clean.to_numpy(zero_copy_only=False),
        core.to_numpy(zero_copy_only=False),
        pc.replace_substring_regex(core, pattern=r"^.*-", replacement="").to_numpy(zero_copy_only=False),
        pc.utf8_length(core).to_numpy(zero_copy_only=False).astype(np.int64),
        written.to_numpy(zero_copy_only=False),
        has_year.to_numpy(zero_copy_only=False),
        _token_years(written, has_year),
    )


def _token_years(written: pa.Array, has_year: pa.Array) -> npt.NDArray[np.int64]:
    found = np.full(len(written), -1, dtype=np.int64)
    spans = pc.struct_field(pc.extract_regex(written.filter(has_year), pattern=_SPAN), "span")
    codes = pc.dictionary_encode(spans)
    years = np.array([*map(_begins, codes.dictionary.to_pylist()), -1], dtype=np.int64)
    places = codes.indices.fill_null(len(years) - 1).to_numpy(zero_copy_only=False)
    found[has_year.to_numpy(zero_copy_only=False)] = years[places]
    return found


def _begins(span: str) -> int:
    """Return the two digits of the year in which ``2024-25``, ``24-25``, ``24-2025`` or ``2024-2025`` begins."""
    digits = re.sub(r"[^0-9]", "", span)
    first = digits[2:4] if len(digits) == 8 or int(digits[2:4]) + 1 == int(digits[4:6] or 0) else digits[:2]
    return int(first)


def year_token(written: str) -> str:
    """Return the year token that cleaning leaves out of a number, for example ``2024-25``; nothing for none."""
    found = _ONE_TOKEN.search(written)
    return found.group(0).strip(" /_.-") if found else ""


def is_one_slip(left: str, right: str) -> bool:
    """Whether two different texts are one slip of the hand apart: a character more, less, other, or two swapped."""
    if left == right or abs(len(left) - len(right)) > 1:
        return False
    if len(left) > len(right):
        left, right = right, left
    start = next(
        (place for place, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), len(left)
    )
    if len(left) < len(right):
        return left[start:] == right[start + 1 :]
    rest_left, rest_right = left[start:], right[start:]
    if rest_left[1:] == rest_right[1:]:
        return True
    return rest_left[1::-1] == rest_right[:2] and rest_left[2:] == rest_right[2:]
