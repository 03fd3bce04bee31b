// Posts each line of standard input, a JSON object, as Parley's page signs it in Node: an HMAC over
// JSON.stringify of the parsed body. Prints the status and the body of each answer.
//
//   URL SECRET [indent]: with "indent" the body that travels has line ends, which are not signed.
import crypto from 'node:crypto';
import http from 'node:http';
import readline from 'node:readline';

const [url, secret, indent] = process.argv.slice(2);
// One connection for all, as an agent keeps it.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function post(event) {
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = crypto
    .createHmac('sha256', secret)
    .update(`${timestamp}.${JSON.stringify(event)}`)
    .digest('hex');
  const body = indent ? JSON.stringify(event, null, 2) : JSON.stringify(event);
  return new Promise((resolve, reject) => {
    const headers = {
      'Content-Type': 'application/json',
      Authorization: `Parley-Signature=t=${timestamp},v1=${signature}`,
      'Idempotency-Key': crypto.randomUUID(),
    };
    const request = http.request(url, { method: 'POST', headers, agent }, (answer) => {
      let text = '';
      answer.on('data', (part) => (text += part));
      answer.on('end', () => resolve({ status: answer.statusCode, body: JSON.parse(text) }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await post(JSON.parse(line))));
}
agent.destroy();
