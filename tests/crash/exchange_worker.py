"""One sync of a node in a process of its own, which a test kills at a named point."""

from __future__ import annotations

import sys

from clientsync.database import open_engine
from clientsync.exchange.envelopes import Signer
from clientsync.exchange.mailbox import open_mailbox
from clientsync.exchange.nodes import Node
from clientsync.exchange.syncing import sync
from connectors.retail.catalogue import catalogue


def main() -> None:
    node_id, database, mailbox_url, key = sys.argv[1:]
    engine = open_engine(database)
    mailbox = open_mailbox(mailbox_url)
    sync(Node(engine, node_id, catalogue(), Signer(bytes.fromhex(key))), mailbox)


if __name__ == "__main__":
    main()
