"""Fills the run forms' lists once, after deploying: ``python -m deployments.refresh``."""

from __future__ import annotations

from clientsync.sync.services import services_from_settings
from flows.refresh_choices import write_choices


def main() -> None:
    """Write clients, groups and open challenges into the deployments."""
    services = services_from_settings()
    try:
        write_choices(services)
    finally:
        services.close()


if __name__ == "__main__":
    main()
