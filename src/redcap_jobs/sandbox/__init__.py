"""A local server that answers like REDCap 14.9 and like Twilio, filled with made-up participants."""
