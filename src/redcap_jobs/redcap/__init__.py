"""REDCap: its API, its projects and its logic language."""
