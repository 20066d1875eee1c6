"""The state: what runs did, what was decided, and everything that cannot be taken back.

Nothing is imported here: SQLAlchemy is paid for by the commands that open a state.

* :mod:`.store` opens and creates it, on SQLite or PostgreSQL; :mod:`.address` judges its URL
* :mod:`.schema` and ``migrations/``: the tables
* :mod:`.scope`: the key under which everything of one project stands
* :mod:`.runs`, :mod:`.decisions`, :mod:`.ownership`: run records, last decisions, fields written
* :mod:`.journal`: intents for texts, partner calls and mails
* :mod:`.lock`: one run per job and project; :mod:`.process`: who holds something, and lives
* :mod:`.backup`: save and restore; :mod:`.fingerprint`: comparing without keeping
"""
