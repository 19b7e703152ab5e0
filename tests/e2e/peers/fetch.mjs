// node fetch.mjs URL...: fetches each with the built-in fetch, one after the other.
for (const url of process.argv.slice(2)) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  await response.arrayBuffer();
}
