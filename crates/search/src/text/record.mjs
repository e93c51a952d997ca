// Records what PostgreSQL makes of texts:  npm install @electric-sql/pglite && node record.mjs > recorded.ndjson
// Texts are made from a seed, so that the same ones come again. SEED and COUNT make others.
import { createRequire } from 'node:module';
const { PGlite } = createRequire(process.cwd() + '/x.js')('@electric-sql/pglite');
let seed = Number(process.env.SEED ?? 7), count = Number(process.env.COUNT ?? 700);
const random = n => (seed = (seed * 1103515245 + 12345) % 2147483648, Math.floor(seed / 2147483648 * n));
const words = ('the of and service services payments payment-api hand hand-team hand-grpc team-wallet-1 v1.2.3 v1 1.5 -12 +3 1e5 12e-3 ' +
  'http://example.com/a/b?c=d#e example.com www.example.com:8080/x user@example.com a.b_c-d@host.example.org /usr/lib/x.so ./a/b ../c ~/d component:default/my-service ' +
  'component:other-ns/my_service.x-1 group:default/team-a ÜNÏCÖDE ünïcöde-tïtle Größe naïve-bayes 日本語 x86_64 i18n k8s a-b-c one-2 2-one 3rd-party re-run co-op-2 ' +
  '<b>bold</b> <script>no</script> &amp; &#12; C++ C# node.js don\'t it\'s "quoted" (paren) a/b and/or [x] {y} foo_bar __init__ 10.0.0.1 10.0.0.1/24 2024-01-02 12:30:45 ' +
  'running generously organization happily studies dying news skies relational conditional argued agreed flies legacy realtime streams profiles validates policies metrics ' +
  'reports internal documents records handles events stores images across nightly Full Service Every optional field cafe\u0301 नमस्ते a@b@c x.y.z 1.2.3.4.5 1.2a a1b2 -a- --x a--b a.-b é-a1 1-é').split(' ');
const glue = [' ', ' ', ' ', ' ', ' ', '-', '.', '/', '_', ':', ', ', '. ', '@', '', '\n', ' - ', '=', '+', '&', '<', '>', '?', '#', '%'];
const text = n => { let s = ''; for (let i = 0; i < n; i++) s += words[random(words.length)] + glue[random(i % 3 ? 5 : glue.length)]; return s; };
const db = new PGlite(); const out = [];
const pgTerm = t => t.split(/\s/).map(p => p.replace(/[\0()|&:*!<]/g, '').trim()).filter(p => p).map(p => `(${JSON.stringify(p)} | ${JSON.stringify(p)}:*)`).join('&');
for (let i = 0; i < count; i++) {
  const t = text(1 + random(i % 2 ? 5 : 80)); const line = { text: t };
  const tokens = (await db.query("select t.alias, p.token from ts_parse('default', $1) p join ts_token_type('default') t using (tokid)", [t])).rows;
  line.tokens = tokens.map(r => [r.alias, r.token]);
  const lex = (await db.query("select lexeme, unnest(positions) place from unnest(to_tsvector('english', $1))", [t])).rows;
  line.lexemes = lex.map(r => [r.lexeme, Number(r.place)]).sort((a, b) => { const x = JSON.stringify(a), y = JSON.stringify(b); return x < y ? -1 : x > y ? 1 : 0; });
  const own = t.split(/\s+/).filter(x => x); let term = own[random(own.length)] ?? 'x'; if (random(2)) term += ' ' + (own[random(own.length)] ?? ''); if (random(3) === 0) term = term.slice(0, 1 + random(term.length)); if (random(6) === 0) term += ' absent';
  const q = pgTerm(term);
  if (q) { const r = (await db.query("select numnode(q) n, ts_headline('english', $1::text, q, 'MaxWords=35, MinWords=15, ShortWord=3, HighlightAll=false, MaxFragments=0, FragmentDelimiter= ... , StartSel=<b>, StopSel=</b>') h from to_tsquery('english', $2) q", [t, q])).rows[0]; if (r.n > 0) { line.term = term; line.headline = r.h; } }
  out.push(JSON.stringify(line));
}
console.log(out.join('\n'));
