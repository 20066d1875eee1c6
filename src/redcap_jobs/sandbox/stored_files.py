"""Uploaded files: file fields, signatures and the file repository keep a key, the bytes lie here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True)
class StoredFile:
    """A file as it was uploaded; ``mime`` without parameters, e.g. ``image/jpeg``."""

    name: str
    mime: str
    content: bytes

    @property
    def key(self) -> str:
        """Return what a cell holds for this file: equal name and bytes give an equal key."""
        total = hashlib.sha256(self.name.encode() + b"\0" + self.mime.encode() + b"\0")
        total.update(self.content)
        return total.hexdigest()[:32]


class FileStore:
    """The bytes behind the keys.

    ``kept`` is told of each new file before its key is handed out, ``dropped`` of keys before their
    files cannot be read any more.
    """

    def __init__(self, files: Mapping[str, StoredFile] | None = None) -> None:
        self._lock = Lock()
        self._files = dict(files or {})
        self.kept: Callable[[StoredFile], None] | None = None
        self.dropped: Callable[[frozenset[str]], None] | None = None

    def put(self, file: StoredFile) -> str:
        """Keep a file and return its key."""
        key = file.key
        with self._lock:
            if key not in self._files:
                if self.kept is not None:
                    self.kept(file)
                self._files[key] = file
        return key

    def get(self, key: str) -> StoredFile:
        """Return the file of a key; LookupError if there is none."""
        with self._lock:
            return self._files[key]

    def drop(self, keys: Iterable[str]) -> None:
        """Take files away; keys that nobody has are passed over."""
        with self._lock:
            gone = frozenset(keys) & self._files.keys()
            if gone and self.dropped is not None:
                self.dropped(gone)
            for key in gone:
                del self._files[key]

    def all(self) -> dict[str, StoredFile]:
        """Return every file by its key."""
        with self._lock:
            return dict(self._files)
