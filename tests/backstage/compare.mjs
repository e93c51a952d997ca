// Asks a server and the real catalog backend the same random questions about the same entities.
// usage: node compare.mjs URL SEED COUNT. Prints the questions whose answers differ, and one line of
// JSON at the end. The backend runs on PostgreSQL, as WebAssembly in this process.
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';

const packages = join(process.env.NODE_PACKAGES ?? import.meta.dirname, 'x.js');
const require = createRequire(packages);
const express = require('express');
const makeKnex = require('knex');
const { PGlite } = require('@electric-sql/pglite');
const { PGLiteSocketServer } = require('@electric-sql/pglite-socket');
const { stringifyEntityRef } = require('@backstage/catalog-model');
const backend = dirname(require.resolve('@backstage/plugin-catalog-backend/package.json'));
const inside = path => require(join(backend, 'dist', `${path}.cjs.js`));
const { ConfigReader } = createRequire(join(backend, 'x.js'))('@backstage/config');
const { DefaultEntitiesCatalog } = inside('service/DefaultEntitiesCatalog');
const { createRouter } = inside('service/createRouter');
const { buildEntitySearch } = inside('database/operations/stitcher/buildEntitySearch');

const [url, seed, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const ours = `${url}/api/catalog`;
const entities = await (await fetch(`${ours}/entities`)).json();

// The reference: the entities that our server shows, in the tables of the real backend.
const freePort = () => new Promise(done => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

async function reference() {
  const [host, port] = ['127.0.0.1', await freePort()];
  await new PGLiteSocketServer({ db: await PGlite.create(), port, host }).start();
  const connection = { host, port, user: 'postgres', database: 'postgres' };
  const database = makeKnex({ client: 'pg', connection, pool: { min: 1, max: 1 } });
  await database.migrate.latest({ directory: join(backend, 'migrations') });
  const now = new Date();
  const row = entity => ({ entity_id: entity.metadata.uid, entity_ref: stringifyEntityRef(entity) });
  await database.batchInsert('refresh_state', entities.map(entity => ({
    ...row(entity), unprocessed_entity: '{}', errors: '[]', next_update_at: now, last_discovery_at: now,
  })), 100);
  await database.batchInsert('final_entities', entities.map(entity => ({
    ...row(entity), final_entity: JSON.stringify(entity), hash: 'x',
  })), 50);
  const search = entities.flatMap(entity => buildEntitySearch(entity.metadata.uid, entity));
  await database.batchInsert('search', search, 500);
  const logger = { info() {}, warn() {}, error() {}, debug() {}, child: () => logger };
  const event = { success: async () => {}, fail: async () => {} };
  const router = await createRouter({
    entitiesCatalog: new DefaultEntitiesCatalog({ database, logger, stitcher: {} }),
    config: new ConfigReader({}),
    httpAuth: { credentials: async () => ({}) },
    auditor: { createEvent: async () => event },
    logger, auth: {}, locationService: {}, locationAnalyzer: {}, refreshService: {}, orchestrator: {},
    permissionsService: {},
  });
  const app = express();
  app.use('/api/catalog', router);
  app.use((error, _request, response, _next) => {
    const status = { InputError: 400, NotFoundError: 404 }[error.name] ?? 500;
    response.status(status).json({ error: { name: error.name, message: error.message } });
  });
  return new Promise(done => {
    const server = app.listen(0, host, () => done(`http://${host}:${server.address().port}/api/catalog`));
  });
}

// Random questions. Keys and values are mostly those that entities have, in some case.
let state = seed >>> 0;
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};
const below = end => Math.floor(random() * end);
const pick = list => list[below(list.length)];
const chance = share => random() < share;
const some = (most, make) => Array.from({ length: below(most + 1) }, make);

const known = new Map();
const note = (key, value) => {
  if (!known.has(key)) known.set(key, new Set());
  known.get(key).add(value);
};
const walk = (path, value) => {
  if (value === null || typeof value !== 'object') return note(path, value);
  if (!Array.isArray(value)) {
    for (const key in value) walk(path ? `${path}.${key}` : key, value[key]);
    return undefined;
  }
  for (const item of value) {
    walk(path, item);
    if (typeof item === 'string' && chance(0.1)) note(`${path}.${item}`, true);
  }
  return undefined;
};
for (const entity of entities) {
  walk('', entity);
  for (const { type, targetRef } of entity.relations) note(`relations.${type}`, targetRef);
}
const often = ['kind', 'spec.type', 'metadata.tags', 'metadata.name', 'metadata.title', 'spec.owner', 'relations.ownedBy'];
const keys = [...known.keys(), ...often, ...often, ...often, 'nope', 'status', 'metadata', 'metadata.etag'];
const mixed = text => (chance(0.2) ? text.toUpperCase() : text);
const valueOf = key => {
  const all = [...(known.get(key) ?? [])];
  const value = all.length && chance(0.9) ? pick(all) : pick(['x', '', 'true', 0, 1.5, true, null]);
  return typeof value === 'string' ? mixed(value) : value;
};
const key = () => mixed(pick(keys));

const condition = name => {
  const value = valueOf(name);
  const target = pick(['group:default/hand-team', 'Group:Default/Hand-Team', { $in: ['group:default/hand-team', 'x'] }, { $in: [] }, 4]);
  return pick([
    () => value, () => value, () => value,
    () => ({ $exists: chance(0.6) }),
    () => ({ $in: [value, valueOf(name)].filter(one => one !== null) }),
    () => ({ $hasPrefix: String(value ?? '').slice(0, below(6)) }),
    () => ({ $contains: value }),
    () => ({ $contains: { type: pick(['ownedBy', 'OWNEROF', 'x', '', 3]), targetRef: target } }),
    () => pick([{ $regex: 'x' }, { $in: 'x' }, { $exists: 'x', $hasPrefix: 'a' }, { $exists: true, $in: ['x'] }, { $in: [], x: 1 }]),
  ])();
};
const predicate = depth => {
  if (chance(0.03)) return pick([{}, { $all: 'x' }, { $nor: [] }, 'x', { $all: [], kind: 'x' }, { $any: ['x'] }, [], { $not: [] }]);
  if (depth > 0 && chance(0.35)) {
    const many = some(3, () => predicate(depth - 1));
    return pick([{ $all: many }, { $any: many }, { $not: predicate(depth - 1) }]);
  }
  if (chance(0.1)) return { relations: { $contains: { type: pick(['ownedBy', 'hasPart']), ...(chance(0.5) && { targetRef: 'group:default/hand-team' }) } } };
  const name = pick(keys);
  return { [mixed(name)]: condition(name), ...(chance(0.3) && { kind: condition('kind') }) };
};
const statement = () => {
  const name = pick(keys);
  const value = valueOf(name);
  return pick([`${name}=${value}`, `${name}=${value}`, name, `${name}=`, ` ${name} = ${value} `, `${name}=${value},${name}=${valueOf(name)}`, '']);
};
const filters = () => some(2, () => ['filter', [statement(), ...some(1, statement)].join(',')]);
const fields = () => [pick([...keys, 'metadata', 'spec', 'metadata.tags.0', 'metadata.tags.1', 'relations.1.type', 'metadata.links.0.url', 'metadata.name.x']), ...some(2, () => pick(keys))].filter(field => !field.includes(','));
const term = () => {
  if (chance(0.15)) return pick(['%', '_', '\\', 'a%b', 'a_', '100%', ' a ', '\\%', 'x\\']);
  const text = String(valueOf(pick(keys)) ?? '');
  return text.slice(below(text.length)).slice(0, 1 + below(5));
};
const limit = () => pick([undefined, undefined, 500, 500, 500, 0, 1, 2, 3, 10, 50, ...(chance(0.1) ? [-1, 'x', 1.5] : [])]);
const query = pairs => `?${pairs.filter(([, value]) => value !== undefined && value !== '').map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`;
const list = values => (values.length ? values.join(',') : undefined);

const questions = [
  () => ({ method: 'GET', path: `/entities${query([...filters(), ['limit', limit()], ['offset', chance(0.3) ? below(20) : undefined], ['fields', chance(0.5) ? list(fields()) : undefined], ...some(1, () => ['order', `${pick(['asc', 'desc', 'up'])}:${pick(keys).toLowerCase()}`])])}` }),
  () => ({ method: 'GET', path: `/entities/by-query${query([...filters(), ['limit', limit()], ['offset', chance(0.3) ? below(20) : undefined], ['fields', chance(0.5) ? list(fields()) : undefined], ...some(1, () => ['orderField', key() + pick(['', ',asc', ',desc', ',up'])]), ['fullTextFilterTerm', chance(0.3) ? term() : undefined], ['fullTextFilterFields', chance(0.3) ? `${key()},${key()}` : undefined], ['totalItems', chance(0.1) ? pick(['include', 'exclude', 'x']) : undefined]])}` }),
  () => ({
    method: 'POST',
    path: '/entities/by-query',
    body: {
      query: chance(0.8) ? predicate(2) : undefined,
      limit: limit(),
      offset: chance(0.2) ? below(20) : undefined,
      fields: chance(0.5) ? fields() : undefined,
      orderBy: chance(0.5) ? [{ field: key(), order: pick(['asc', 'desc', 'desc', 'up']) }] : undefined,
      fullTextFilter: chance(0.3) ? pick([{ term: term() }, { term: term(), fields: [key(), key()] }, { term: 'a', fields: [] }, {}]) : undefined,
    },
  }),
  () => ({
    method: 'POST',
    path: `/entities/by-refs${query(filters().slice(1))}`,
    body: {
      entityRefs: ['user:default/loner', ...some(5, () => pick([stringifyEntityRef(pick(entities)), stringifyEntityRef(pick(entities)).toUpperCase(), 'x', '']))],
      fields: chance(0.4) ? fields() : undefined,
      query: chance(0.4) ? predicate(1) : undefined,
    },
  }),
  () => ({ method: 'GET', path: `/entity-facets${query([...some(3, () => ['facet', key()]), ...filters()])}` }),
  () => ({ method: 'POST', path: '/entity-facets', body: { facets: some(3, key), query: chance(0.7) ? predicate(2) : undefined } }),
];

// What differs, and why that is right.
const isKnown = ({ method, path, body }, answer) =>
  // PostgreSQL rounds, and faults where that can't be.
  (method === 'POST' && path.endsWith('/by-query') && body.limit !== undefined && !(Number.isInteger(body.limit) && body.limit >= 0)) ||
  answer.status >= 500;

async function ask(base, { method, path, body }) {
  const response = await fetch(base + path, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text), link: response.headers.has('link') };
}
const sorted = value => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map(name => [name, sorted(value[name])]));
};
const text = value => JSON.stringify(sorted(value));

/** In what two answers differ. Where Backstage's order is by chance, only sets are compared. */
function difference(question, mine, theirs) {
  if (mine.status !== theirs.status) return 'status';
  if (mine.status >= 400) return mine.body.error?.name === theirs.body.error?.name ? undefined : 'error';
  if (/entity-facets|by-refs/.test(question.path)) return text(mine.body) === text(theirs.body) ? undefined : 'body';
  const [items, wanted] = [mine, theirs].map(({ body }) => body.items ?? body);
  if (items.length !== wanted.length) return 'length';
  if (mine.link !== theirs.link) return 'link';
  const info = ({ body }) => [body.totalItems, Object.keys(body.pageInfo ?? {}).sort()];
  if (text(info(mine)) !== text(info(theirs))) return 'page';
  const isWhole = mine.body.items ? items.length === mine.body.totalItems : !/limit=|offset=/.test(question.path);
  const set = list => list.map(text).sort().join();
  if (isWhole && set(items) !== set(wanted)) return 'set';
  const isOrdered = /^\/entities\?.*(limit|offset)=/.test(question.path) && !question.path.includes('order=');
  return isOrdered && text(items) !== text(wanted) ? 'order' : undefined;
}

const theirs = await reference();
const tally = { questions: 0, refused: 0, differences: 0 };
for (let number = 0; number < count; number++) {
  const question = pick(questions)();
  const [mine, other] = [await ask(ours, question), await ask(theirs, question)];
  tally.questions += 1;
  tally.refused += Number(other.status >= 400);
  const why = isKnown(question, other) ? mine.status >= 500 && 'fault' : difference(question, mine, other);
  if (why) {
    tally.differences += 1;
    console.log(`${why}: ${JSON.stringify(question)}\n  ours ${mine.status} ${text(mine.body).slice(0, 300)}\n  theirs ${other.status} ${text(other.body).slice(0, 300)}`);
  }
}
console.log(JSON.stringify(tally));
process.exit(tally.differences ? 1 : 0);
