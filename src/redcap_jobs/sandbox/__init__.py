"""A local server that answers like REDCap 14.9, filled with made-up participants."""
