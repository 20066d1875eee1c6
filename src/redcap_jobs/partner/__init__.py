"""The texting partner: its REST interface, and names and values both ways."""
