// A Parley receiver as one would write it by hand: verify, store once, answer when it is on disk.
const crypto = require("crypto");
const express = require("express");
const Database = require("better-sqlite3");

const db = new Database("express.db");
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.exec("CREATE TABLE events (id TEXT PRIMARY KEY, receipt TEXT, status TEXT, body BLOB)");
const insert = db.prepare("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)");

function signed(header, body) {
  const found = /t=(\d+),v1=([0-9a-f]{64})$/.exec(header || "");
  if (!found) return false;
  const mac = crypto.createHmac("sha256", process.env.SECRET);
  const expected = mac.update(found[1] + ".").update(body).digest();
  return crypto.timingSafeEqual(expected, Buffer.from(found[2], "hex"));
}

const app = express();
app.get("/health", (_request, response) => response.send("ok"));
app.post("/webhooks/parley", express.raw({ type: "application/json" }), (request, response) => {
  if (!signed(request.get("Authorization"), request.body)) return response.sendStatus(401);
  const event = JSON.parse(request.body);
  insert.run(event.id, event.receipt_number, event.normalized_status, request.body);
  response.json({ status: "stored" });
});
app.listen(Number(process.env.PORT), "127.0.0.1");
