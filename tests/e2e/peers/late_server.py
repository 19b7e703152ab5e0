"""python3 late_server.py: prints its port; reads a request, prints `read`, and answers when it is given a line."""

import socket
import sys

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
request = b""
while not request.endswith(b"\r\n\r\n"):
    request += connection.recv(4096)
print("read", flush=True)
sys.stdin.readline()
connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
connection.close()
