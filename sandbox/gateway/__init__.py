"""The way in: a CONNECT proxy that holds Azure's host names and answers for them."""
