"""The way to Twilio: no connection is kept, nothing is logged, and an answer's time is limited."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import requests
from twilio.http import HttpClient
from twilio.http.response import Response
from urllib3.exceptions import HTTPError

from redcap_jobs.wire import received, too_slow

if TYPE_CHECKING:
    from redcap_jobs.clock import Clock

TIMEOUT_SECONDS = 40.0
"""To connect, and between bytes. Twilio itself gives up after 30: waiting longer leaves fewer
answers unknown."""
ANSWER_WITHIN = timedelta(minutes=2)
"""From the request to the last byte of its answer, however steadily it drips: other runs count a
lease as dead when a post takes longer than any does."""


class TwilioWire(HttpClient):  # type: ignore[misc]  # twilio has no types
    """What twilio-python sends its requests through: a connection for each, never pooled.

    Plain http to this machine passes no proxy, which would be shown everything.
    """

    def __init__(self, clock: Clock, unproxied: str = "") -> None:
        super().__init__(logging.getLogger(__name__), is_async=False, timeout=TIMEOUT_SECONDS)
        self._clock = clock
        self._proxies = {"no_proxy": unproxied} if unproxied else {}

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,  # noqa: FBT001, FBT002 - inherited
    ) -> Response:
        """Send one request, its ``data`` as a form, and return the whole answer.

        Raises requests' errors: ReadTimeout also for an answer that takes longer than two
        minutes, ConnectionError for one that breaks off.
        """
        latest = self._clock.now() + ANSWER_WITHIN
        with (
            requests.Session() as session,
            session.request(
                method.upper(),
                uri,
                params=params,
                data=data,
                headers=headers,
                auth=auth,
                timeout=timeout or self.timeout,
                allow_redirects=allow_redirects,
                proxies=dict(self._proxies),
                stream=True,
            ) as response,
        ):
            try:
                pieces = received(response, lambda: self._clock.now() <= latest, too_slow)
                body = b"".join(pieces).decode("utf-8", errors="replace")
            except HTTPError as error:
                what = f"the answer broke off ({type(error).__name__})"
                raise requests.ConnectionError(what) from None
            return Response(response.status_code, body, response.headers)
