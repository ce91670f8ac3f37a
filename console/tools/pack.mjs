// Packs what was built, and fails where a first look would load too much or
// where the page could break its own content security policy.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const SCRIPT_BYTES_MAX = 300 * 1024;
const folder = "dist/assets";
let script = 0;
for (const name of readdirSync(folder)) {
  if (!/\.(js|css|svg)$/.test(name)) continue;
  const packed = gzipSync(readFileSync(`${folder}/${name}`), { level: 9 });
  writeFileSync(`${folder}/${name}.gz`, packed);
  if (name.endsWith(".js")) script += packed.length;
  console.log(`${name}: ${packed.length} bytes packed`);
}
console.log(`script in all: ${script} bytes packed, of ${SCRIPT_BYTES_MAX}`);
if (script > SCRIPT_BYTES_MAX) throw new Error("the console loads more script than it may");

const html = readFileSync("dist/index.html", "utf8");
const inline = html.match(/<script(?![^>]*\ssrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=/i);
if (inline) throw new Error(`index.html has an inline script or style: ${inline[0]}`);
const elsewhere = html.match(/(?:src|href)="(?:https?:)?\/\/[^"]*"/i);
if (elsewhere) throw new Error(`index.html loads from elsewhere: ${elsewhere[0]}`);
