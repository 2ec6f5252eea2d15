// SPDX-License-Identifier: MPL-2.0
//
// The state hash as PROTOCOL.md describes it, written from that page alone. A module, and a program: lines of JSON
// [topic, name, kind, value's text, quality, sequence's digits] on standard input, a line with the term for each.
"use strict";

const MASK = (1n << 64n) - 1n;
const KINDS = { number: 1, integer: 2, decimal: 3, boolean: 4, text: 5, bytes: 6 };

// value: number, BigInt, { unscaled, exponent }, boolean, string or octets.
function valueOctets(kind, value) {
  const octets = Buffer.alloc(12);
  switch (kind) {
    case "number": octets.writeDoubleLE(value); return octets.subarray(0, 8);
    case "integer": octets.writeBigInt64LE(value); return octets.subarray(0, 8);
    case "decimal": octets.writeBigInt64LE(value.unscaled); octets.writeInt32LE(value.exponent, 8); return octets;
    case "boolean": return Buffer.from([value ? 1 : 0]);
    case "text": return Buffer.from(value, "utf8");
    case "bytes": return Buffer.from(value);
    default: throw new Error("no value has the kind " + kind);
  }
}

function mix(hash, factor) {
  return ((hash ^ (hash >> 33n)) * factor) & MASK;
}

// The term of one field, a BigInt; sequence is one too.
function term(topic, name, kind, value, quality, sequence) {
  const end = Buffer.alloc(9);
  end[0] = quality;
  end.writeBigUInt64LE(sequence, 1);
  const octets = Buffer.concat([Buffer.from(topic), Buffer.from([0]), Buffer.from(name), Buffer.from([0, KINDS[kind]]),
    valueOctets(kind, value), end]);
  let hash = 0xcbf29ce484222325n;
  for (const octet of octets) hash = ((hash ^ BigInt(octet)) * 0x100000001b3n) & MASK;
  hash = mix(mix(hash, 0xff51afd7ed558ccdn), 0xc4ceb9fe1a85ec53n);
  return hash ^ (hash >> 33n);
}

function parseValue(kind, text) {
  switch (kind) {
    case "number": return Number(text);
    case "integer": return BigInt(text);
    case "decimal": {
      const [unscaled, exponent] = text.split("e");
      return { unscaled: BigInt(unscaled), exponent: Number(exponent) };
    }
    case "boolean": return text === "true";
    case "bytes": return Buffer.from(text, "hex");
    default: return text;
  }
}

module.exports = { term, MASK };

if (require.main === module)
  for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter((text) => text)) {
    const [topic, name, kind, text, quality, sequence] = JSON.parse(line);
    const hash = term(topic, name, kind, parseValue(kind, text), quality, BigInt(sequence));
    console.log(hash.toString(16).padStart(16, "0"));
  }
