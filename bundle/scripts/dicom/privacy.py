"""Hashed identifiers, with a key that the site keeps or with one that nobody keeps."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from ..conventions import ConfigError

_KEY_BYTES, _SHORTEST_KEY = 32, 16


class IdentifierHash:
    """Turns a UID or id into a short hash that only the holder of the key can recompute.

    Args:
        key_file: file with the site's key, made with a random one when it does not exist; None: a random key that ends
            with the process, so that nobody can link the hashes to the study again.
    Raises:
        ConfigError: the key is too short, or the file cannot be read or made.
    """

    def __init__(self, key_file: str | Path | None = None) -> None:
        self.key = secrets.token_bytes(_KEY_BYTES) if key_file is None else _site_key(Path(str(key_file)).expanduser())

    def __call__(self, identifier: str, digits: int = 12) -> str:
        """Hexadecimal digits of HMAC-SHA-256."""
        return hmac.new(self.key, identifier.encode(), hashlib.sha256).hexdigest()[:digits]


def _make_key(path: Path) -> None:
    """Readable by its owner only, whole as soon as it is there, and never over a key that appeared meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            return
        except OSError:  # a disk that has no hard links
            if not path.exists():
                part.rename(path)
    finally:
        part.unlink(missing_ok=True)


def _site_key(path: Path) -> bytes:
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"key_file {path}: cannot be read or made ({error.strerror}). Fix: a path in a folder "
            "of yours, outside the data"
        ) from error
    if len(key) < _SHORTEST_KEY:
        raise ConfigError(
            f"key_file {path}: found {len(key)} bytes, expected at least {_SHORTEST_KEY}. Fix: name a file that does "
            "not exist yet, and a key is made there"
        )
    return key
