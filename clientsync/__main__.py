"""``python -m clientsync``: the command line."""

from clientsync.cli import main

if __name__ == "__main__":
    main()
