// A GitHub to be read in tests. Queries are validated and executed against GitHub's published GraphQL
// schema, so that what GitHub refuses is refused here; repositories, teams, limits and faults are
// what tests make of them with POST /control. Prints the port that it listens on.
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

// The packages are found from the folder that NODE_PACKAGES names.
const packages = process.env.NODE_PACKAGES ?? import.meta.dirname;
const require = createRequire(join(packages, 'x.js'));
const { buildSchema, execute, parse, validate, visit, getOperationAST } = require('graphql');
const schema = buildSchema(
  readFileSync(join(packages, 'node_modules/@octokit/graphql-schema/schema.graphql'), 'utf8'),
  { assumeValidSDL: true },
);

const owners = new Map(); // login in lower case -> { login, kind, repositories, teams, people }
const byId = new Map();
const blobs = new Map(); // oid -> text
const trees = new Map(); // commit -> files
const tokens = new Map([['t0ken-of-tests', { scopes: 'repo, read:org' }]]);
const asked = { queries: {}, points: 0, rest: 0, installations: 0 };
let faults = [];
let limit = { limit: 5000, left: 5000, resets: Math.floor(Date.now() / 1000) + 3600 };
let app = null;
let made = 0;

const sha = text => createHash('sha1').update(text).digest('hex');
const web = () => `http://127.0.0.1:${server.address().port}`;

function owner(login, kind = 'Organization') {
  const key = login.toLowerCase();
  if (!owners.has(key)) {
    owners.set(key, { login, kind, repositories: new Map(), teams: [], people: [] });
  }
  return owners.get(key);
}

const ops = {
  repo({ owner: login, name, ...rest }) {
    const of = owner(login);
    const key = name.toLowerCase();
    const before = of.repositories.get(key);
    const repo = before ?? {
      id: `R_${++made}`, made, name, login: of.login, archived: false, fork: false, topics: [],
      visibility: 'PUBLIC', branch: 'main', files: {}, pushes: 0,
    };
    const files = { ...repo.files, ...(rest.files ?? {}) };
    for (const path in files) if (files[path] === null) delete files[path];
    Object.assign(repo, rest, { files, login: of.login });
    if (rest.files || !before) repo.pushes += 1;
    of.repositories.set(key, repo);
    byId.set(repo.id, repo);
  },
  remove({ owner: login, name }) {
    const of = owner(login);
    const repo = of.repositories.get(name.toLowerCase());
    of.repositories.delete(name.toLowerCase());
    if (repo) byId.delete(repo.id);
  },
  rename({ owner: login, name, to, toOwner }) {
    const repo = owner(login).repositories.get(name.toLowerCase());
    owner(login).repositories.delete(name.toLowerCase());
    repo.name = to ?? name;
    repo.login = owner(toOwner ?? login).login;
    owner(repo.login).repositories.set(repo.name.toLowerCase(), repo);
  },
  generate({ owner: login, count }) {
    for (let at = 0; at < count; at += 1) {
      const name = `svc-${at}`;
      const text = 'apiVersion: backstage.io/v1alpha1\nkind: Component\n'
        + `metadata: {name: ${name}}\nspec: {type: service, lifecycle: production, owner: shop}\n`;
      ops.repo({ owner: login, name, files: { 'catalog-info.yaml': text } });
    }
  },
  org({ login, teams, people }) {
    Object.assign(owner(login), { teams: teams ?? [], people: people ?? [] });
  },
  // Whether nothing is listed of an owner, whether it is not there, and repositories not listed.
  hide({ owner: login, hidden, vanished, lacks }) {
    Object.assign(owner(login), { hidden, vanished, lacks });
  },
  user({ login }) {
    owner(login, 'User').kind = 'User';
  },
  token({ token, scopes, gone }) {
    if (gone) tokens.delete(token);
    else tokens.set(token, { scopes });
  },
  limit({ limit: all, left, seconds }) {
    limit = { limit: all, left: left ?? all, resets: Math.floor(Date.now() / 1000) + seconds, seconds };
  },
  app({ id, key, seconds }) {
    app = { id, key: createPublicKey(key), seconds };
  },
  fault(fault) {
    faults.push({ times: 1, ...fault });
  },
  calm() {
    faults = [];
  },
};

function commit(repo) {
  const oid = sha(`${repo.id} ${repo.pushes}`);
  trees.set(oid, repo.files);
  return oid;
}

function object(repo, expression) {
  const at = expression.indexOf(':');
  const [revision, path] = [expression.slice(0, at), expression.slice(at + 1)];
  const head = commit(repo);
  const files = ['HEAD', repo.branch, head].includes(revision) ? repo.files
    : trees.get(revision) ?? repo.revisions?.[revision];
  if (!files || !Object.keys(files).length) return null;
  if (path in files) {
    const text = files[path];
    const oid = sha(`blob ${text}`);
    blobs.set(oid, text);
    const truncated = text.length > 500_000;
    return {
      __typename: 'Blob', oid, byteSize: Buffer.byteLength(text), isTruncated: truncated,
      isBinary: false, text: truncated ? text.slice(0, 500_000) : text,
    };
  }
  const prefix = path === '' ? '' : `${path}/`;
  const below = Object.keys(files).filter(name => name.startsWith(prefix));
  if (!below.length) return null;
  const entries = new Map();
  for (const name of below) {
    const [first, ...rest] = name.slice(prefix.length).split('/');
    entries.set(first, { name: first, type: rest.length ? 'tree' : 'blob' });
  }
  return { __typename: 'Tree', oid: sha(`tree ${head} ${path}`), entries: [...entries.values()] };
}

const shown = repo => ({
  __typename: 'Repository',
  id: repo.id,
  name: repo.name,
  nameWithOwner: `${repo.login}/${repo.name}`,
  url: `${web()}/${repo.login}/${repo.name}`,
  isArchived: repo.archived,
  isDisabled: false,
  isFork: repo.fork,
  isEmpty: Object.keys(repo.files).length === 0,
  visibility: repo.visibility,
  repositoryTopics: args => page(repo.topics.map(name => ({ topic: { name } })), args),
  defaultBranchRef: Object.keys(repo.files).length
    ? { name: repo.branch, target: { __typename: 'Commit', oid: commit(repo) } } : null,
  object: ({ expression }) => object(repo, expression),
});

function page(all, { first, after }) {
  if (first == null || first < 1 || first > 100) throw new Error('`first` has to be 1 to 100');
  const from = after ? Number(Buffer.from(after, 'base64').toString().split(':')[1]) : 0;
  const nodes = all.slice(from, from + first);
  const endCursor = nodes.length ? Buffer.from(`cursor:${from + first}`).toString('base64') : null;
  return { totalCount: all.length, nodes, pageInfo: { hasNextPage: from + first < all.length, endCursor } };
}

const missing = (what, path) => Object.assign(
  new Error(`Could not resolve to a ${what}.`), { extensions: { type: 'NOT_FOUND' } });

function organization(of) {
  const team = one => ({
    __typename: 'Team', slug: one.slug, combinedSlug: `${of.login}/${one.slug}`, name: one.name ?? one.slug,
    description: one.description ?? null, avatarUrl: null,
    editTeamUrl: `${web()}/orgs/${of.login}/teams/${one.slug}/edit`,
    parentTeam: one.parent ? { slug: one.parent } : null,
    members: args => page((one.members ?? []).map(login => ({ login })), args),
  });
  return {
    login: of.login,
    teams: args => page(of.teams.map(team), args),
    team: ({ slug }) => of.teams.filter(one => one.slug === slug).map(team)[0] ?? null,
    membersWithRole: args => page(of.people.map(one => ({
      id: `U_${one.login}`, login: one.login, name: one.name ?? null, bio: one.bio ?? null,
      avatarUrl: `${web()}/a/${one.login}`, email: one.email ?? '',
    })), args),
  };
}

const root = cost => ({
  rateLimit: {
    cost, limit: limit.limit, remaining: limit.left,
    resetAt: new Date(limit.resets * 1000).toISOString().replace(/\.\d+Z$/, 'Z'),
  },
  repositoryOwner({ login }) {
    const of = owners.get(login.toLowerCase());
    if (!of || of.vanished) return null;
    const listed = [...of.repositories.values()].filter(repo => !of.lacks?.includes(repo.name));
    const all = of.hidden ? [] : listed.sort((a, b) => a.made - b.made);
    return { __typename: of.kind, login: of.login, repositories: args => page(all.map(shown), args) };
  },
  organization({ login }) {
    const of = owners.get(login.toLowerCase());
    if (!of || of.kind !== 'Organization') throw missing(`Organization with the login '${login}'`);
    return organization(of);
  },
  node({ id }) {
    const repo = byId.get(id);
    if (!repo) throw missing(`node with the global id of '${id}'`);
    return shown(repo);
  },
  repository({ owner: login, name }) {
    const repo = owners.get(login.toLowerCase())?.repositories.get(name.toLowerCase());
    if (!repo) throw missing(`Repository with the name '${login}/${name}'`);
    return shown(repo);
  },
});

// As GitHub counts: requests for connections, each as often as what it stands in; a hundred a point.
function cost(document, variables) {
  let requests = 0;
  const factors = [1];
  const first = field => {
    const value = field.arguments.find(argument => argument.name.value === 'first')?.value;
    if (!value) return null;
    return value.kind === 'Variable' ? variables[value.name.value] : Number(value.value);
  };
  visit(document, {
    Field: {
      enter(field) {
        const count = first(field);
        if (count != null) requests += factors.at(-1);
        factors.push(factors.at(-1) * (count ?? 1));
      },
      leave() { factors.pop(); },
    },
  });
  return Math.max(1, Math.round(requests / 100));
}

function limits() {
  const now = Math.floor(Date.now() / 1000);
  if (now >= limit.resets) Object.assign(limit, { left: limit.limit, resets: now + (limit.seconds ?? 3600) });
  return {
    'x-ratelimit-limit': limit.limit, 'x-ratelimit-remaining': limit.left,
    'x-ratelimit-reset': limit.resets, 'x-ratelimit-resource': 'graphql',
  };
}

async function graphql(text, answer) {
  const { query, variables } = JSON.parse(text);
  const document = parse(query);
  const name = getOperationAST(document).name?.value ?? 'unnamed';
  asked.queries[name] = (asked.queries[name] ?? 0) + 1;
  const errors = validate(schema, document);
  if (errors.length) return answer(200, { errors: errors.map(error => ({ message: error.message })) });
  const points = cost(document, variables ?? {});
  limits();
  if (limit.left < points) {
    return answer(200, { errors: [{ type: 'RATE_LIMITED', message: 'API rate limit exceeded' }] });
  }
  limit.left -= points;
  asked.points += points;
  const result = await execute({ schema, document, rootValue: root(points), variableValues: variables });
  const out = JSON.parse(JSON.stringify(result));
  for (const [at, error] of (result.errors ?? []).entries()) {
    out.errors[at].type = error.originalError?.extensions?.type;
  }
  const fault = due(name, one => one.part || one.hides || one.alters);
  if (fault?.alters) {
    Object.assign(out.data.r0, fault.alters);
  } else if (fault) {
    out.errors ??= [];
    if (fault.part) {
      out.data[fault.part] = null;
      out.errors.push({ type: fault.type ?? 'FORBIDDEN', message: fault.message ?? 'Resource not accessible', path: [fault.part] });
    } else {
      out.data.repositoryOwner.repositories.nodes[0] = null;
      out.errors.push({ type: 'FORBIDDEN', message: 'hidden', path: ['repositoryOwner', 'repositories', 'nodes', 0] });
    }
  }
  return answer(200, out);
}

// A fault that is to happen now: so many `times`, after so many questions that it `skips`.
function due(name, is) {
  const fault = faults.find(one => one.on === name && one.times > 0 && is(one));
  if (!fault) return null;
  if (fault.skips > 0) {
    fault.skips -= 1;
    return null;
  }
  fault.times -= 1;
  return fault;
}

function isApp(bearer) {
  const [head, claims, signature] = bearer.split('.');
  const good = app && signature && verify('sha256', Buffer.from(`${head}.${claims}`), app.key, Buffer.from(signature, 'base64url'));
  const { iat, exp, iss } = good ? JSON.parse(Buffer.from(claims, 'base64url')) : {};
  const now = Date.now() / 1000;
  return good && iss === String(app.id) && iat <= now && exp > now && exp - iat <= 660;
}

function rest(request, path, bearer, answer) {
  asked.rest += 1;
  if (/^\/(orgs|users)\/[^/]+\/installation$/.test(path)) {
    if (!isApp(bearer)) return answer(401, { message: 'A JSON web token could not be decoded' });
    const of = owners.get(path.split('/')[2].toLowerCase());
    return of ? answer(200, { id: 42 }) : answer(404, { message: 'Not Found' });
  }
  if (path === '/app/installations/42/access_tokens' && request.method === 'POST') {
    if (!isApp(bearer)) return answer(401, { message: 'A JSON web token could not be decoded' });
    const token = `ghs_installation${++asked.installations}`;
    const ends = Date.now() + app.seconds * 1000;
    tokens.set(token, { ends });
    return answer(201, { token, expires_at: new Date(ends).toISOString().replace(/\.\d+Z$/, 'Z') });
  }
  const held = tokens.get(bearer);
  if (!held || held.ends < Date.now()) return answer(401, { message: 'Bad credentials' });
  const blob = /^\/repos\/[^/]+\/[^/]+\/git\/blobs\/([0-9a-f]+)$/.exec(path);
  if (blob && blobs.has(blob[1])) {
    const content = Buffer.from(blobs.get(blob[1])).toString('base64').replace(/.{60}/g, '$&\n');
    return answer(200, { sha: blob[1], encoding: 'base64', content });
  }
  return answer(404, { message: 'Not Found' });
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', chunk => chunks.push(chunk));
  request.on('end', async () => {
    const text = Buffer.concat(chunks).toString();
    let extra = {};
    const answer = (status, body) => {
      const bytes = typeof body === 'string' ? body : JSON.stringify(body);
      response.writeHead(status, { 'content-type': 'application/json', ...limits(), ...extra });
      response.end(bytes);
    };
    try {
      if (request.url === '/control') {
        for (const { op, ...rest } of JSON.parse(text)) ops[op](rest);
        return answer(200, {});
      }
      if (request.url === '/asked') return answer(200, asked);
      const bearer = (request.headers.authorization ?? '').replace(/^Bearer /, '');
      const isQuery = request.url === '/api/graphql';
      const name = isQuery ? /query (\w+)/.exec(JSON.parse(text).query)?.[1] : 'rest';
      const fault = due(name, one => one.status || one.cuts || one.slow);
      if (fault) {
        if (fault.slow) await new Promise(done => setTimeout(done, fault.slow));
        if (fault.cuts) {
          response.writeHead(200, { 'content-length': 1000 });
          response.write('{"data": {');
          return response.destroy();
        }
        if (fault.status) {
          extra = fault.headers ?? {};
          return answer(fault.status, fault.body ?? { message: 'as it is' });
        }
      }
      if (!isQuery) return rest(request, request.url.replace(/^\/api\/v3/, ''), bearer, answer);
      const held = tokens.get(bearer);
      if (!held || held.ends < Date.now()) return answer(401, { message: 'Bad credentials' });
      if (held.scopes !== undefined) extra['x-oauth-scopes'] = held.scopes;
      return await graphql(text, answer);
    } catch (error) {
      return answer(500, { message: String(error.stack) });
    }
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
