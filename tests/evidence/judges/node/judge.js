// Asks @sigstore/verify what it says of checkpoints and inclusion proofs: a question on each line
// of the input, an answer on each line of the output. The argument is the folder of its packages.
const crypto = require("node:crypto");
const path = require("node:path");
const readline = require("node:readline");

const tlog = path.resolve(process.argv[2], "node_modules/@sigstore/verify/dist/tlog");
const { verifyCheckpoint } = require(path.join(tlog, "checkpoint.js"));
const { verifyMerkleInclusion } = require(path.join(tlog, "merkle.js"));

const bytes = (hex) => Buffer.from(hex, "hex");

function judge(question) {
  const entry = {
    canonicalizedBody: bytes(question.entry),
    inclusionProof: {
      checkpoint: { envelope: question.checkpoint },
      hashes: question.proof.map(bytes),
      logIndex: String(question.index),
    },
  };
  const key = crypto.createPublicKey({ key: bytes(question.key), format: "der", type: "spki" });
  const log = { logID: bytes(question.key_id), publicKey: key, baseURL: question.url };
  verifyMerkleInclusion(entry, verifyCheckpoint(entry, [log]));
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  let answer = { accepted: true };
  try {
    judge(JSON.parse(line));
  } catch (error) {
    // Anything else than its own refusal is a fault in this file.
    answer = { accepted: false, why: error.message };
    if (error.name !== "VerificationError") {
      answer = { fault: String(error.stack) };
    }
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
