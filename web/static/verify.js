// Checks a record's bundle or a receipt that its reader chose, in this browser.
// The steps are those of evidence/verify.sh; words come from the page, in its reader's language.
import {
  Wrong, bytes, hex, leads, node, readKeys, readProof, sha256, signers, text, unhex, word,
} from "./checking.js";

/** A ZIP of exactly the form in which bundles are packed: nothing is compressed. */
async function readZip(file) {
  const end = new DataView(await file.slice(-22).arrayBuffer());
  if (file.size < 22 || end.getUint32(0, true) !== 0x06054b50) throw new Wrong("badZip");
  const [count, size, place] = [end.getUint16(10, true), end.getUint32(12, true), end.getUint32(16, true)];
  const directory = new DataView(await file.slice(place, place + size).arrayBuffer());
  const files = new Map();
  for (let at = 0, number = 0; number < count; number += 1) {
    if (directory.getUint32(at, true) !== 0x02014b50 || directory.getUint16(at + 10, true) !== 0)
      throw new Wrong("badZip");
    const [length, named] = [directory.getUint32(at + 24, true), directory.getUint16(at + 28, true)];
    const name = text(new Uint8Array(directory.buffer, at + 46, named));
    const start = directory.getUint32(at + 42, true) + 30 + named;
    const path = name.slice(name.indexOf("/") + 1);
    if (files.has(path)) throw new Wrong("badZip", path);
    files.set(path, file.slice(start, start + length));
    at += 46 + named + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
  }
  return files;
}

class Bundle {
  constructor(files, keys, tell) {
    Object.assign(this, { files, keys, tell });
    this.digests = new Map();
  }

  async read(path) {
    const file = this.files.get(`data/${path}`);
    if (!file) throw new Wrong("missing", path);
    return new Uint8Array(await file.arrayBuffer());
  }

  has(path) {
    return this.files.has(`data/${path}`);
  }

  async check() {
    await this.checkManifests();
    this.about = JSON.parse(text(await this.read("bundle.json")));
    this.count = { entries: 0, bodies: 0, hidden: 0, files: 0, receipts: 0, proofs: 0, unproven: 0, late: 0, records: 0 };
    for (const listed of this.about.streams) await this.checkStream(listed);
    for (const [word, names] of Object.entries({
      entries: ["entries"], bodies: ["bodies", "files"], receipts: ["receipts"],
      proofs: ["proofs"], records: ["records"],
    })) this.tell("ok", word, ...names.map((name) => this.count[name]));
    for (const name of ["hidden", "unproven", "late"])
      if (this.count[name]) this.tell("open", name, this.count[name]);
    if (this.keys.some((key) => !key.public)) this.tell("open", "noEd25519");
    this.tell("open", "limits");
  }

  async checkManifests() {
    for (const [manifest, here] of [
      ["tagmanifest-sha256.txt", (path) => !path.startsWith("data/") && path !== "tagmanifest-sha256.txt"],
      ["manifest-sha256.txt", (path) => path.startsWith("data/")],
    ]) {
      if (!this.files.has(manifest)) throw new Wrong("missing", manifest);
      const listed = new Map();
      for (const line of (await this.files.get(manifest).text()).split("\n").slice(0, -1))
        listed.set(line.slice(66), line.slice(0, 64));
      for (const path of [...this.files.keys()].filter(here))
        if (!listed.has(path)) throw new Wrong("added", path);
      for (const [path, digest] of listed) {
        const file = this.files.get(path);
        if (!file) throw new Wrong("missing", path);
        if ((await sha256(file)) !== digest) throw new Wrong("changed", path);
        this.digests.set(path, digest);
      }
    }
    this.tell("ok", "manifests", this.digests.size);
  }

  async checkStream({ id, size }) {
    const leaves = [];
    let prev = "0".repeat(64);
    let covered = -1;
    for (let seq = 0; seq < size; seq += 1) {
      const part = (kind, ending) => `streams/${id}/${kind}/${String(seq).padStart(6, "0")}.${ending}`;
      const place = part("entries", "json");
      const data = await this.read(place);
      const entry = JSON.parse(text(data));
      const leaf = await sha256(new Uint8Array([0]), data);
      if (entry.prev !== prev || entry.seq !== seq || entry.stream !== id) throw new Wrong("badLink", place);
      this.count.entries += 1;
      if (this.has(part("bodies", "json"))) await this.checkBody(part, entry, leaves);
      else this.count.hidden += 1;
      if (this.has(part("receipts", "note"))) {
        await this.checkReceipt(part("receipts", "note"), entry, leaf);
        covered = seq;
      }
      await this.checkProof(part("proofs", "tlog-proof"), entry, leaf);
      leaves.push(leaf);
      prev = leaf;
    }
    if (covered !== size - 1) throw new Wrong("uncovered", id);
  }

  async checkBody(part, entry, leaves) {
    const place = part("bodies", "json");
    const data = await this.read(place);
    const salt = text(await this.read(part("salts", "hex"))).trim();
    if ((await sha256(bytes("vault-body/v1\n"), unhex(salt), data)) !== entry.body)
      throw new Wrong("badBody", place);
    this.count.bodies += 1;
    const { blob, record } = JSON.parse(text(data));
    if (blob) {
      for (const [path, digest] of this.digests) {
        const own = path.startsWith(`data/blobs/${blob.id}.`) && path !== `data/blobs/${blob.id}.json`;
        if (own && digest !== blob.sha256) throw new Wrong("badFile", path);
        if (own) this.count.files += 1;
      }
    }
    if (record) {
      if (record.size !== leaves.length || (await root(leaves)) !== record.root)
        throw new Wrong("badRoot", place);
      this.count.records += 1;
    }
  }

  async checkReceipt(place, entry, leaf) {
    const { lines, found } = await signers(text(await this.read(place)), this.keys, place);
    if (!found.length) throw new Wrong("unsigned", place);
    const said = [entry.origin, entry.stream, String(entry.seq), leaf, String(entry.time)];
    if (lines[0] !== "vault-receipt/v1" || lines.slice(1, 6).join("\n") !== said.join("\n"))
      throw new Wrong("badReceipt", place);
    this.count.receipts += 1;
  }

  async checkProof(place, entry, leaf) {
    if (!this.has(place)) {
      this.count.late += 1;
    } else if (!this.keys.some((key) => key.name === entry.origin)) {
      this.count.unproven += 1;
    } else {
      const proof = readProof(text(await this.read(place)), place);
      const { found } = await signers(proof.note, this.keys, place);
      if (proof.origin !== entry.origin || !found.some((key) => key.name === entry.origin))
        throw new Wrong("unsigned", place);
      if (!(await leads(proof, leaf))) throw new Wrong("badProof", place);
      this.count.proofs += 1;
    }
  }
}

/** The Merkle root, level by level; an odd one at the end moves up as it is. */
async function root(leaves) {
  let level = leaves;
  while (level.length > 1) {
    const above = [];
    for (let at = 0; at + 1 < level.length; at += 2) above.push(await node(level[at], level[at + 1]));
    if (level.length % 2) above.push(level.at(-1));
    level = above;
  }
  return level[0] ?? "";
}

/** A receipt alone: whose word it is, and on what. */
async function checkReceipt(said, keys, tell) {
  const { lines, found } = await signers(said, keys, "");
  if (lines[0] !== "vault-receipt/v1" || lines.length !== 8) throw new Wrong("badForm");
  if (!found.length) throw new Wrong("unsigned");
  if (found.some((key) => key.public)) tell("ok", "receipt", found[0].name);
  else tell("open", "noEd25519");
  const at = new Date(Number(BigInt(lines[5]) / 1000n)).toISOString();
  tell("ok", "receiptSays", lines[3], lines[2], at, lines[4]);
}

const form = document.querySelector("[data-check]");
if (form) {
  form.hidden = false;
  const list = document.querySelector("[data-results]");
  const verdict = document.querySelector("[data-verdict]");
  const tell = (kind, name, ...given) => {
    const line = document.createElement("li");
    line.className = kind === "ok" ? "given" : "";
    line.textContent = word(name, ...given);
    list.append(line);
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    list.replaceChildren();
    verdict.className = "told";
    verdict.textContent = word("working");
    try {
      const [file] = form.elements.file.files;
      if (!file) return;
      const keys = await readKeys(form.elements.keys.value);
      const first = new Uint8Array(await file.slice(0, 4).arrayBuffer());
      if (hex(first) === "504b0304") await new Bundle(await readZip(file), keys, tell).check();
      else if (file.size < 131072) await checkReceipt(await file.text(), keys, tell);
      else throw new Wrong("badZip");
      const signed = keys.some((key) => key.public);
      verdict.className = signed ? "told told--good" : "told told--bad";
      verdict.textContent = word(signed ? "sound" : "noEd25519");
    } catch (error) {
      verdict.className = "told told--bad";
      const name = error instanceof Wrong ? error.message : "badForm";
      verdict.textContent = `${word("wrong")} ${word(name)} ${error.place ?? ""}`.trim();
    }
  });
}
