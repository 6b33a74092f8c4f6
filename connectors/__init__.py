"""The index of outside systems: name to dotted name, imported only when one is used."""

INDEX = {
    "gst": "connectors.gst:CONNECTOR",
    "tds": "connectors.tds:CONNECTOR",
    "books": "connectors.books:CONNECTOR",
}
