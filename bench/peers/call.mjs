// What the programs for Node.js share: a call's signature, and sending the call on.
import { createHmac, timingSafeEqual } from "node:crypto";
import { Agent, request } from "node:http";

const { PEERS_SECRET, PEERS_UPSTREAM } = process.env;
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

export function signed(body, signature) {
  const given = Buffer.from(signature ?? "", "hex");
  const right = createHmac("sha256", PEERS_SECRET).update(body).digest();
  return given.length === right.length && timingSafeEqual(given, right);
}

export function send(body) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": body.length };
    const r = request(PEERS_UPSTREAM, { agent, method: "POST", headers }, (res) => {
      res.resume();
      res.on("end", () => (res.statusCode < 300 ? resolve() : reject(new Error(`the receiver answered ${res.statusCode}`))));
    });
    r.on("error", reject);
    r.end(body);
  });
}
