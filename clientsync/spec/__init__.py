"""What a module, a connector and a check are. Pure declarations; nothing here asks, reads or writes."""
