// node server.mjs DIRECTORY HOST|PATH: GET /NAME sends a file in chunks; POST answers with the hash of its body.
// Prints its port; on a Unix socket `ready`.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { basename, join } from "node:path";

const [directory, host] = process.argv.slice(2);

const server = createServer((request, response) => {
  if (request.method === "POST") {
    const hash = createHash("sha256");
    request.on("data", (chunk) => hash.update(chunk));
    request.on("end", () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ sha256: hash.digest("hex") }));
    });
  } else {
    response.writeHead(200, { "content-type": "application/octet-stream" });
    createReadStream(join(directory, basename(request.url))).pipe(response);
  }
});
const where = host.startsWith("/") ? [host] : [0, host];
server.listen(...where, () => console.log(server.address().port ?? "ready"));
