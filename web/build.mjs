// Builds the page: types from openapi.yaml, checked TypeScript, one bundle in service/static/.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import openapiTS, { astToString } from "openapi-typescript";

const LIMIT_BYTES = 200 * 1000;
const HERE = dirname(fileURLToPath(import.meta.url));
const DESCRIPTION = resolve(HERE, "../openapi.yaml");
const OUT = resolve(HERE, "../service/static");
const NEW = `${OUT}.new`;

const generated = join(HERE, "src/generated");
mkdirSync(generated, { recursive: true });
const types = astToString(await openapiTS(new URL(`file://${DESCRIPTION}`), { defaultNonNullable: false }));
writeFileSync(join(generated, "api.ts"), types);

const checked = spawnSync(process.execPath, [join(HERE, "node_modules/typescript/bin/tsc"), "-p", HERE], {
  stdio: "inherit",
});
if (checked.status !== 0) process.exit(1);

rmSync(NEW, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: HERE,
  entryPoints: { page: "src/main.ts", style: "styles/page.css" },
  entryNames: "[name]-[hash]",
  outdir: NEW,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  legalComments: "none",
  metafile: true,
});
const names = Object.keys(metafile.outputs).map((path) => basename(path));
const named = (end) => names.find((name) => name.endsWith(end));
const page = readFileSync(join(HERE, "index.html"), "utf-8")
  .replace("{script}", `static/${named(".js")}`)
  .replace("{style}", `static/${named(".css")}`);
writeFileSync(join(NEW, "index.html"), page);
writeFileSync(join(NEW, "icon.svg"), readFileSync(join(HERE, "icon.svg")));

let total = 0;
for (const name of readdirSync(NEW)) {
  const packed = gzipSync(readFileSync(join(NEW, name)), { level: 9 });
  writeFileSync(join(NEW, `${name}.gz`), packed);
  total += packed.length;
  console.log(`${String(packed.length).padStart(7)} bytes gzipped  ${name}`);
}
console.log(`${String(total).padStart(7)} bytes gzipped  in all, of at most ${LIMIT_BYTES}`);
if (total > LIMIT_BYTES) {
  console.error("The page is too large.");
  process.exit(1);
}
rmSync(OUT, { recursive: true, force: true });
renameSync(NEW, OUT);
