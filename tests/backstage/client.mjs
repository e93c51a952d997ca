// Runs every call of the real @backstage/catalog-client against a server that holds the conformance
// catalog. usage: node client.mjs URL. Prints one line of JSON at the end: the calls that were made.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.NODE_PACKAGES ?? import.meta.dirname, 'x.js'));
const { CatalogClient, CATALOG_FILTER_EXISTS } = require('@backstage/catalog-client');
const { stringifyEntityRef } = require('@backstage/catalog-model');

const base = `${process.argv[2]}/api/catalog`;
const called = new Set();
const client = new Proxy(
  new CatalogClient({ discoveryApi: { getBaseUrl: async () => base }, fetchApi: { fetch } }),
  {
    get(target, name) {
      const value = target[name];
      if (typeof value !== 'function') return value;
      called.add(name);
      return value.bind(target);
    },
  },
);
const refs = entities => entities.map(stringifyEntityRef);
const failsWith = (status, promise) =>
  assert.rejects(promise, error => error.response?.status === status || error.statusCode === status);

// Lists.
const all = (await client.getEntities()).items;
const components = (await client.getEntities({ filter: { kind: 'component' } })).items;
assert.ok(all.length > components.length && components.length > 100);
assert.ok(components.every(entity => entity.kind === 'Component'));
const either = await client.getEntities({
  filter: [{ kind: ['user', 'group'] }, { kind: 'component', 'spec.system': CATALOG_FILTER_EXISTS }],
  fields: ['kind', 'metadata.name', 'metadata.namespace'],
  order: [{ field: 'metadata.name', order: 'desc' }, { field: 'kind', order: 'asc' }],
  offset: 2,
  limit: 7,
});
assert.equal(either.items.length, 7);
const names = either.items.map(entity => entity.metadata.name.toLowerCase());
assert.deepEqual(names, [...names].sort().reverse());
await failsWith(400, client.getEntities({ limit: 0 }));

// One entity.
const full = await client.getEntityByRef('component:default/full-service');
assert.equal(full.metadata.name, 'full-service');
assert.deepEqual(await client.getEntityByName({ kind: 'COMPONENT', name: 'Full-Service' }), full);
assert.equal(await client.getEntityByRef('component:default/none'), undefined);
const some = await client.getEntitiesByRefs({
  entityRefs: ['component:default/full-service', 'component:default/none', 'group:default/hand-team'],
});
assert.deepEqual(some.items.map(item => item && stringifyEntityRef(item)), [
  'component:default/full-service', undefined, 'group:default/hand-team',
]);
const groups = await client.getEntitiesByRefs({
  entityRefs: refs(all.slice(0, 50)),
  query: { kind: 'group' },
  filter: { 'metadata.namespace': 'default' },
  fields: ['kind'],
});
assert.ok(groups.items.every(item => item === undefined || item.kind === 'Group'));
const many = Array.from({ length: 2500 }, (_, n) => `component:default/unknown-${n}`);
const filtered = await client.getEntitiesByRefs({ entityRefs: many, filter: { kind: 'user' } });
assert.equal(filtered.items.length, 2500);
const ancestors = await client.getEntityAncestors({ entityRef: 'domain:default/hand-domain' });
assert.equal(ancestors.rootEntityRef, 'domain:default/hand-domain');
assert.deepEqual(ancestors.items.map(item => item.parentEntityRefs), [[]]);
const child = await client.getEntityAncestors({ entityRef: 'component:default/child-a' });
assert.deepEqual(child.items[0].parentEntityRefs, ['location:default/hand-location']);

// Pages, by filters and by predicates.
const page = await client.queryEntities({
  filter: { kind: 'component' },
  orderFields: { field: 'metadata.name', order: 'asc' },
  fullTextFilter: { term: 'a', fields: ['metadata.name', 'metadata.title'] },
  fields: ['kind', 'metadata'],
  limit: 10,
});
assert.equal(page.items.length, 10);
assert.ok(page.totalItems > 10 && page.pageInfo.nextCursor && !page.pageInfo.prevCursor);
const next = await client.queryEntities({ cursor: page.pageInfo.nextCursor, limit: 10 });
assert.equal(next.totalItems, page.totalItems);
const back = await client.queryEntities({
  cursor: next.pageInfo.prevCursor, limit: 10, fields: ['kind', 'metadata'],
});
assert.deepEqual(back.items, page.items);
const query = { $all: [{ kind: 'component' }, { $not: { 'spec.type': { $in: ['website'] } } }] };
const found = [];
let cursor;
do {
  const part = await client.queryEntities(
    cursor ? { cursor, limit: 30 } : { query, limit: 30, orderFields: [{ field: 'metadata.name', order: 'desc' }] },
  );
  found.push(...part.items);
  cursor = part.pageInfo.nextCursor;
} while (cursor);
const wanted = components.filter(entity => entity.spec.type !== 'website');
assert.deepEqual(refs(found).sort(), refs(wanted).sort());
const counted = await client.queryEntities({ query, limit: 0 });
assert.deepEqual([counted.items.length, counted.totalItems], [0, wanted.length]);
const uncounted = await client.queryEntities({ filter: { kind: 'user' }, limit: 1, totalItems: 'exclude' });
assert.equal(uncounted.totalItems, 0);
const streamed = [];
for await (const part of client.streamEntities({ filter: { kind: 'component' }, pageSize: 40 })) streamed.push(...part);
assert.deepEqual(refs(streamed).sort(), refs(components).sort());
await failsWith(400, client.queryEntities({ cursor: 'bm9wZQ==' }));

// Facets.
const facets = (await client.getEntityFacets({ facets: ['kind', 'spec.type'], filter: { kind: 'component' } })).facets;
assert.deepEqual(facets.kind, [{ value: 'Component', count: components.length }]);
const owned = await client.getEntityFacets({ facets: ['kind'], query: { 'spec.owner': 'hand-team' }, filter: { kind: 'api' } });
assert.deepEqual(owned.facets.kind, [{ value: 'API', count: 5 }]);

// Locations.
const target = 'https://example.org/catalog-info.yaml';
assert.deepEqual((await client.getLocations()).items, []);
const { location, entities } = await client.addLocation({ target });
assert.deepEqual(entities, []);
assert.equal(location.target, target);
await failsWith(409, client.addLocation({ type: 'url', target }));
const again = await client.addLocation({ target, onConflict: 'refresh' });
assert.deepEqual(again.location, location);
await failsWith(400, client.addLocation({ target, dryRun: true }));
assert.deepEqual(await client.getLocationById(location.id), location);
assert.deepEqual(await client.getLocationByRef(`url:${target}`), location);
assert.equal(await client.getLocationById('00000000-0000-0000-0000-000000000000'), undefined);
const entity = await client.getEntityByRef(location.entityRef);
assert.equal(entity.spec.target, target);
assert.deepEqual(await client.getLocationByEntity(location.entityRef), location);
assert.equal(await client.getLocationByEntity('component:default/full-service'), undefined);
const moved = await client.updateLocation(location.id, { target: `${target}?v=2` });
assert.deepEqual(moved, { ...location, target: `${target}?v=2` });
assert.equal((await client.getEntityByRef(location.entityRef)).spec.target, moved.target);
const second = (await client.addLocation({ target })).location;
assert.notEqual(second.id, location.id);
await failsWith(409, client.updateLocation(second.id, { target: moved.target }));
const listed = await client.queryLocations({ query: { type: 'url' }, limit: 1 });
assert.deepEqual([listed.items.length, listed.totalItems], [1, 2]);
const locations = [];
for await (const part of client.streamLocations({ limit: 1 })) locations.push(...part);
assert.deepEqual(locations.map(one => one.id).sort(), [location.id, second.id].sort());
await client.removeLocationById(second.id);
await client.removeLocationById(location.id);
await failsWith(404, client.removeLocationById(location.id));
assert.equal(await client.getEntityByRef(location.entityRef), undefined);
const analysis = await client.analyzeLocation({ location: { type: 'url', target: 'https://github.com/acme/x' } });
assert.equal(analysis.generateEntities[0].entity.metadata.name, 'x');

// Entities are validated, read again and removed.
const good = { apiVersion: 'backstage.io/v1alpha1', kind: 'Component', metadata: { name: 'v1' }, spec: { type: 'service', lifecycle: 'x', owner: 'me' } };
assert.deepEqual(await client.validateEntity(good, 'url:https://example.org/x.yaml'), { valid: true });
const bad = await client.validateEntity({ ...good, metadata: { name: 'no good' } }, 'url:https://example.org/x.yaml');
assert.ok(!bad.valid && bad.errors[0].message.includes('metadata.name'));
await client.refreshEntity('component:default/full-service');
await failsWith(404, client.refreshEntity('component:default/none'));
await client.removeEntityByUid(full.metadata.uid);
assert.equal(await client.getEntityByRef('component:default/full-service'), undefined);
await client.removeEntityByUid(full.metadata.uid);

const internal = ['constructor', 'queryEntitiesByPredicate', 'getEntityFacetsByPredicate', 'requestIgnored', 'requestRequired', 'requestOptional', 'getFilterValue'];
const missing = Object.getOwnPropertyNames(CatalogClient.prototype).filter(name => !called.has(name) && !internal.includes(name));
assert.deepEqual(missing, []);
console.log(JSON.stringify({ called: [...called].filter(name => !internal.includes(name)).length }));
