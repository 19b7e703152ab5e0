"""python3 fetch_on_demand.py: fetches each address it reads, all in one session, and prints a line after each."""

import sys

import requests

with requests.Session() as session:
    for line in sys.stdin:
        session.get(line.strip()).raise_for_status()
        print("done", flush=True)
