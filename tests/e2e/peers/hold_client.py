"""python3 hold_client.py HOST PORT COUNT: opens COUNT connections and prints "open"; for each line N it reads, one GET on each of
the first N, then "done"."""

import resource
import socket
import sys

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
connections = [socket.create_connection((host, port)) for _ in range(count)]
print("open", flush=True)
for line in sys.stdin:
    for connection in connections[: int(line)]:
        connection.sendall(b"GET /orders HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(65536)
    print("done", flush=True)
