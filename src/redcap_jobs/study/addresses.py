"""Which web and mail addresses a study file may name."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from redcap_jobs.study.values import problem

MAIL = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+\.[A-Za-z]{2,}")


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address means this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_loopback_url(url: str) -> bool:
    """Tell whether an address is on this machine: a sandbox."""
    return is_loopback(urlsplit(url).hostname or "")


def api_address(url: str) -> str:
    """Let an address of REDCap's API pass: https (http only to this machine), ending in /api/."""
    parts = web_address(url, "must be the address of REDCap's API, such as https://redcap.../api/")
    if not parts.path.endswith("/api/"):
        raise problem('must end with "/api/"', "REDCap redirects otherwise, which is refused")
    return url


def service_address(url: str) -> str:
    """Let the address of a service pass: https (http only to this machine), without a path."""
    parts = web_address(url, "must be a web address, such as https://api.twilio.com")
    if parts.path not in {"", "/"}:
        raise problem("must hold nothing but scheme, host and port")
    return url.rstrip("/")


def web_address(url: str, otherwise: str) -> SplitResult:
    """Split an address that may carry a secret; ``otherwise`` is said of what is no address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise problem("is no web address") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise problem(otherwise)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise problem("must hold nothing but scheme, host and path")
    if parts.scheme == "http" and not is_loopback(host):
        raise problem("http would send the token in the clear", "use https")
    return parts


def mail_address(written: str) -> str:
    """Let a mail address pass; one that is none is not repeated."""
    if not MAIL.fullmatch(written):
        raise problem("is no mail address", "such as data-manager@example.edu")
    return written
