"""Who may do what at a node: the rights of the people whom the operating system knows.

The right is looked up by the name of the login, never by a name that a command is given.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, delete, insert, select

from clientsync.database import reading, writing
from clientsync.errors import InvalidInput, NotAllowed
from clientsync.exchange import tables as t
from clientsync.exchange.nodes import note_audit
from clientsync.logins import person

DATA_EXCHANGE = "data-exchange"
ADMINISTRATOR = "administrator"
RIGHTS = {
    DATA_EXCHANGE: "see the lists and run a sync",
    ADMINISTRATOR: "leave out, correct, load, purge, take over, and give rights",
}
"""Rights with what they allow."""


def rights_of(engine: Engine) -> dict[str, list[str]]:
    """Return the rights by person."""
    with reading(engine) as connection:
        rows = connection.execute(select(t.right).order_by(t.right.c.person, t.right.c.name)).all()
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.person, []).append(row.name)
    return found


def require(engine: Engine, name: str) -> str:
    """Return the person who runs this process, who has a right.

    Raises:
        NotAllowed: the person does not have it; says who can give it.
    """
    who, given = person(), rights_of(engine)
    if name not in given.get(who, []):
        givers = ", ".join(sorted(one for one, rights in given.items() if ADMINISTRATOR in rights))
        raise NotAllowed(
            f"{who} lacks the right {name} ({RIGHTS[name]}). An administrator gives it: "
            f"clientsync exchange grant {who} {name}. Administrators: "
            f"{givers or 'none; run clientsync exchange setup again'}."
        )
    return who


def give(engine: Engine, who: str, name: str, *, actor: str) -> None:
    """Give a person a right, with a line in the audit.

    Raises:
        InvalidInput: an unknown right.
    """
    if name not in RIGHTS:
        raise InvalidInput(f"There is no right {name!r}. Valid: {', '.join(RIGHTS)}.")
    with writing(engine) as connection:
        _put(connection, who, name)
        note_audit(connection, actor, f"give {name}", who)


def take_away(engine: Engine, who: str, name: str, *, actor: str) -> None:
    """Take a right away from a person, with a line in the audit.

    Raises:
        InvalidInput: the person does not have it, or is the last administrator.
    """
    given = rights_of(engine)
    if name not in given.get(who, []):
        raise InvalidInput(f"{who} does not have the right {name}.")
    if name == ADMINISTRATOR and sum(ADMINISTRATOR in rights for rights in given.values()) == 1:
        raise InvalidInput(f"{who} is the last administrator. Give the right to another person first.")
    with writing(engine) as connection:
        connection.execute(delete(t.right).where(t.right.c.person == who, t.right.c.name == name))
        note_audit(connection, actor, f"take away {name}", who)


def give_first(engine: Engine) -> list[str]:
    """Give the person who sets a node up every right, when nobody is its administrator; return what was given."""
    if any(ADMINISTRATOR in rights for rights in rights_of(engine).values()):
        return []
    for name in RIGHTS:
        give(engine, person(), name, actor=person())
    return list(RIGHTS)


def _put(connection: Connection, who: str, name: str) -> None:
    same = (t.right.c.person == who, t.right.c.name == name)
    if connection.execute(select(t.right.c.name).where(*same)).first() is None:
        connection.execute(insert(t.right).values(person=who, name=name))
