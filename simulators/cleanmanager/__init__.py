"""A system of customers and employees behind a plain REST interface, with a memory of every call that wrote."""
