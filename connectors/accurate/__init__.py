"""Accurate Online: books the documents of a shop, and tells of goods that came in."""

from __future__ import annotations

from clientsync.commerce.systems import Opening
from connectors.accurate.accounting import Accurate

__all__ = ["Accurate", "open_accounting"]


def open_accounting(opening: Opening) -> Accurate:
    """Return the accounting of a connection; nothing is sent before the first question.

    Credentials are ``token`` and ``signature_secret``, or ``client_id``, ``client_secret`` and ``refresh_token``.
    Options are those of ``connectors.accurate.options.Options``.

    Raises:
        InvalidInput: an option is not known or cannot be used.
        MissingSecret: the credentials allow no way in.
    """
    return Accurate(opening)
