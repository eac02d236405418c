// What Restate needs to do the same: a service that checks a call's signature and sends the call on. Restate calls it for
// each call that it has taken, and again if it fails.
import * as restate from "@restatedev/restate-sdk";
import { send, signed } from "./call.mjs";

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

restate.serve({ services: [calls], port: Number(process.env.PEERS_PORT) });
