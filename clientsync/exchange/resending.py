"""Sending again: the newest document of an object, or the bytes of batches."""

from __future__ import annotations

import json

from sqlalchemy import and_, select, update

from clientsync.errors import InvalidInput
from clientsync.exchange import tables as t
from clientsync.exchange.nodes import Lease, Node, note_error
from clientsync.exchange.numbering import number_batches
from clientsync.exchange.packing import readable_by
from clientsync.exchange.sending import set_back
from clientsync.exchange.stored import document_of


def send_object(node: Node, lease: Lease, peer: str, doc_type: str, key: str) -> bool:
    """Number the newest document of an object again for a peer to whom it belongs; return whether one goes to it.

    One that the peer cannot read is withheld until it can.
    """
    with node.writing("resend", lease) as connection:
        rows = connection.execute(
            select(t.document)
            .where(t.document.c.doc_type == doc_type, t.document.c.key == key, t.is_packed())
            .order_by(t.document.c.version.desc())
            .limit(2)
        ).all()
        newest = [one for one in rows if one.version == rows[0].version]  # what is withdrawn has two
        mine = [one for one in newest if peer in json.loads(one.receivers)]
        if not mine:
            note_error(
                connection,
                peer=peer,
                error_class="DOCUMENT",
                code="NOT_SENT",
                what=f"{doc_type} {key}",
                reason=f"{peer} asks for it; "
                + (f"it goes {newest[0].rule}" if newest else "it does not exist"),
                next_step="Write it, or correct the routing; then it goes with the next sync.",
            )
            return False
        documents = readable_by(connection, peer, [document_of(mine[0])])
        if not documents:
            return False
        connection.execute(
            update(t.carried)
            .where(t.carried.c.peer == peer, t.carried.c.doc_type == doc_type, t.carried.c.key == key)
            .values(version=0)
        )
        number_batches(node, connection, peer, [documents])
    return True


def bring_again(node: Node, peer: str, first: int, last: int) -> int:
    """Mark batches of the present epoch of a stream to be brought again, with the same bytes; return how many.

    Raises:
        InvalidInput: no such batch was ever made for the peer.
    """
    with node.writing("resend") as connection:
        epoch = connection.execute(
            select(t.stream_out.c.epoch).where(t.stream_out.c.peer == peer)
        ).scalar_one_or_none()
        here = and_(t.batch_out.c.peer == peer, t.batch_out.c.epoch == epoch)
        done = set_back(connection, and_(here, t.batch_out.c.seq.between(first, last)), "PACKED")
        if not done:
            newest = connection.execute(
                select(t.batch_out.c.seq).where(here).order_by(t.batch_out.c.seq.desc()).limit(1)
            ).scalar_one_or_none()
            raise InvalidInput(
                f"There is no batch {first} to {last} for {peer}; the newest is {newest or 'none'}."
            )
        return done
