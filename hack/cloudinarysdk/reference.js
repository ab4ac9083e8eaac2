// SPDX-License-Identifier: Apache-2.0

// Says of each case of a file what Cloudinary's SDK signs it with, and whether that is what the file says. See reference.sh.
'use strict';
const fs = require('fs');
const [, , library, file, write] = process.argv;
const { utils } = require(library).v2;
const { version } = require(`${library}/package.json`);

// The route has the secret, and the browser says what is to be signed: that is all there is to such a route.
function signature({ params, algorithm, version: signatureVersion }, secret) {
  return utils.api_sign_request(params, secret, algorithm, signatureVersion);
}

const all = JSON.parse(fs.readFileSync(file, 'utf8'));
if (write === '--write') {
  const lines = all.cases.map((c) => JSON.stringify({ ...c, signature: signature(c, all.secret) }));
  fs.writeFileSync(file, `{
"reference": "cloudinary ${version} from npm, by hack/cloudinarysdk/reference.sh",
"secret": ${JSON.stringify(all.secret)},
"cases": [
${lines.join(',\n')}
]
}
`);
}
const wrong = all.cases.filter((c) => write !== '--write' && c.signature !== signature(c, all.secret));
wrong.forEach((c) => process.stderr.write(`${c.name}: the SDK signs ${signature(c, all.secret)}, the file says ${c.signature}\n`));
process.stdout.write(`${all.cases.length} cases by cloudinary ${version} for Node, ${wrong.length} of them otherwise than in the file\n`);
process.exitCode = wrong.length ? 1 : 0;
