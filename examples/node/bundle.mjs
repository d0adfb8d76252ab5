// A client that gets all it needs from a bundle of "zcert bundle": node bundle.mjs [BUNDLE]
// It needs the package zeromq: npm install zeromq
import { readFileSync } from "node:fs";
import { Request } from "zeromq";

const BUNDLE = "alice.bundle";

// Returns the values in a bundle, by section and name.
function loadBundle(path) {
  const found = {};
  let section = "";
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const property = /^ {4}([\w-]+) = (["'])(.*)\2$/.exec(line);
    if (property) (found[`${section}.${property[1]}`] ??= []).push(property[3]);
    else if (/^\w/.test(line)) section = line.trim();
  }
  return found;
}

const path = process.argv[2] ?? BUNDLE;
const bundle = loadBundle(path);
// The type that fits your service:
const client = new Request({
  curvePublicKey: bundle["curve.public-key"][0],
  curveSecretKey: bundle["curve.secret-key"][0],
  curveServerKey: bundle["service.server-key"][0],
  receiveTimeout: 10_000,
  linger: 0,
});
for (const endpoint of bundle["service.endpoint"]) client.connect(endpoint);
await client.send("good morning");
try {
  const [reply] = await client.receive();
  console.log("reply:", reply.toString());
} catch (err) {
  console.error(`no reply within 10 seconds: try zcert probe ${path}`, err.message);
  process.exitCode = 1;
}
client.close();
