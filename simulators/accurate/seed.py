"""What a new database holds: an invented shop in Yogyakarta with two warehouses and a till."""

from __future__ import annotations

MASTERS: dict[str, tuple[dict[str, object], ...]] = {
    "warehouse": ({"name": "Gudang Utama"}, {"name": "Toko Malioboro"}, {"name": "Toko Kaliurang"}),
    "branch": ({"name": "Kantor Pusat"}, {"name": "Cabang Kaliurang"}),
    "glaccount": (
        {"no": "1101", "name": "Kas Toko", "accountType": "CASH_BANK"},
        {"no": "1102", "name": "Bank Nusantara", "accountType": "CASH_BANK"},
        {"no": "1103", "name": "Dompet QRIS", "accountType": "CASH_BANK"},
        {"no": "4201", "name": "Pendapatan Layanan", "accountType": "REVENUE"},
        {"no": "4202", "name": "Ongkos Kirim", "accountType": "REVENUE"},
        {"no": "6901", "name": "Pembulatan", "accountType": "EXPENSE"},
        {"no": "6902", "name": "Selisih Persediaan", "accountType": "EXPENSE"},
    ),
    "tax": ({"name": "PPN 11%", "description": "PPN 11%", "rate": 11, "taxType": "PPN"},),
    "unit": ({"name": "PCS"}, {"name": "BOX"}, {"name": "KG"}),
    "item-category": ({"name": "Umum"}, {"name": "Minuman"}),
    "vendor": ({"vendorNo": "V.00001", "name": "CV Sumber Rejeki"},),
    "customer": ({"customerNo": "CASH", "name": "Pelanggan Umum"},),
}
"""Module to records; ids are given when they are put in."""
