// Node-RED with one flow: a webhook, a line in a file, an answer. Nothing is verified or synced.
const fs = require("fs");
const path = require("path");

const flow = [
  { id: "parley-tab", type: "tab", label: "Parley" },
  { id: "parley-in", type: "http in", z: "parley-tab", url: "/webhooks/parley", method: "post", wires: [["parley-line"]] },
  {
    id: "parley-line",
    type: "function",
    z: "parley-tab",
    func: "msg.payload = JSON.stringify(msg.payload); return msg;",
    outputs: 1,
    wires: [["parley-file"]],
  },
  {
    id: "parley-file",
    type: "file",
    z: "parley-tab",
    filename: path.join(process.cwd(), "deliveries.jsonl"),
    filenameType: "str",
    appendNewline: true,
    overwriteFile: "false",
    wires: [["parley-out"]],
  },
  { id: "parley-out", type: "http response", z: "parley-tab", statusCode: "200", wires: [] },
  { id: "parley-health", type: "http in", z: "parley-tab", url: "/health", method: "get", wires: [["parley-out"]] },
];
fs.writeFileSync(path.join(process.cwd(), "flow.json"), JSON.stringify(flow));

module.exports = {
  uiHost: "127.0.0.1",
  uiPort: Number(process.env.PORT),
  userDir: process.cwd(),
  flowFile: "flow.json",
  httpAdminRoot: false,
  logging: { console: { level: "warn" } },
};
