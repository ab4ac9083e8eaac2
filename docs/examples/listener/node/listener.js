// SPDX-License-Identifier: Apache-2.0
//
// A target of a NotificationEndpoint in Node.js, with nothing but its standard library.
//
//   SECRET_FOLDER=/etc/cloudinary PORT=8080 node listener.js

'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const MAX_AGE = 30 * 24 * 3600; // as long as spec.receiver.retry.maxAge can be: what arrives late keeps its first timestamp
const MAX_FUTURE = 5 * 60;
const MAX_BODY = 3 * 1024 * 1024;

// The files of the mounted Secret are read anew each time: a key that is rotated arrives while the program runs.
function secrets(folder = process.env.SECRET_FOLDER || '/etc/cloudinary') {
  return fs.readdirSync(folder)
    .filter((name) => name === 'CLOUDINARY_URL' || name === 'api_secret' || name.startsWith('signing.'))
    .map((name) => {
      const text = fs.readFileSync(path.join(folder, name), 'utf8').trim();
      return name === 'CLOUDINARY_URL' ? decodeURIComponent(new URL(text).password) : text;
    })
    .filter((secret) => secret !== ''); // with an empty secret, anybody could sign
}

// verify says how to answer: 200 for a genuine notification. It needs the bytes as they came, not JSON that was decoded and encoded again.
function verify(headers, body, keys, now = Date.now() / 1000) {
  const timestamp = headers['x-cld-timestamp'] || '';
  const signature = headers['x-cld-signature'] || '';
  const algorithm = { 40: 'sha1', 64: 'sha256' }[signature.length];
  if (!/^[1-9][0-9]{9}$/.test(timestamp) || !algorithm || !/^[0-9a-f]+$/.test(signature)) return 400;
  const genuine = keys.some((secret) => {
    const digest = crypto.createHash(algorithm).update(body).update(timestamp).update(secret).digest('hex');
    return crypto.timingSafeEqual(Buffer.from(digest), Buffer.from(signature));
  });
  if (!genuine) return 503; // perhaps a key that is still on its way here: a 4xx would make a dead letter of it
  const age = now - Number(timestamp);
  return age > MAX_AGE || age < -MAX_FUTURE ? 400 : 200;
}

const done = new Set(); // keys of what was handled; keep them where they outlive the process, best in the transaction of the work

// handle does the work. It may be called twice for one notification, after a crash in between.
async function handle(notification) {
  console.log(`${notification.notification_type} ${notification.public_id}`);
}

const server = http.createServer(async (request, response) => {
  const answer = (status) => response.writeHead(status).end();
  if (request.method !== 'POST') return answer(request.url === '/healthz' ? 200 : 405);
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    if ((size += chunk.length) > MAX_BODY) return answer(413);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  try {
    const status = verify(request.headers, body, secrets());
    if (status !== 200) return answer(status);
    const notification = JSON.parse(body);
    if (notification === null || typeof notification !== 'object' || Array.isArray(notification)) return answer(400);
    const key = request.headers['idempotency-key'];
    if (!key || !done.has(key)) {
      await handle(notification);
      if (key) done.add(key);
    }
    return answer(200); // only now: the work is done
  } catch (error) {
    if (error instanceof SyntaxError) return answer(400); // not JSON: it never will be
    console.error(error);
    return answer(503); // the receiver tries again
  }
});

server.listen(Number(process.env.PORT || 8080), process.env.HOST);
