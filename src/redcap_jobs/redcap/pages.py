"""Web pages and texts that come where data should be: what they are, as far as one can tell.

A page is never quoted: it may hold anything. A login page comes now and then in place of data
(REDCapR issue 556) and passes; a ban does not, and asking on keeps it alive.
"""

from __future__ import annotations

import re

WEB_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*(?=<!doctype))?"
    rb"<(?:!--|(?:!doctype|html|head|body|script|style|form|div|table|br|b|p|h\d|center|meta|title)\b)",
    re.IGNORECASE,
)
"""How a page starts. A content type alone proves nothing: plain text such as the version comes
as text/html."""
PASSWORD = re.compile(rb"type\s*=\s*[\"']?password", re.IGNORECASE)
LOGIN = re.compile(rb"SAMLRequest|shibboleth|log ?in|sign ?in", re.IGNORECASE)
LOGIN_ADDRESS = re.compile(
    r"log-?in|log-?on|sign-?in|sign-?on|saml|shib|/sso|/idp|/nidp|/adfs|/cas\b|oauth|openid",
    re.IGNORECASE,
)
SUSPECTED_ABUSE = re.compile(rb"banned due to suspected abuse", re.IGNORECASE)
"""REDCap's own words (the title of PyCap issue 69); how the rest of its page reads is unknown."""
BANNED = re.compile(
    rb"\bIP\b[^<>]{0,80}\b(?:banned|blocked)\b"
    rb"|\b(?:banned|blocked)\b[^<>]{0,80}\b(?:IP address|suspected abuse|too many requests)"
    rb"|\btoo many requests\b",
    re.IGNORECASE,
)
LINE_BYTES = 300


def is_page(start: bytes) -> bool:
    """Tell whether an answer that starts so is a web page."""
    return WEB_PAGE.match(start) is not None


def page_kind(page: bytes) -> str:
    """Say what a web page is, without quoting it: ``login page`` or ``web page``."""
    return "login page" if PASSWORD.search(page) or LOGIN.search(page) else "web page"


def says_banned(text: bytes) -> bool:
    """Tell whether a page or an error's text says that this machine's address is banned.

    A page that asks for a password is a login page, whatever its scripts say of other troubles.
    """
    if SUSPECTED_ABUSE.search(text):
        return True
    return not PASSWORD.search(text) and BANNED.search(text) is not None


def is_banned_line(start: bytes) -> bool:
    """Tell whether an answer without any markup is the sentence that an address is banned.

    Data never start so: CSV starts with a field's name, which has no blanks, JSON with a bracket.
    """
    line = start.lstrip()[:LINE_BYTES].split(b"\n", 1)[0]
    return line[:1].isalpha() and b" " in line.split(b",", 1)[0] and says_banned(line)


def leads_to_login(address: str) -> bool:
    """Tell whether a redirection leads to a login page, by its address."""
    return LOGIN_ADDRESS.search(address) is not None
