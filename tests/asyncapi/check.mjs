// Judges an AsyncAPI document: node check.mjs FOLDER_WITH_NODE_MODULES FILE. Prints what is wrong.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [packages, file] = process.argv.slice(2);
const require = createRequire(join(resolve(packages), 'package.json'));
const { Parser } = require('@asyncapi/parser');
const { document, diagnostics } = await new Parser().parse(readFileSync(file, 'utf8'));
// 0 is an error, 1 a warning; what is less is taste.
const wrong = diagnostics.filter((one) => one.severity <= 1);
for (const { code, message, path } of wrong) console.log(`${path.join('.')}: ${message} (${code})`);
if (document) {
  const channels = document.channels().all();
  const messages = channels.map((channel) => `${channel.id()}=${channel.messages().all().length}`);
  console.log(`channels ${messages.join(' ')}`);
}
process.exit(document && wrong.length === 0 ? 0 : 1);
