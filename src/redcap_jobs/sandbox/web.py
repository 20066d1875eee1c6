"""The web application: the API, the sandbox's own pages, REDCap's headers."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, request

from redcap_jobs.sandbox.api import Api
from redcap_jobs.sandbox.control import control_blueprint
from redcap_jobs.sandbox.partner_web import PREFIX as PARTNER_PATH
from redcap_jobs.sandbox.partner_web import partner_blueprint
from redcap_jobs.sandbox.posted_forms import posted_pairs
from redcap_jobs.sandbox.replies import Reply, gzipped, not_found, not_implemented, whole
from redcap_jobs.sandbox.stored_files import StoredFile
from redcap_jobs.sandbox.survey_pages import survey_blueprint
from redcap_jobs.sandbox.twilio_web import PREFIXES as TWILIO_PATHS
from redcap_jobs.sandbox.twilio_web import twilio_blueprint

GZIP_FROM_BYTES = 1000
CONTROL_PATH = "/sandbox/"


def flask_app(api: Api) -> Flask:
    """Return the application: the APIs and surveys, and the control pages to this machine only."""
    app = Flask("redcap_jobs.sandbox", static_folder=None)
    app.config["MAX_FORM_MEMORY_SIZE"] = None  # REDCap takes imports of many megabytes
    app.register_blueprint(control_blueprint(api))
    app.register_blueprint(survey_blueprint(api))
    if api.twilio is not None:
        app.register_blueprint(twilio_blueprint(api.twilio))
    if api.partner is not None:
        app.register_blueprint(partner_blueprint(api.partner))
    public_host = urlsplit(api.public_url).hostname

    @app.before_request
    def refuse_other_hosts() -> Response | None:
        """Refuse a name that merely resolves to this machine (a web page's DNS trick)."""
        host = (request.host.rsplit(":", 1)[0]).strip("[]")
        if host in {"localhost", "::1"} or host.startswith("127."):
            return None
        public = host == public_host and not request.path.startswith(CONTROL_PATH)
        return None if public else http(not_found())

    @app.before_request
    def refuse_banned() -> Response | None:
        """Answer a banned address the same whatever it asks of REDCap."""
        if request.path.startswith((CONTROL_PATH, *TWILIO_PATHS, PARTNER_PATH)):
            return None
        reply = api.banned(request.remote_addr or "")
        return None if reply is None else http(reply)

    @app.post("/api/")
    @app.post("/api")
    def api_call() -> Response:
        pairs = list(posted_pairs(request))
        files = {
            name: StoredFile(
                upload.filename or "", upload.mimetype or "application/octet-stream", upload.read()
            )
            for name, upload in request.files.items()
        }
        return http(api.reply(pairs, files))

    @app.get("/api/")
    @app.get("/api")
    def api_get() -> Response:
        return http(not_implemented())

    @app.errorhandler(404)
    def unknown_address(error: Exception) -> Response:  # noqa: ARG001 - Flask's signature
        return http(not_found())

    return app


def http(reply: Reply) -> Response:
    """Return the response with REDCap's headers, compressed if the client takes it."""
    sent, length = whole(reply), None if reply.rest else len(reply.body)
    packed = length is None or length >= GZIP_FROM_BYTES
    packed = packed and "gzip" in request.headers.get("Accept-Encoding", "")
    parts = gzipped(sent) if packed else sent
    response = Response(parts if reply.rest else b"".join(parts), reply.status)
    response.call_on_close(sent.close)
    response.headers["Content-Type"] = reply.content_type.encode().decode("latin-1")
    response.headers["Expires"] = "0"
    response.headers["Cache-Control"] = "no-store, no-cache, must-revalidate"
    response.headers["Pragma"] = "no-cache"
    response.headers["X-XSS-Protection"] = "1;  mode=block"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["REDCap-Random-Text"] = secrets.token_hex(16)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
    if reply.cut:
        all_of_it = response.data
        response.response = [all_of_it[: len(all_of_it) // 2]]
        response.headers["Content-Length"] = str(len(all_of_it))
        response.headers["Connection"] = "close"
    return response
