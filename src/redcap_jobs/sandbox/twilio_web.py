"""Twilio's addresses that this sandbox has."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request

from redcap_jobs.sandbox.twilio_calls import Answer, Call, TwilioCalls, not_found
from redcap_jobs.sandbox.twilio_create import create
from redcap_jobs.sandbox.twilio_listing import listed, page_of
from redcap_jobs.sandbox.twilio_messages import VERSION, Message, as_json
from redcap_jobs.sandbox.twilio_resources import (
    account_json,
    number_json,
    number_sid,
    numbers_json,
    service_json,
    service_numbers_json,
    services_json,
)
from redcap_jobs.sandbox.twilio_switchboard import Switchboard
from redcap_jobs.sandbox.twilio_update import delete, update

PREFIXES = (f"/{VERSION}/", "/v1/")
ACCOUNT = f"/{VERSION}/Accounts/<account_sid>"


def twilio_blueprint(calls: TwilioCalls) -> Blueprint:
    """Return the routes of Twilio's API that this sandbox has."""
    pages = Blueprint("twilio", __name__)
    add_account_routes(pages, calls)
    add_list_routes(pages, calls)
    add_message_routes(pages, calls)
    add_service_routes(pages, calls)
    return pages


def add_account_routes(pages: Blueprint, calls: TwilioCalls) -> None:
    """Add the account and its numbers."""
    board = calls.board

    @pages.get(f"{ACCOUNT}.json")
    def fetch_account(account_sid: str) -> Response:  # noqa: ARG001 - compared before
        return calls.answer(
            "account", lambda _: Answer(account_json(board.account, board.shown_status))
        )

    @pages.get(f"{ACCOUNT}/IncomingPhoneNumbers.json")
    def list_numbers(account_sid: str) -> Response:  # noqa: ARG001
        pattern = request.args.get("PhoneNumber", "")
        return calls.answer("numbers", lambda _: Answer(numbers_json(board.account, pattern)))

    @pages.get(f"{ACCOUNT}/IncomingPhoneNumbers/<sid>.json")
    def fetch_number(account_sid: str, sid: str) -> Response:  # noqa: ARG001
        def work(_: Call) -> Answer:
            number = next((one for one in board.account.numbers if number_sid(one) == sid), None)
            if number is None:
                raise not_found()
            return Answer(number_json(board.account, number))

        return calls.answer("numbers", work)


def add_list_routes(pages: Blueprint, calls: TwilioCalls) -> None:
    """Add sending and listing."""
    board = calls.board

    @pages.post(f"{ACCOUNT}/Messages.json")
    def create_message(account_sid: str) -> Response:  # noqa: ARG001
        def work(call: Call) -> Answer:
            form = request.form.to_dict()
            made = create(board, form, arrived=call.arrived, fault=call.fault_name)
            return Answer(as_json(made, board.account.sid, 0), 201)

        return calls.answer("create", work)

    @pages.get(f"{ACCOUNT}/Messages.json")
    def list_messages(account_sid: str) -> Response:  # noqa: ARG001
        query = request.args.to_dict()
        return calls.answer("list", lambda call: Answer(listed(board, page_of(query), call.fault)))


def add_message_routes(pages: Blueprint, calls: TwilioCalls) -> None:
    """Add what is done with one message."""
    board = calls.board

    @pages.get(f"{ACCOUNT}/Messages/<sid>.json")
    def fetch_message(account_sid: str, sid: str) -> Response:  # noqa: ARG001
        return calls.answer("fetch", lambda _: shown(board, found(board, sid)))

    @pages.post(f"{ACCOUNT}/Messages/<sid>.json")
    def update_message(account_sid: str, sid: str) -> Response:  # noqa: ARG001
        def work(_: Call) -> Answer:
            message = found(board, sid)
            update(board, message, request.form.to_dict())
            return shown(board, message)

        return calls.answer("update", work)

    @pages.delete(f"{ACCOUNT}/Messages/<sid>.json")
    def delete_message(account_sid: str, sid: str) -> Response:  # noqa: ARG001
        def work(_: Call) -> Answer:
            delete(board, found(board, sid))
            return Answer(None, 204)

        return calls.answer("delete", work)


def add_service_routes(pages: Blueprint, calls: TwilioCalls) -> None:
    """Add Messaging Services, and what to say of any other address."""
    board = calls.board

    @pages.get("/v1/Services")
    def list_services() -> Response:
        base = request.host_url.rstrip("/")
        return calls.answer("service", lambda _: Answer(services_json(board.account, base)))

    @pages.get("/v1/Services/<sid>")
    def fetch_service(sid: str) -> Response:
        base = request.host_url.rstrip("/")
        return calls.answer("service", lambda _: service_answer(board, sid, base, service_json))

    @pages.get("/v1/Services/<sid>/PhoneNumbers")
    def service_numbers(sid: str) -> Response:
        base = request.host_url.rstrip("/")
        return calls.answer(
            "service", lambda _: service_answer(board, sid, base, service_numbers_json)
        )

    def elsewhere(rest: str) -> Response:  # noqa: ARG001 - the path is in the request
        def work(_: Call) -> Answer:
            raise not_found()

        return calls.answer("other", work)

    for prefix in PREFIXES:
        methods = ["GET", "POST", "DELETE", "PUT", "PATCH"]
        pages.add_url_rule(f"{prefix}<path:rest>", view_func=elsewhere, methods=methods)


def found(board: Switchboard, sid: str) -> Message:
    """Return a message by its SID; TwilioRefusal if there is none."""
    message = board.message(sid)
    if message is None:
        raise not_found()
    return message


def shown(board: Switchboard, message: Message) -> Answer:
    """Return a message as it is at present."""
    with board.lock:
        return Answer(as_json(message, board.account.sid, message.place(board.now())))


def service_answer(
    board: Switchboard, sid: str, base: str, form: Callable[..., dict[str, object]]
) -> Answer:
    """Return what there is to say of a Messaging Service; TwilioRefusal if there is none."""
    service = board.account.service(sid)
    if service is None:
        raise not_found()
    return Answer(form(board.account, service, base))
