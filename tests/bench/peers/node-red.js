// Node-RED with one flow: a webhook, a line in a file, an answer. Nothing is verified or synced.
const fs = require("fs");
const path = require("path");

const flow = [
  { id: "tab", type: "tab", label: "Parley" },
  { id: "in", type: "http in", z: "tab", url: "/webhooks/parley", method: "post", wires: [["line"]] },
  {
    id: "line",
    type: "function",
    z: "tab",
    func: "msg.payload = JSON.stringify(msg.payload); return msg;",
    outputs: 1,
    wires: [["file"]],
  },
  {
    id: "file",
    type: "file",
    z: "tab",
    filename: path.join(process.cwd(), "deliveries.jsonl"),
    filenameType: "str",
    appendNewline: true,
    overwriteFile: "false",
    wires: [["out"]],
  },
  { id: "out", type: "http response", z: "tab", statusCode: "200", wires: [] },
  { id: "health", type: "http in", z: "tab", url: "/health", method: "get", wires: [["out"]] },
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
