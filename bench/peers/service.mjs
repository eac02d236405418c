// What Restate needs to do the same: a service that checks a call's signature and sends the call on. Restate calls it for
// each call that it has taken, and again if it fails.
import { createHmac, timingSafeEqual } from "node:crypto";
import { Agent, request } from "node:http";
import * as restate from "@restatedev/restate-sdk";

const { PEERS_SECRET, PEERS_UPSTREAM, PEERS_PORT } = process.env;
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

function signed(body, signature) {
  const given = Buffer.from(signature ?? "", "hex");
  const right = createHmac("sha256", PEERS_SECRET).update(body).digest();
  return given.length === right.length && timingSafeEqual(given, right);
}

function send(body) {
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

const calls = restate.service({
  name: "calls",
  handlers: {
    deliver: restate.handlers.handler(
      { accept: "*/*", input: restate.serde.binary, output: restate.serde.empty },
      async (ctx, body) => {
        if (!signed(body, ctx.request().headers.get("x-nextphone-signature"))) {
          throw new restate.TerminalError("the signature is wrong", { errorCode: 401 });
        }
        await send(body);
      },
    ),
  },
});

restate.serve({ services: [calls], port: Number(PEERS_PORT) });
