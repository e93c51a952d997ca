// Answers questions about the catalog model with the code of the real Backstage, one JSON object a line
// in and one out, in order. Nothing of Backstage is copied: its packages are called.
//
//   {op: "entity", entity}            the verdict on a document, and what its processing yields
//   {op: "yaml", text}                the documents of a file, or their errors
//   {op: "ref", ref, context}         parseEntityRef and stringifyEntityRef
//   {op: "location", text}            parseLocationRef
//   {op: "resolve", base, type, target}   where a Location entity's relative target points to
//   {op: "placeholders", entity}      what PlaceholderProcessor would have replaced
//   {op: "schema", schema, instances} a kind's JSON schema as Backstage compiles and applies it
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

// The packages are found from the folder that NODE_PACKAGES names, so that this file and
// node_modules need not be neighbours.
const require = createRequire(join(process.env.NODE_PACKAGES ?? import.meta.dirname, 'x.js'));
const backend = dirname(require.resolve('@backstage/plugin-catalog-backend/package.json'));
const inside = path => require(join(backend, 'dist', `${path}.cjs.js`));

const model = require('@backstage/catalog-model');
const alpha = require('@backstage/catalog-model/alpha');
const YAML = require('yaml');
const { ScmIntegrations } = require('@backstage/integration');
const { ConfigReader } = require('@backstage/config');
const { ScaffolderEntitiesProcessor } = require(
  '@backstage/plugin-catalog-backend-module-scaffolder-entity-model',
);
const { DefaultCatalogProcessingOrchestrator } = inside(
  'processing/DefaultCatalogProcessingOrchestrator',
);
const { BuiltinKindsEntityProcessor } = inside('processors/BuiltinKindsEntityProcessor');
const { ModelProcessor } = inside('processors/ModelProcessor');
const { PlaceholderProcessor } = inside('processors/PlaceholderProcessor');
const { buildEntitySearch } = inside('database/operations/stitcher/buildEntitySearch');
const { toAbsoluteUrl, validateEntityEnvelope } = inside('processing/util');

const integrations = ScmIntegrations.fromConfig(new ConfigReader({}));
const location = 'url:https://example.com/acme/catalog/blob/main/catalog-info.yaml';

// A Location's targets are read elsewhere: here every target can be read, and is empty.
const readsAnything = { getProcessorName: () => 'ReadsAnything', readLocation: async () => true };

function orchestrator(...processors) {
  const logger = { child: () => logger, warn() {}, debug() {}, info() {}, error() {} };
  return new DefaultCatalogProcessingOrchestrator({
    integrations,
    logger,
    processors: [...processors, readsAnything],
    parser: async function* parser() {},
    rulesEnforcer: { isAllowed: () => true },
    policy: model.EntityPolicies.allOf([
      new model.SchemaValidEntityPolicy(),
      new model.DefaultNamespaceEntityPolicy(),
      new model.NoForeignRootFieldsEntityPolicy(),
      new model.FieldFormatEntityPolicy(model.makeValidator()),
    ]),
  });
}

// As the catalog is without further configuration …
const plain = orchestrator(new BuiltinKindsEntityProcessor(), new ScaffolderEntitiesProcessor());
// … and as it is for the kinds that only a model knows: AiResource, and API of the type mcp-server.
const modelled = orchestrator(
  new ModelProcessor({
    model: alpha.compileCatalogModel([
      alpha.CatalogModelSources.default() && alpha.defaultCatalogEntityModel,
      alpha.aiResourceEntityModel,
      alpha.mcpServerApiEntityModel,
    ]),
  }),
);

async function entity({ entity: given }) {
  validateEntityEnvelope(given);
  const annotations = given.metadata.annotations || {};
  if (typeof annotations !== 'object' || Array.isArray(annotations)) {
    throw new Error('metadata.annotations must be a valid object');
  }
  const copy = structuredClone(given);
  copy.metadata.annotations = {
    ...annotations,
    [model.ANNOTATION_ORIGIN_LOCATION]: location,
    [model.ANNOTATION_LOCATION]: location,
  };
  const isAi = given.kind === 'AiResource';
  const isMcp = given.kind === 'API' && given.spec?.type === 'mcp-server';
  let done = await (isAi ? modelled : plain).process({ entity: structuredClone(copy), state: {} });
  if (isMcp && !done.ok) {
    done = await modelled.process({ entity: copy, state: {} });
  }
  if (!done.ok) {
    throw done.errors[0];
  }
  const self = model.stringifyEntityRef(done.completedEntity);
  const relations = done.relations.map(r => [
    model.stringifyEntityRef(r.source),
    r.type,
    model.stringifyEntityRef(r.target),
  ]);
  const search = buildEntitySearch('id', done.completedEntity).map(row => [
    row.key,
    row.value,
    row.original_value,
  ]);
  return { self, entity: done.completedEntity, relations, search };
}

function yaml({ text }) {
  const documents = YAML.parseAllDocuments(text, { merge: false }).filter(d => d);
  return {
    documents: documents.map(document => {
      if (document.errors.length) {
        return { error: `${document.errors[0]}` };
      }
      try {
        return { value: JSON.parse(JSON.stringify(document.toJSON())) };
      } catch (error) {
        return { error: `${error}` };
      }
    }),
  };
}

async function placeholders({ entity: given }) {
  const found = [];
  const stub = key => [
    key,
    async ({ value }) => {
      if (typeof value !== 'string') {
        throw new Error(`Placeholder $${key} expected a string value parameter`);
      }
      found.push([key, value]);
      return { resolved: value };
    },
  ];
  const processor = new PlaceholderProcessor({
    resolvers: Object.fromEntries(['text', 'json', 'yaml'].map(stub)),
    reader: {},
    integrations,
  });
  const result = await processor.preProcessEntity(given, { target: location }, () => {});
  return { entity: result, found: found.length };
}

function schema({ schema: given, instances }) {
  const validate = model.entityKindSchemaValidator(given);
  return {
    results: instances.map(instance => {
      try {
        return validate(instance) === instance;
      } catch (error) {
        return error.message;
      }
    }),
  };
}

const operations = {
  entity,
  yaml,
  placeholders,
  schema,
  ref: ({ ref, context }) => ({
    text: model.stringifyEntityRef(model.parseEntityRef(ref, context)),
  }),
  location: ({ text }) => model.parseLocationRef(text),
  resolve: ({ base, type, target }) => ({
    target: toAbsoluteUrl(integrations, base, type, target),
  }),
};

// Advice on how to write schemas and keys is not asked for.
console.warn = () => {};
process.removeAllListeners('warning');
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  let answer;
  try {
    const question = JSON.parse(line);
    answer = { ok: true, ...(await operations[question.op](question)) };
  } catch (error) {
    answer = { ok: false, name: error.name, message: `${error.message}` };
  }
  // Half of a surrogate pair, which JSON.stringify escapes, can be read by nobody else.
  const text = JSON.stringify(answer).replace(/(?<!\\)\\ud[89ab-f][0-9a-f]{2}/g, '\\ufffd');
  process.stdout.write(`${text}\n`);
}
