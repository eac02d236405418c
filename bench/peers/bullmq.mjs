// A program as many write it with BullMQ: one process checks a call's signature, puts the call into the queue in Redis and
// answers, another takes calls out of the queue and sends them on.
import { createServer } from "node:http";
import { Queue, Worker } from "bullmq";
import { send, signed } from "./call.mjs";

const { PEERS_PORT, PEERS_REDIS, PEERS_WORKER } = process.env;
const [host, port] = PEERS_REDIS.split(":");
const connection = { host, port: Number(port), maxRetriesPerRequest: null };

if (PEERS_WORKER) {
  const worker = new Worker("calls", (job) => send(Buffer.from(job.data.body)), { connection, concurrency: 64 });
  worker.on("error", (error) => console.error(error));
} else {
  const queue = new Queue("calls", {
    connection,
    defaultJobOptions: { attempts: 10, backoff: { type: "exponential", delay: 1000 }, removeOnComplete: true },
  });
  createServer((req, res) => {
    const parts = [];
    req.on("data", (part) => parts.push(part));
    req.on("end", async () => {
      const body = Buffer.concat(parts);
      let status = 401;
      if (signed(body, req.headers["x-nextphone-signature"])) {
        try {
          await queue.add("call", { body: body.toString() });
          status = 200;
        } catch (error) {
          console.error(error);
          status = 503;
        }
      }
      res.writeHead(status, { "content-type": "application/json" }).end("{}");
    });
  }).listen(Number(PEERS_PORT), "127.0.0.1");
}
