// SPDX-License-Identifier: Apache-2.0

// Fills in what json-logic-js makes of each case of a file, and writes it back. See reference.sh.
'use strict';
const fs = require('fs');
const [, , library, file] = process.argv;
const logic = require(library);
const { version } = require(`${library}/package.json`);
console.log = () => {}; // the operator log

// encoded writes as JSON what JSON has no word for, too.
function encoded(value) {
  if (value === undefined) return { $: 'undefined' };
  if (typeof value === 'number' && !Number.isFinite(value)) return { $: String(value) };
  if (Array.isArray(value)) return value.map(encoded);
  if (typeof value === 'function') throw new Error('a function is no value of JSON');
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, encoded(member)]));
  }
  return value;
}

function wanted(rule, data) {
  try {
    const value = logic.apply(rule, data);
    return { want: encoded(value), truthy: logic.truthy(value) };
  } catch (e) {
    return { want: { $: 'throws' }, truthy: false };
  }
}

const all = JSON.parse(fs.readFileSync(file, 'utf8'));
const lines = all.cases.map(({ rule, data }) =>
  JSON.stringify({ rule, data, ...wanted(rule, data === undefined ? all.data : data) }));
fs.writeFileSync(file, `{
"reference": "json-logic-js ${version}, by hack/jsonlogic/reference.sh",
"data": ${JSON.stringify(all.data)},
"cases": [
${lines.join(',\n')}
]
}
`);
process.stdout.write(`${lines.length} cases by json-logic-js ${version}\n`);
