"""The account, its numbers and its Messaging Services as Twilio's API shows them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from redcap_jobs.sandbox.twilio_account import MessagingService, TwilioAccount
from redcap_jobs.sandbox.twilio_messages import VERSION, rfc_2822

DEFAULT_VALIDITY = 36_000
SINCE = 1_767_225_600.0
"""When everything in the account was set up: the first second of 2026, GMT."""
SINCE_ISO = "2026-01-01T00:00:00Z"
SUBRESOURCES = ("IncomingPhoneNumbers", "Messages")


def account_json(account: TwilioAccount, status: str) -> dict[str, object]:
    """Return the Account resource, with its token as Twilio does."""
    uri = f"/{VERSION}/Accounts/{account.sid}"
    return {
        "auth_token": account.auth_token,
        "date_created": rfc_2822(SINCE),
        "date_updated": rfc_2822(SINCE),
        "friendly_name": "Sandbox",
        "owner_account_sid": account.sid,
        "sid": account.sid,
        "status": status,
        "subresource_uris": {
            re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): f"{uri}/{name}.json"
            for name in SUBRESOURCES
        },
        "type": "Full",
        "uri": f"{uri}.json",
    }


def matching(numbers: Sequence[str], pattern: str) -> list[str]:
    """Return the numbers that hold a pattern: digits, with ``*`` for any one of them."""
    wanted = re.compile(re.escape(pattern.strip()).replace(r"\*", "[0-9]"))
    return [number for number in numbers if wanted.search(number)]


def numbers_json(account: TwilioAccount, pattern: str) -> dict[str, object]:
    """Return the list of the account's numbers that match ``PhoneNumber``."""
    found = matching(account.numbers, pattern)
    uri = f"/{VERSION}/Accounts/{account.sid}/IncomingPhoneNumbers.json?PageSize=50&Page=0"
    return {
        "end": max(len(found) - 1, 0),
        "first_page_uri": uri,
        "incoming_phone_numbers": [number_json(account, number) for number in found],
        "next_page_uri": None,
        "page": 0,
        "page_size": 50,
        "previous_page_uri": None,
        "start": 0,
        "uri": uri,
    }


def number_json(account: TwilioAccount, number: str) -> dict[str, object]:
    """Return the IncomingPhoneNumber resource of a number."""
    sid = number_sid(number)
    text = number not in account.voice_only
    return {
        "account_sid": account.sid,
        "address_requirements": "none",
        "address_sid": None,
        "api_version": VERSION,
        "beta": False,
        "bundle_sid": None,
        "capabilities": {"mms": text, "sms": text, "voice": True},
        "date_created": rfc_2822(SINCE),
        "date_updated": rfc_2822(SINCE),
        "friendly_name": number,
        "identity_sid": None,
        "origin": "twilio",
        "phone_number": number,
        "sid": sid,
        "sms_url": "",
        "status": "in-use",
        "trunk_sid": None,
        "uri": f"/{VERSION}/Accounts/{account.sid}/IncomingPhoneNumbers/{sid}.json",
    }


def number_sid(number: str) -> str:
    """Return the SID of a number, the same each time."""
    return "PN" + hashlib.sha256(number.encode()).hexdigest()[:32]


def service_json(account: TwilioAccount, service: MessagingService, base: str) -> dict[str, object]:
    """Return the Service resource; ``base`` is this server's address."""
    url = f"{base}/v1/Services/{service.sid}"
    return {
        "account_sid": account.sid,
        "area_code_geomatch": True,
        "date_created": SINCE_ISO,
        "date_updated": SINCE_ISO,
        "fallback_method": "POST",
        "fallback_to_long_code": False,
        "fallback_url": None,
        "friendly_name": service.name,
        "inbound_method": "POST",
        "inbound_request_url": None,
        "links": {"phone_numbers": f"{url}/PhoneNumbers"},
        "mms_converter": True,
        "scan_message_content": "inherit",
        "sid": service.sid,
        "smart_encoding": False,
        "status_callback": None,
        "sticky_sender": True,
        "synchronous_validation": False,
        "url": url,
        "us_app_to_person_registered": True,
        "use_inbound_webhook_on_number": False,
        "usecase": "undeclared",
        "validity_period": DEFAULT_VALIDITY,
    }


def services_json(account: TwilioAccount, base: str) -> dict[str, object]:
    """Return the list of the account's Messaging Services."""
    services = [service_json(account, service, base) for service in account.services]
    return {"meta": only_page(f"{base}/v1/Services", "services"), "services": services}


def only_page(url: str, key: str) -> dict[str, object]:
    """Return what a list of version 1 says of itself where all of it is on one page."""
    first = f"{url}?PageSize=50&Page=0"
    return {
        "first_page_url": first,
        "key": key,
        "next_page_url": None,
        "page": 0,
        "page_size": 50,
        "previous_page_url": None,
        "url": first,
    }


def service_numbers_json(
    account: TwilioAccount, service: MessagingService, base: str
) -> dict[str, object]:
    """Return the list of a Messaging Service's numbers."""
    url = f"{base}/v1/Services/{service.sid}/PhoneNumbers"
    return {
        "meta": only_page(url, "phone_numbers"),
        "phone_numbers": [
            {
                "account_sid": account.sid,
                "capabilities": ["SMS", "MMS", "Voice"],
                "country_code": "US",
                "date_created": SINCE_ISO,
                "date_updated": SINCE_ISO,
                "phone_number": number,
                "service_sid": service.sid,
                "sid": number_sid(number),
                "url": f"{url}/{number_sid(number)}",
            }
            for number in service.numbers
        ],
    }
