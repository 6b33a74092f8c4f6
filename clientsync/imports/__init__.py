"""Files that a person downloaded from a portal: recognised by content, then the same way as portal answers.

A file is never trusted: sizes, nesting and archives are bounded, and each one is loaded or refused with a
reason of its own, without touching the others.
"""

from clientsync.imports.folder import checked_folder, import_folder, watch_folder
from clientsync.imports.importing import FileResult, import_paths

__all__ = ["FileResult", "checked_folder", "import_folder", "import_paths", "watch_folder"]
