"""Texts: phones, templates, segments, hours, Twilio, and what became of each message."""
