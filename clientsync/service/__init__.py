"""The long-lived process of a shop and its accounting: it takes webhooks and sends in real time."""
