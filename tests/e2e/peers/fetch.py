"""python3 fetch.py URL...: fetches each with requests, in one session."""

import sys

import requests

with requests.Session() as session:
    for url in sys.argv[1:]:
        response = session.get(url)
        response.raise_for_status()
        assert response.content is not None
