"""What surrounds the product where it runs: server, worker, pool, automations. Nothing imports it."""
