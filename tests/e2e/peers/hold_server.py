"""python3 hold_server.py [HOST]: prints its port, then answers every GET on any number of connections."""

import json
import resource
import selectors
import socket
import sys

# As many connections as the machine allows.
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

BODY = json.dumps({"order": 1, "amount": 12.5}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY

listener = socket.create_server((sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1", 0), backlog=4096)
print(listener.getsockname()[1], flush=True)
waiting = selectors.DefaultSelector()
waiting.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in waiting.select():
        if key.fileobj is listener:
            waiting.register(listener.accept()[0], selectors.EVENT_READ)
        elif key.fileobj.recv(65536):
            # A client sends nothing before it has its answer, and no more than fits into one read.
            key.fileobj.sendall(ANSWER)
        else:
            waiting.unregister(key.fileobj)
            key.fileobj.close()
