"""The Twilio account of ``--data DIR``: its credentials stay the same, its texts are not kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

from redcap_jobs.errors import StateUnusable, UsageError
from redcap_jobs.sandbox.twilio_account import MessagingService, TwilioAccount, made_up_account

FILE = "twilio.json"


def kept_account(folder: Path) -> TwilioAccount:
    """Return the account whose credentials a folder holds; a new one the first time.

    The folder is held by this process (:class:`~redcap_jobs.sandbox.keep.Keeper`).

    Raises:
        StateUnusable: The file cannot be read or written, or holds no account.

    """
    path = folder / FILE
    try:
        if path.exists():
            return account_of(path.read_text(encoding="utf-8"))
        account = made_up_account()
        temporary = path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text_of(account))
        temporary.replace(path)
        return account
    except OSError as error:
        raise StateUnusable(f"{path}: cannot be used: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, UsageError):
        raise StateUnusable(
            f"{path}: holds no Twilio account; remove it to get a new one"
        ) from None


def text_of(account: TwilioAccount) -> str:
    """Return what is kept of an account."""
    return json.dumps(
        {
            "sid": account.sid,
            "auth_token": account.auth_token,
            "numbers": list(account.numbers),
            "services": [[one.sid, list(one.numbers)] for one in account.services],
        }
    )


def account_of(text: str) -> TwilioAccount:
    """Return the account that was kept; ValueError, KeyError, TypeError or UsageError if it is none."""
    kept = json.loads(text)
    services = tuple(MessagingService(sid, tuple(numbers)) for sid, numbers in kept["services"])
    return TwilioAccount(kept["sid"], kept["auth_token"], tuple(kept["numbers"]), services=services)
