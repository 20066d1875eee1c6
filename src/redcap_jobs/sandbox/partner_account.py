"""Whose members the partner part of the sandbox holds, and what opens them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from redcap_jobs.errors import UsageError

LONGEST_PAGE = 200


@dataclass(frozen=True)
class PartnerAccount:
    """One account with the partner: everything but its members.

    Args:
        token: What opens it as a bearer token.
        user: What opens it by basic authentication, together with ``password``; '' for nothing.
        password: See ``user``.
        development_token: What opens a second set of members, for development; '' for none.
        lives: Whether members progress, opt out and are edited by themselves as time goes by.
        seed: What becomes of whom; the same seed, the same lives.

    Raises:
        UsageError: A token or password is missing, or one token is to open both.

    """

    token: str = field(repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    development_token: str = field(default="", repr=False)
    lives: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        if not self.token or bool(self.user) != bool(self.password):
            raise UsageError("the partner's account needs a token, and a password for its user")
        if self.token == self.development_token:
            raise UsageError("the partner's development token must differ from its token")

    def opens(self, scheme: str, token: str, user: str, password: str) -> bool:
        """Tell whether a request's credentials open the members in earnest."""
        if scheme == "bearer":
            return secrets.compare_digest(token.encode(), self.token.encode())
        if scheme == "basic" and self.user:
            given, own = f"{user}:{password}", f"{self.user}:{self.password}"
            return secrets.compare_digest(given.encode(), own.encode())
        return False

    def opens_development(self, scheme: str, token: str) -> bool:
        """Tell whether a request's credentials open the members for development."""
        own = self.development_token.encode()
        return bool(own) and scheme == "bearer" and secrets.compare_digest(token.encode(), own)


def made_up_partner(*, lives: bool = False, seed: int = 1) -> PartnerAccount:
    """Return an account with made-up tokens."""
    return PartnerAccount(
        secrets.token_hex(16), development_token=secrets.token_hex(16), lives=lives, seed=seed
    )
