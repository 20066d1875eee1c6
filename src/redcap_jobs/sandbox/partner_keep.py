"""The partner's account of ``--data DIR``: its tokens stay the same."""

from __future__ import annotations

import json
import os
from pathlib import Path

from redcap_jobs.errors import StateUnusable, UsageError
from redcap_jobs.sandbox.partner_account import PartnerAccount, made_up_partner

FILE = "partner.json"
TOKENS = ("token", "development_token")


def kept_partner(folder: Path, *, lives: bool = False, seed: int = 1) -> PartnerAccount:
    """Return the account whose tokens a folder holds; a new one the first time.

    The folder is held by this process (:class:`~redcap_jobs.sandbox.keep.Keeper`).

    Raises:
        StateUnusable: The file cannot be read or written, or holds no tokens.

    """
    path = folder / FILE
    try:
        if path.exists():
            token, development = tokens_of(path.read_text(encoding="utf-8"))
            return PartnerAccount(token, development_token=development, lives=lives, seed=seed)
        account = made_up_partner(lives=lives, seed=seed)
        temporary = path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps({name: getattr(account, name) for name in TOKENS}))
        temporary.replace(path)
        return account
    except OSError as error:
        raise StateUnusable(f"{path}: cannot be used: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, UsageError):
        raise StateUnusable(
            f"{path}: holds no account with the partner; remove it to get a new one"
        ) from None


def tokens_of(text: str) -> tuple[str, str]:
    """Return the tokens that were kept; ValueError, KeyError or TypeError if one is missing."""
    kept = json.loads(text)
    token, development = (kept[name] for name in TOKENS)
    if not (isinstance(token, str) and isinstance(development, str)):
        raise TypeError("a token is a text")
    return token, development
