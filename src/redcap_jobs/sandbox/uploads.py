"""The part ``file`` of a multipart form: what file fields and the file repository take in."""

from __future__ import annotations

import re
from mimetypes import MimeTypes

from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.parameters import Refusal
from redcap_jobs.sandbox.stored_files import StoredFile

NO_UPLOAD = "No valid file was uploaded"
"""Own answer."""
UNKNOWN_TYPE = "application/octet-stream"
CONTROL_SIGNS = re.compile(r"[\x00-\x1f\x7f]")


def uploaded_file(context: Context) -> StoredFile:
    """Return the upload under its bare name, without folders and control characters.

    PyCap sends no type with it and gets ``text/plain`` back for ``test.txt``: the type is then told
    by the name.

    Raises:
        Refusal: There is none.

    """
    upload = context.parameters.files.get("file")
    if upload is None:
        raise Refusal(400, NO_UPLOAD)
    name = CONTROL_SIGNS.sub("", re.split(r"[/\\]", upload.name)[-1]) or "file"
    mime = upload.mime
    if mime in ("", UNKNOWN_TYPE):
        mime = MimeTypes().guess_type(name)[0] or UNKNOWN_TYPE
    return StoredFile(name, mime, upload.content)
