"""The mailbox on PostgreSQL: tables that only grow, and one login role per node that sees its own rows only.

Who a login is, the database says by ``session_user``; nothing that a client sets is believed. Row-level security is on
and forced, so it binds the owner of the tables too. A node that is revoked reads nothing and writes nothing, also in a
session that is open.
"""

from __future__ import annotations

import re
import secrets

from sqlalchemy import Connection, Engine, text

from clientsync.database import writing
from clientsync.errors import InvalidInput
from clientsync.exchange.catalogue import HEAD_OFFICE, KINDS
from clientsync.exchange.columns import add_missing_columns
from clientsync.exchange.mailbox import MAILBOX, PURGED, PURGES, SCHEMA, mb_node

_GROUP = "clientsync_exchange"
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,29}")
_TABLES = ("mb_body", "mb_batch", "mb_ack", "mb_settled", "mb_request", "mb_heartbeat")
_FUNCTIONS = (
    """CREATE OR REPLACE FUNCTION mailbox.mb_me() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = mailbox, pg_temp AS $$
    SELECT node_id::text FROM mailbox.mb_node WHERE db_role = session_user AND status = 'ACTIVE' $$""",
    """CREATE OR REPLACE FUNCTION mailbox.mb_is_ho() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = mailbox, pg_temp AS $$
    SELECT coalesce((SELECT kind = 'HO' FROM mailbox.mb_node
                     WHERE db_role = session_user AND status = 'ACTIVE'), false) $$""",
    """CREATE OR REPLACE FUNCTION mailbox.mb_is_mine(scope text, digest text) RETURNS boolean LANGUAGE sql STABLE
    SET search_path = mailbox, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM mailbox.mb_batch b WHERE b.body_scope = scope AND b.body_sha = digest
                   AND b.receiver = (SELECT mailbox.mb_me())) $$""",
)
_PURGE = f"""CREATE OR REPLACE FUNCTION mailbox.mb_purge(before text, is_trial boolean) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = mailbox, pg_temp AS $$
    DECLARE gone bigint;
    BEGIN
      IF NOT mailbox.mb_is_ho() THEN
        RAISE insufficient_privilege USING MESSAGE = 'only the head office purges the mailbox';
      END IF;
      CREATE TEMP TABLE mb_gone ON COMMIT DROP AS {PURGED.replace(":before", "mb_purge.before")};
      SELECT count(*) INTO gone FROM pg_temp.mb_gone;
      IF NOT is_trial THEN
        DELETE FROM mailbox.mb_ack a USING pg_temp.mb_gone g WHERE a.sender = g.sender AND a.receiver = g.receiver
          AND a.epoch = g.epoch AND a.seq = g.seq;
        DELETE FROM mailbox.mb_batch a USING pg_temp.mb_gone g WHERE a.sender = g.sender
          AND a.receiver = g.receiver AND a.epoch = g.epoch AND a.seq = g.seq;
        {"; ".join(PURGES).replace(":before", "mb_purge.before")};
      END IF;
      DROP TABLE pg_temp.mb_gone;
      RETURN gone;
    END $$"""  # noqa: S608 - made of constants only
_ME, _IS_HO = "(SELECT mailbox.mb_me())", "(SELECT mailbox.mb_is_ho())"
_BETWEEN = f"sender = {_ME} OR receiver = {_ME}"
_POLICIES = (
    ("mb_batch", "SELECT", _BETWEEN),
    ("mb_batch", "INSERT", f"sender = {_ME} AND body_scope = sender AND (receiver = 'HO' OR {_IS_HO})"),
    ("mb_ack", "SELECT", _BETWEEN),
    ("mb_ack", "INSERT", f"receiver = {_ME} AND (sender = 'HO' OR {_IS_HO})"),
    (
        "mb_body",
        "SELECT",
        f"scope = {_ME} OR mailbox.mb_is_mine(scope, sha)",
    ),
    ("mb_body", "INSERT", f"scope = {_ME}"),
    ("mb_settled", "SELECT", _BETWEEN),
    ("mb_settled", "INSERT", f"sender = {_ME} AND (receiver = 'HO' OR {_IS_HO})"),
    ("mb_request", "SELECT", f"from_node = {_ME} OR to_node = {_ME}"),
    ("mb_request", "INSERT", f"from_node = {_ME} AND (to_node = 'HO' OR {_IS_HO})"),
    ("mb_heartbeat", "SELECT", f"node_id = {_ME} OR {_IS_HO} OR (node_id = 'HO' AND {_ME} IS NOT NULL)"),
    ("mb_heartbeat", "INSERT", f"node_id = {_ME}"),
)
_CHECKS = {
    "mb_body_digest": "ALTER TABLE mailbox.mb_body ADD CONSTRAINT mb_body_digest"
    " CHECK (sha = encode(sha256(bytes), 'hex'))",
    "mb_batch_body": "ALTER TABLE mailbox.mb_batch ADD CONSTRAINT mb_batch_body FOREIGN KEY (body_scope, body_sha)"
    " REFERENCES mailbox.mb_body (scope, sha)",
    "mb_ack_batch": "ALTER TABLE mailbox.mb_ack ADD CONSTRAINT mb_ack_batch"
    " FOREIGN KEY (sender, receiver, epoch, seq) REFERENCES mailbox.mb_batch (sender, receiver, epoch, seq)",
}


def prepare_mailbox(engine: Engine) -> bool:
    """Make the tables, functions and policies of the mailbox, or bring them up to date; return whether it is new.

    Args:
        engine: of the web database, with a login that may create schemas and roles; on SQLite only the tables are made.

    Raises:
        WarehouseError: the database refused it; nothing of it remains.
    """
    if engine.dialect.name != "postgresql":
        with writing(engine) as connection:
            MAILBOX.create_all(connection)
            add_missing_columns(connection, MAILBOX)
        return True
    translated = engine.execution_options(schema_translate_map={None: SCHEMA})
    with writing(translated) as connection:
        is_new = connection.execute(text("SELECT to_regclass('mailbox.mb_batch')")).scalar_one() is None
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        MAILBOX.create_all(connection)
        add_missing_columns(connection, MAILBOX, SCHEMA)
        there = set(connection.execute(text("SELECT conname FROM pg_constraint")).scalars())
        for statement in (*_FUNCTIONS, *(check for name, check in _CHECKS.items() if name not in there)):
            connection.execute(text(statement))
        if not _has_role(connection, _GROUP):
            connection.execute(text(f"CREATE ROLE {_GROUP} NOLOGIN"))
        connection.execute(text(f"REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC"))
        connection.execute(text(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {_GROUP}"))
        for table in _TABLES:
            connection.execute(text(f"ALTER TABLE {SCHEMA}.{table} ENABLE ROW LEVEL SECURITY"))
            connection.execute(text(f"ALTER TABLE {SCHEMA}.{table} FORCE ROW LEVEL SECURITY"))
            connection.execute(text(f"GRANT SELECT, INSERT ON {SCHEMA}.{table} TO {_GROUP}"))
            for action in ("SELECT", "DELETE"):  # the purge is the owner's, and policies bind the owner too
                _put_policy(
                    connection, table, f"owner_{action.lower()}", action, "CURRENT_USER", "USING (true)"
                )
        for table, action, rule in _POLICIES:
            clause = "USING" if action == "SELECT" else "WITH CHECK"
            _put_policy(connection, table, action.lower(), action, _GROUP, f"{clause} ({rule})")
        connection.execute(text(_PURGE))
        connection.execute(text("REVOKE ALL ON FUNCTION mailbox.mb_purge(text, boolean) FROM PUBLIC"))
        connection.execute(text(f"GRANT EXECUTE ON FUNCTION mailbox.mb_purge(text, boolean) TO {_GROUP}"))
    return is_new


def _put_policy(connection: Connection, table: str, name: str, action: str, role: str, rule: str) -> None:
    place = f"{table}_{name} ON {SCHEMA}.{table}"
    connection.execute(text(f"DROP POLICY IF EXISTS {place}"))
    connection.execute(text(f"CREATE POLICY {place} FOR {action} TO {role} {rule}"))


def register(engine: Engine, node_id: str) -> tuple[str, str]:
    """Give a node a login role of its own, and return its name and password; a node that has one gets a new password.

    Args:
        engine: as of ``prepare_mailbox``; the password is told once and stored nowhere.
        node_id: ``HO``, or the code of a store.

    Raises:
        InvalidInput: the code is none.
        WarehouseError: the database refused it.
    """
    role, password = _role(node_id), secrets.token_urlsafe(24)
    kind = KINDS[0] if node_id == HEAD_OFFICE else KINDS[1]
    with writing(engine) as connection:
        verb = "ALTER" if _has_role(connection, role) else "CREATE"
        connection.execute(
            text(
                f"{verb} ROLE {role} LOGIN INHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"
                f" CONNECTION LIMIT 10 PASSWORD '{password}'"
            )
        )
        connection.execute(text(f"GRANT {_GROUP} TO {role}"))
        connection.execute(text(f"ALTER ROLE {role} SET statement_timeout = '120s'"))
        _note(connection, node_id, role, kind)
    return role, password


def _has_role(connection: Connection, role: str) -> bool:
    statement = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
    return connection.execute(statement, {"role": role}).first() is not None


def _note(connection: Connection, node_id: str, role: str, kind: str) -> None:
    table = mb_node.to_metadata(mb_node.metadata.__class__(), schema=SCHEMA)
    done = connection.execute(table.update().where(table.c.node_id == node_id).values(status="ACTIVE"))
    if not done.rowcount:
        connection.execute(table.insert().values(node_id=node_id, db_role=role, kind=kind, status="ACTIVE"))


def revoke(engine: Engine, node_id: str) -> None:
    """Take the right of a node away, at once and also in sessions that are open; its rows stay.

    Raises:
        InvalidInput: no such node is registered.
    """
    role = _role(node_id)
    with writing(engine) as connection:
        done = connection.execute(
            text("UPDATE mailbox.mb_node SET status = 'REVOKED' WHERE node_id = :node"), {"node": node_id}
        )
        if not done.rowcount:
            known = connection.execute(text("SELECT node_id FROM mailbox.mb_node ORDER BY 1")).scalars()
            raise InvalidInput(f"No node {node_id} is registered. Registered: {', '.join(known) or 'none'}.")
        connection.execute(text(f"ALTER ROLE {role} NOLOGIN"))


def _role(node_id: str) -> str:
    if not _NAME.fullmatch(node_id):
        raise InvalidInput(
            f"{node_id!r} is no code of a node. Valid: a capital letter, then capitals, digits and _."
        )
    return f"exchange_{node_id.lower()}"
