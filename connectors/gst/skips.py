"""Rules for not asking, shared by the modules; each returns its proof in words, or None: then the portal is asked.

A rule is sound only on what was read after the fact that it rests on. Codes that one source alone uses for "no data"
(``uncertain_empty``) prove nothing.
"""

from __future__ import annotations

from clientsync.clock import INDIA
from clientsync.spec.module import Asking, CellMemory, Section, Skip, SkipKind, SkipRule


def proven(memory: CellMemory | None) -> bool:
    """Whether an earlier answer is in the warehouse, or was emptiness by a code that is known to mean it."""
    return memory is not None and (memory.was_loaded or memory.rows == 0) and not memory.uncertain_empty


def final_once_filed(return_type: str, why: str, *, needs_rows: bool = False) -> SkipRule:
    """Return a rule: nothing can change any more once ``return_type`` of the period is filed.

    The section must have been read after the day of filing ended; ``why`` is the reason of the law. With
    ``needs_rows`` emptiness is no proof, for what the portal may show only some days after the filing.
    """

    def rule(asking: Asking, section: Section) -> Skip | None:
        filing = asking.filed(return_type)
        memory = asking.memory.get(section.name)
        if filing is None or memory is None or not proven(memory):
            return None
        if needs_rows and memory.rows == 0:
            return None
        if memory.asked_at.astimezone(INDIA).date() <= filing.filed_on:
            return None
        return Skip(
            SkipKind.FINAL,
            f"{return_type} was filed on {filing.filed_on:%d-%m-%Y} and this was read after it: {why}",
        )

    return rule


def only_with(setting: str, why: str) -> SkipRule:
    """Return a rule: the section is asked only for clients that have ``setting`` switched on, or ever had rows in it.

    It claims nothing of the data: the section is shown as not asked.
    """

    def rule(asking: Asking, section: Section) -> Skip | None:
        memory = asking.memory.get(section.name)
        if asking.settings.get(setting) is True or (memory is not None and memory.rows > 0):
            return None
        return Skip(SkipKind.SWITCHED_OFF, f"{why}; the client's setting {setting} is off")

    return rule
