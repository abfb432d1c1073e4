// What the checks in this browser are made of: bytes, digests, keys, signed notes, proofs.
// They follow evidence/README.md, "Formats"; nothing is sent anywhere.
const subtle = crypto.subtle;
export const bytes = (text) => new TextEncoder().encode(text);
export const text = (data) => new TextDecoder("utf-8", { fatal: true }).decode(data);
export const hex = (data) =>
  Array.from(new Uint8Array(data), (byte) => byte.toString(16).padStart(2, "0")).join("");
export const unhex = (said) => Uint8Array.from(said.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export const base64 = (said) => Uint8Array.from(atob(said), (letter) => letter.charCodeAt(0));
const join = async (...parts) => new Uint8Array(await new Blob(parts).arrayBuffer());
export const sha256 = async (...parts) => hex(await subtle.digest("SHA-256", await join(...parts)));
export const node = (left, right) => sha256(new Uint8Array([1]), unhex(left), unhex(right));

/** Something is wrong, at a place: `word` names the sentence of the page. */
export class Wrong extends Error {
  constructor(word, place = "") {
    super(word);
    this.place = place;
  }
}

/** Which Ed25519 keys are given, and whether this browser knows Ed25519. */
export async function readKeys(said) {
  const keys = [];
  for (const line of said.split(/\s+/).filter(Boolean)) {
    const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(line);
    const typed = match && base64(match[3]);
    const name = match?.[1];
    if (!typed || (await sha256(bytes(`${name}\n`), typed)).slice(0, 8) !== match[2])
      throw new Wrong("badKey", line);
    if (typed[0] !== 1 || typed.length !== 33) continue; // ML-DSA and witnesses: not known here
    const public_ = await subtle
      .importKey("raw", typed.slice(1), { name: "Ed25519" }, false, ["verify"])
      .catch(() => null);
    keys.push({ name, id: match[2], public: public_ });
  }
  return keys;
}

/** Gives who signed a note; a signature by a known key that does not fit is wrong. */
export async function signers(note, keys, place) {
  const at = note.lastIndexOf("\n\n");
  if (at < 0) throw new Wrong("badForm", place);
  const said = note.slice(0, at + 1);
  const found = [];
  for (const line of note.slice(at + 2).split("\n")) {
    const match = /^\u2014 (\S+) (\S+)$/.exec(line);
    const data = match && base64(match[2]);
    const key = keys.find((one) => match && one.name === match[1] && hex(data.slice(0, 4)) === one.id);
    if (!key) continue;
    if (key.public && !(await subtle.verify("Ed25519", key.public, data.slice(4), bytes(said))))
      throw new Wrong("badSignature", place);
    found.push(key);
  }
  return { said, lines: said.split("\n"), found };
}

/** A tlog-proof in its parts: number, hashes, and the checkpoint with its signed note. */
export function readProof(said, place = "") {
  const at = said.indexOf("\n\n");
  const head = said.slice(0, at).split("\n");
  const index = head.findIndex((line) => /^index (0|[1-9][0-9]*)$/.test(line));
  const note = said.slice(at + 2);
  const [origin, size, root] = note.split("\n");
  if (head[0] !== "c2sp.org/tlog-proof@v1" || index < 0 || !/^(0|[1-9][0-9]*)$/.test(size))
    throw new Wrong("badForm", place);
  const hashes = head.slice(index + 1).map((line) => hex(base64(line)));
  return { index: BigInt(head[index].slice(6)), hashes, note, origin, size: BigInt(size), root };
}

/** Whether a proof leads from a leaf hash to its root: RFC 9162, 2.1.3.2. */
export async function leads({ index, hashes, size, root }, leaf) {
  let [fn, sn] = [index, size - 1n];
  if (fn > sn) return false;
  let hash = leaf;
  for (const one of hashes) {
    if (sn === 0n) return false;
    if (fn & 1n || fn === sn) {
      hash = await node(one, hash);
      while (!(fn & 1n) && fn) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else {
      hash = await node(hash, one);
    }
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return !sn && hash === hex(base64(root));
}

/** The words of a page, by their names, in its reader's language. */
export function word(name, ...given) {
  const said = document.querySelector(`[data-word="${name}"]`).textContent;
  return given.reduce((so, one, number) => so.replace(`{${number}}`, () => one), said);
}
