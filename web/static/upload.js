// Files go ahead of their form, by tus 1.0.0, and go on after a lost connection or a reload.
// Without this the form sends them itself.
const PLACE = "/uploads/tus";
const CHUNK = 2 * 1024 * 1024;
const WHOLE_MAX = 64 * 1024 * 1024; // up to here the whole file's digest is sent before it
const TRIES_MAX = 20;
const WAIT_MAX = 30000;
const SILENT_MAX = 120000;

const base64 = (data) => btoa(String.fromCharCode(...new Uint8Array(data)));
const words = (text) => base64(new TextEncoder().encode(text));
const hex = (data) => [...new Uint8Array(data)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const sha256 = async (blob) =>
  globalThis.crypto?.subtle ? crypto.subtle.digest("SHA-256", await blob.arrayBuffer()) : null;

/** What the service says no to: trying again would not help. */
class Refused extends Error {}

/** What was begun is not there any more. */
class Gone extends Error {}

/** Where uploads that are under way are remembered; a browser may forbid it. */
const memory = {
  get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
  set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* no resuming after a reload */ } },
  drop: (key) => { try { localStorage.removeItem(key); } catch { /* it is not there */ } },
};

class Sending {
  constructor(row, input, token) {
    Object.assign(this, { row, input, token, file: input.files[0], tries: 0, cancelled: false });
    const { name, size, lastModified, type } = this.file;
    this.key = ["tus", name, size, lastModified, type].join(" ");
    this.done = this.run();
  }

  /** The upload's id, "" if it was refused, given up or cancelled. */
  async run() {
    this.tell("sending", 0);
    while (!this.cancelled) {
      try {
        const id = await this.once();
        if (this.cancelled) break;
        memory.drop(this.key);
        this.tell("done", this.file.size);
        return id;
      } catch (error) {
        if (this.cancelled) break;
        if (error instanceof Gone) memory.drop(this.key);
        if (error instanceof Refused || ++this.tries > TRIES_MAX) {
          if (error instanceof Refused) memory.drop(this.key);
          this.fail(error);
          return "";
        }
        this.tell("waiting");
        await this.rest();
      }
    }
    return "";
  }

  /** Go on from where it stands; throws where the connection is lost. */
  async once() {
    let place = memory.get(this.key);
    if (!place) {
      place = await this.create();
      if (this.cancelled) return this.drop(place);
      memory.set(this.key, place);
    }
    this.place = place;
    let answer = await this.ask("HEAD", place);
    let at = Number(answer.header("upload-offset"));
    while (at < this.file.size) {
      answer = await this.patch(place, at);
      at = Number(answer.header("upload-offset"));
      this.tries = 0;
      this.tell("sending", at);
    }
    const id = answer.header("x-upload-id");
    if (id) return id;
    const told = await this.ask("GET", place);
    if (told.status !== 200) throw new Error("somebody else is at it");
    return JSON.parse(told.text).id;
  }

  async create() {
    const { name, size, type } = this.file;
    const told = [`filename ${words(name)}`, `filetype ${words(type || "application/octet-stream")}`];
    const digest = size <= WHOLE_MAX ? await sha256(this.file) : null;
    if (digest) told.push(`sha256 ${words(hex(digest))}`);
    const headers = { "Upload-Length": size, "Upload-Metadata": told.join(",") };
    return (await this.ask("POST", PLACE, headers)).header("location");
  }

  async patch(place, at) {
    const chunk = this.file.slice(at, at + CHUNK);
    const headers = { "Upload-Offset": at, "Content-Type": "application/offset+octet-stream" };
    const digest = await sha256(chunk);
    if (digest) headers["Upload-Checksum"] = `sha256 ${base64(digest)}`;
    return this.ask("PATCH", place, headers, chunk, (sent) => this.tell("sending", at + sent));
  }

  /** One request. Refused and Gone say what they are; anything else is worth another try. */
  async ask(method, place, headers = {}, body = null, progress = null) {
    const answer = await this.request(method, place, headers, body, progress);
    if (answer.status < 300) return answer;
    if (answer.status === 404 || answer.status === 410) throw new Gone();
    if (method === "HEAD" && answer.status === 422) return this.ask("GET", place);
    if (answer.status >= 500 || [409, 423, 460].includes(answer.status)) throw new Error(answer.status);
    let said = "";
    try { said = JSON.parse(answer.text).error.said ?? ""; } catch { /* not ours to say */ }
    throw new Refused(said);
  }

  request(method, place, headers, body, progress) {
    return new Promise((resolve, reject) => {
      const wire = new XMLHttpRequest();
      this.wire = wire;
      wire.open(method, place);
      wire.timeout = SILENT_MAX;
      const all = { "Tus-Resumable": "1.0.0", "X-CSRF-Token": this.token, ...headers };
      for (const [name, value] of Object.entries(all)) wire.setRequestHeader(name, value);
      wire.onload = () => {
        const header = (name) => wire.getResponseHeader(name);
        resolve({ status: wire.status, header, text: wire.responseText });
      };
      wire.onerror = wire.ontimeout = wire.onabort = () => reject(new Error("lost"));
      if (progress) wire.upload.onprogress = (event) => progress(event.loaded);
      wire.send(body);
    });
  }

  /** Wait, longer each time, and no longer than until the network is back. */
  rest() {
    const wait = Math.min(WAIT_MAX, 500 * 2 ** this.tries) * (0.75 + Math.random() / 2);
    return new Promise((resolve) => {
      const woken = () => { clearTimeout(timer); resolve(); };
      const timer = setTimeout(() => { removeEventListener("online", woken); resolve(); }, wait);
      addEventListener("online", woken, { once: true });
      this.wake = woken;
    });
  }

  /** Forget it, here and at the service. */
  cancel() {
    this.cancelled = true;
    this.wake?.();
    memory.drop(this.key);
    if (!this.place) return; // what is just being begun is dropped when its place is known
    this.wire?.abort();
    this.drop(this.place);
  }

  drop(place) {
    this.request("DELETE", place, {}, null, null).catch(() => {}); // else it runs out of time
    return "";
  }

  /** Refused, the file is to be another; given up, sending the form tries again. */
  fail(error) {
    this.tell("failed");
    const place = this.row.querySelector("[role=status]");
    place.className = "wrong";
    this.refused = error instanceof Refused;
    if (!this.refused) return;
    place.textContent = error.message || place.textContent;
    this.input.setCustomValidity(place.textContent);
  }

  /** Bar and words; the words change by tenths, so that a screen reader has time for them. */
  tell(word, at = null) {
    if (this.cancelled) return;
    const bar = this.row.querySelector("progress");
    const place = this.row.querySelector("[role=status]");
    place.className = "";
    if (at !== null) bar.value = this.file.size ? at / this.file.size : 1;
    const tenths = word === "sending" ? ` ${Math.floor(bar.value * 10) * 10} %` : "";
    const said = this.row.dataset[word] + tenths;
    if (place.textContent !== said) place.textContent = said;
    this.row.dataset.state = word;
    bar.hidden = word === "failed";
    this.row.hidden = false;
  }
}

const under = new Map(); // which input's file is under way

function forget(row, input) {
  under.get(input)?.cancel();
  under.delete(input);
  row.querySelectorAll("input[type=hidden]").forEach((each) => each.remove());
  row.hidden = true;
  input.name = row.dataset.upload;
  input.setCustomValidity("");
}

/** What the form sends in the place of the file. */
function note(row, input, id) {
  const named = [["upload", id], ["uploadName", input.files[0].name]];
  for (const [name, value] of named) {
    const field = Object.assign(document.createElement("input"), { type: "hidden", value });
    field.name = `${row.dataset.upload}-${name}`;
    row.append(field);
  }
  input.removeAttribute("name");
}

async function begin(row, input) {
  forget(row, input);
  if (!input.files.length) return;
  const sending = new Sending(row, input, input.form.elements.csrf.value);
  under.set(input, sending);
  const id = await sending.done;
  if (id && under.get(input) === sending) note(row, input, id);
}

for (const row of document.querySelectorAll("[data-upload]")) {
  const input = document.getElementById(row.dataset.of);
  input.addEventListener("change", () => begin(row, input));
  input.addEventListener("click", () => {
    if (under.get(input)?.refused) input.value = ""; // so that the same file, mended, is another
  });
  row.querySelector("button").addEventListener("click", () => {
    forget(row, input);
    input.value = "";
    input.focus();
  });
}

// A form waits for its files; before the other listeners, which count it as sent.
document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  for (const [input, sending] of [...under])
    if (input.form === form && sending.refused === false) begin(sending.row, input);
  const waited = [...under].filter(([input]) => input.form === form);
  if (submitter?.name === "back" || waited.every(([input]) => !input.name)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (form.dataset.waiting) return;
  form.dataset.waiting = "1";
  await Promise.all(waited.map(([, sending]) => sending.done));
  delete form.dataset.waiting;
  const left = waited.find(([input]) => under.has(input) && input.name);
  if (left) left[0].reportValidity();
  else form.requestSubmit(submitter);
}, true);
