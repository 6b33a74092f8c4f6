"""iSeller, a point of sale: sales, shifts, products, transfers and webhooks, with its oddities and its truth."""
