"""The texts of the simulated system, in Indonesian and in English."""

from __future__ import annotations

TEXTS = {
    "invalid": ('{what} "{value}" tidak tepat', '{what} "{value}" is not correct'),
    "required": ("{what} harus diisi", "{what} is required"),
    "duplicate": ('Nomor "{value}" sudah digunakan', 'Number "{value}" is already used'),
    "closed": ("Periode akuntansi sudah ditutup", "The accounting period is closed"),
    "saved": ('{what} "{value}" berhasil disimpan', '{what} "{value}" was saved'),
    "deleted": ("Data berhasil dihapus", "The data was deleted"),
    "paid": (
        "Faktur tidak dapat dihapus, ada penerimaan",
        "The invoice has receipts and cannot be deleted",
    ),
    "overpaid": ("Pembayaran melebihi sisa tagihan", "The payment is above what is owed"),
    "over_received": (
        "Kuantitas melebihi barang yang dikirim",
        "The quantity is above what was sent",
    ),
    "window": ("Rentang tanggal maksimal 24 jam", "The range is 24 hours at most"),
    "session": ("Data Session Key tidak tepat", "Data Session Key is not correct"),
    "address": ("URL API tidak tepat", "The API URL is not correct"),
}


class Invalid(Exception):
    """A call that is answered with ``s:false`` and a text."""

    def __init__(self, name: str, what: str = "", value: object = "") -> None:
        """Keep which text it is and what it is about."""
        super().__init__(name)
        self.name, self.what, self.value = name, what, value

    def text(self, language: str) -> str:
        """Return the text in a language, ``ID`` or ``US``."""
        return text(self.name, language, self.what, self.value)


def text(name: str, language: str, what: str = "", value: object = "") -> str:
    """Return a text in a language, ``ID`` or ``US``."""
    return TEXTS[name][language == "US"].format(what=what, value=value)
