"""The study file: everything that differs between studies, and the credentials beside it."""
