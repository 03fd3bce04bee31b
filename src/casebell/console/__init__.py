"""The pages for people: docs/contract.md.

A page asks the service as whoever is signed in, and Jinja makes HTML of the answer. A button posts
a form to the API's path without its prefix. Everything works without JavaScript.
"""
