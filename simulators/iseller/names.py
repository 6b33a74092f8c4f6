"""Invented names of a small chain of shops in Indonesia."""

FIRST = (
    "Sari", "Budi", "Dewi", "Agus", "Rina", "Joko", "Putri", "Hendra", "Wulan", "Eko", "Maya", "Tono", "Ayu", "Bayu",
)  # fmt: skip
LAST = ("Pratama", "Wijaya", "Lestari", "Nugroho", "Santoso", "Halim", "Kusuma", "Rahayu", "Siregar", "Utami")
OUTLETS = (
    ("KMG", "Kemang"), ("GI", "Grand Indonesia"), ("BDG", "Bandung Dago"), ("SBY", "Surabaya Tunjungan"),
    ("DPS", "Denpasar Renon"), ("GDG", "Gudang Pusat"),
)  # fmt: skip
PRODUCTS = (
    ("Kopi Susu Gula Aren", 22000), ("Es Teh Manis", 8000), ("Nasi Goreng Kampung", 35000), ("Mie Ayam Bakso", 28000),
    ("Roti Bakar Coklat", 18500), ("Pisang Goreng Keju", 17500), ("Soto Ayam Lamongan", 32000), ("Sambal Botol", 45500),
    ("Keripik Singkong", 12500), ("Batik Tulis Pesisir", 385000), ("Kemeja Batik Cap", 215000),
    ("Tas Anyaman", 149900), ("Biji Kopi Toraja", 98000), ("Teh Melati Kaleng", 54500),
)  # fmt: skip
TYPES = ("Minuman", "Makanan", "Pakaian", "Oleh-oleh")
PAYMENTS = (("Cash", "cash", "0"), ("QRIS", "iseller_pay", "0.7"), ("Debit BCA", "external_debit", "1"),
            ("Kartu Kredit", "external_credit", "1.8"))  # fmt: skip
"""Name, gateway, and fee in percent."""
MARKETS = (("marketplace", "tokopedia"), ("marketplace", "shopee"), ("food_delivery", "gofood"), ("web", ""))
