// SPDX-License-Identifier: MPL-2.0
//
// Reads lines "MESSAGE HEX" on standard input, decodes each with protobufjs, encodes it again (the octets must be
// the same) and prints it as a JSON line, a snapshot's chunk with what is in its body and the state hash of that. The
// one argument is the schema.
"use strict";
const fs = require("fs");
const protobuf = require("protobufjs");
const { term, MASK } = require("./state_hash.js");

const root = new protobuf.Root().loadSync(process.argv[2], { keepCase: true });
const SHOWN = { longs: String, enums: String, bytes: String };

function crc32(octets) {
  let sum = 0xffffffff;
  for (const octet of octets) {
    sum ^= octet;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}

function fieldTerm(topic, field) {
  const kind = field.value.kind;
  let value = field.value[kind];
  if (kind === "integer") value = BigInt(value.toString());
  if (kind === "decimal") value = { unscaled: BigInt(value.unscaled.toString()), exponent: value.exponent };
  return term(topic.topic, field.name, kind, value, topic.quality, BigInt(field.sequence.toString()));
}

// What is in a chunk's body.
function chunkDecoded(chunk) {
  if (crc32(chunk.body) !== chunk.checksum) throw new Error("the chunk's checksum is not that of its body");
  const type = root.lookupType("syncbus.v1.SnapshotTopics");
  const message = type.decode(chunk.body);
  if (Buffer.compare(Buffer.from(type.encode(message).finish()), Buffer.from(chunk.body)) !== 0)
    throw new Error("a chunk's body came back as other octets");
  let sum = 0n;
  for (const topic of message.topics) for (const field of topic.fields) sum = (sum + fieldTerm(topic, field)) & MASK;
  return { ...type.toObject(message, SHOWN), state_hash: sum.toString(16).padStart(16, "0") };
}

for (const line of fs.readFileSync(0, "utf8").split("\n").filter((text) => text)) {
  const [name, hex] = line.split(" ");
  const type = root.lookupType("syncbus.v1." + name);
  const message = type.decode(Buffer.from(hex, "hex"));
  const again = Buffer.from(type.encode(message).finish()).toString("hex");
  if (again !== hex) throw new Error(name + " came back as other octets");
  const shown = type.toObject(message, SHOWN);
  if (message.snapshot_chunk) Object.assign(shown, chunkDecoded(message.snapshot_chunk));
  console.log(JSON.stringify(shown));
}
