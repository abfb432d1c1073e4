// Checks one entry of a record in this browser: its bytes, its neighbours, what it binds, its file,
// and its proof under the log's signed checkpoint, or its receipt. Every check has a line of its own.
import {
  Wrong, bytes, hex, leads, readKeys, readProof, sha256, signers, unhex, word,
} from "./checking.js";

const FIRST = "0".repeat(64);
const leafOf = (said) => sha256(new Uint8Array([0]), bytes(said));

/** The checks of one entry, in their order; each gives its line, or throws what is wrong. */
class Entry {
  constructor(told, keys, file) {
    Object.assign(this, { told, keys, file });
    this.entry = JSON.parse(told.entry);
    this.signed = false;
  }

  checks() {
    const { told, file } = this;
    const logged = told.index !== null;
    return [
      this.leaf, this.before, this.after, this.body, file && this.bytes,
      ...(logged ? [this.proof, this.checkpoint] : [this.receipt]),
    ].filter(Boolean);
  }

  async leaf() {
    const { stream, seq } = this.entry;
    this.hash = await leafOf(this.told.entry);
    if (this.hash !== this.told.leaf) throw new Wrong("badLeaf");
    if (stream !== this.told.stream || seq !== this.told.sequence) throw new Wrong("badPlace");
    return ["ok", "leaf"];
  }

  async before() {
    const { prev, seq, stream } = this.entry;
    if (seq === 0) {
      if (prev !== FIRST || this.told.before !== null) throw new Wrong("badBefore");
      return ["ok", "first"];
    }
    if (this.told.before === null || (await leafOf(this.told.before)) !== prev) throw new Wrong("badBefore");
    const before = JSON.parse(this.told.before);
    if (before.seq !== seq - 1 || before.stream !== stream) throw new Wrong("badBefore");
    return ["ok", "before", seq - 1];
  }

  async after() {
    if (this.told.after === null) return ["open", "last"];
    const after = JSON.parse(this.told.after);
    const { seq, stream } = this.entry;
    if (after.prev !== (await leafOf(this.told.entry)) || after.seq !== seq + 1 || after.stream !== stream)
      throw new Wrong("badAfter");
    return ["ok", "after", seq + 1];
  }

  async body() {
    const { body, salt } = this.told;
    if (body === null) return ["open", "hidden"];
    if ((await sha256(bytes("vault-body/v1\n"), unhex(salt), bytes(body))) !== this.entry.body)
      throw new Wrong("badBody");
    return ["ok", "body"];
  }

  async bytes() {
    const digest = await sha256(await (await fetch(this.file.path)).arrayBuffer());
    if (digest !== this.file.digest) throw new Wrong("badFile");
    if (this.told.body === null) return ["open", "fileAlone"];
    const { blob, body } = JSON.parse(this.told.body);
    if ((blob ?? body).sha256 !== digest) throw new Wrong("badFile");
    return ["ok", "file"];
  }

  async proof() {
    if (this.told.proof === null) throw new Wrong("noProof");
    const proof = readProof(this.told.proof);
    const right = proof.index === BigInt(this.told.index) && proof.origin === this.entry.origin;
    if (!right || !(await leads(proof, await leafOf(this.told.entry)))) throw new Wrong("badProof");
    return ["ok", "proof", proof.index, proof.size];
  }

  async checkpoint() {
    if (this.told.proof === null) throw new Wrong("noProof");
    const { note, origin } = readProof(this.told.proof);
    return this.signedBy(note, origin, "badCheckpoint", "checkpoint");
  }

  async receipt() {
    const { receipt } = this.told;
    if (receipt === null) return ["open", "noReceipt"];
    const said = receipt.split("\n");
    const { origin, stream, seq, time } = this.entry;
    const wanted = ["vault-receipt/v1", origin, stream, seq, await leafOf(this.told.entry), time];
    if (wanted.some((one, at) => String(one) !== said[at])) throw new Wrong("badReceipt");
    const line = await this.signedBy(receipt, null, "badReceiptSignature", "receipt");
    if (line[0] === "ok" && said[6] !== "0" && Date.now() > Number(BigInt(said[6]) / 1000n))
      throw new Wrong("broken");
    return line;
  }

  /** Who of the keys signed a note, for a line; `name` is whose it must be. */
  async signedBy(note, name, wrong, right) {
    const { found } = await signers(note, this.keys).catch(() => ({ found: null }));
    const fitting = found?.filter((key) => name === null || key.name === name);
    if (!fitting?.length) throw new Wrong(wrong);
    if (!fitting.some((key) => key.public)) return ["open", "noEd25519"];
    this.signed = true;
    return ["ok", right, fitting[0].name];
  }
}

/** Run every check, tell each line, and give whether nothing was wrong. */
async function checked(told, keys, file, tell) {
  const entry = new Entry(told, keys, file);
  let sound = true;
  for (const check of entry.checks()) {
    const [kind, name, ...given] = await check
      .call(entry)
      .catch((error) => ["wrong", error instanceof Wrong ? error.message : "badForm"]);
    sound &&= kind !== "wrong";
    tell(kind, name, ...given);
  }
  tell("open", told.index === null ? "late" : "limits");
  return sound && (entry.signed ? "sound" : "unsigned");
}

const place = document.querySelector("[data-attested]");
const [button, verdict, list] = ["button", "[role=status]", "[data-results]"].map((one) => place.querySelector(one));
place.hidden = false;
button.addEventListener("click", async () => {
  list.replaceChildren();
  verdict.className = "told";
  verdict.textContent = word("working");
  const tell = (kind, name, ...given) => {
    const line = document.createElement("li");
    line.className = { ok: "given", wrong: "wrong", open: "" }[kind];
    line.dataset.line = name;
    line.textContent = word(name, ...given);
    list.append(line);
  };
  let found = false;
  try {
    const told = await (await fetch(place.dataset.attested, { cache: "no-store" })).json();
    const { file, digest } = place.dataset;
    const keys = await readKeys(place.querySelector("textarea").value);
    found = await checked(told, keys, file && { path: file, digest }, tell);
  } catch (error) {
    tell("wrong", error instanceof Wrong ? error.message : "badForm");
  }
  verdict.className = found === "sound" ? "told told--good" : "told told--bad";
  verdict.textContent = word(found || "unsound");
});
