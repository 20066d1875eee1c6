"""Keyed fingerprints: notice that something changed, or is the same, without keeping it."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from redcap_jobs.errors import CredentialsError, StateUnusable
from redcap_jobs.state.schema import meta

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.state.store import Store

KEY_VARIABLE = "REDCAP_JOBS_HASH_KEY"
SHORTEST_KEY = 32
BETWEEN = "\x1f"
"""ASCII's unit separator joins the columns; REDCap does not take control characters."""


class Fingerprinter:
    """Fingerprints under one key, which stands in ``.env`` and never in the state.

    Raises:
        CredentialsError: The key is missing or shorter than 32 characters.

    """

    def __init__(self, key: str | None) -> None:
        if not key or len(key) < SHORTEST_KEY:
            fault = "is not set" if not key else f"is shorter than {SHORTEST_KEY} characters"
            raise CredentialsError(
                f"{KEY_VARIABLE} {fault}; `redcap-jobs state init --env-file .env` writes one. "
                "Keep it: with another key no earlier fingerprint is recognised"
            )
        self._key = key.encode()

    def __call__(self, frame: pd.DataFrame) -> pd.Series[str]:
        """Return one fingerprint per row: 16 hexadecimal digits, index as in ``frame``.

        All columns are ``str`` without missing values. The names of the columns count too: the
        same values under other names are another fact. SipHash under a key made for these
        columns (BLAKE2b of key and names); vectorised.
        """
        import numpy as np
        import pandas as pd

        joined = pd.Series("", index=frame.index, dtype="str")
        for number, column in enumerate(frame.columns):
            joined = frame[column] if number == 0 else joined + BETWEEN + frame[column]
        names = BETWEEN.join(map(str, frame.columns))
        hashed = pd.util.hash_array(
            joined.to_numpy(object), hash_key=self._siphash_key(names), categorize=False
        )
        digits = hashed.astype(">u8").tobytes().hex().encode("ascii")
        texts = np.frombuffer(digits, dtype="S16").astype(str)
        return pd.Series(texts, index=frame.index, dtype="str")

    def one(self, text: str, kind: str = "") -> str:
        """Return the fingerprint of one text: 32 hexadecimal digits of HMAC-SHA-256.

        ``kind`` ('phone', 'body') keeps equal texts of different kinds apart.
        """
        message = f"{kind}{BETWEEN}{text}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:32]

    def _siphash_key(self, names: str) -> str:
        """Return 16 ASCII characters, the form in which pandas takes a SipHash key."""
        digest = hashlib.blake2b(names.encode(), digest_size=16, key=self._key[:64]).digest()
        return "".join(chr(byte & 0x7F) for byte in digest)


def key_is_known(store: Store) -> bool:
    """Tell whether fingerprints were ever made for this state."""
    with store.read() as connection:
        query = select(meta.c.value).where(meta.c.name == "key_mark")
        return connection.execute(query).scalar() is not None


def check_key(store: Store, fingerprinter: Fingerprinter) -> None:
    """Make sure that a state is only ever used with the key its fingerprints were made with.

    The first key a state meets is remembered as a fingerprint of a fixed text. With another key a
    changed phone, a cap or an opt-out would silently not be recognised.

    Raises:
        StateUnusable: The state knows another key.

    """
    mark = fingerprinter.one(KEY_VARIABLE, "key")
    query = select(meta.c.value).where(meta.c.name == "key_mark")
    with store.read() as connection:
        known = connection.execute(query).scalar()
    if known is None:
        with store.write() as connection:
            known = connection.execute(query).scalar()
            if known is None:
                connection.execute(insert(meta).values(name="key_mark", value=mark))
                known = mark
    if not hmac.compare_digest(known, mark):
        raise StateUnusable(
            f"{KEY_VARIABLE} is not the key that the state {store.url} was made with; take the "
            "one from the .env that cron uses, or from the backup of it"
        )
