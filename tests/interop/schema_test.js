// SPDX-License-Identifier: MPL-2.0
//
// Reads lines "MESSAGE HEX" on standard input, decodes each with protobufjs, encodes it again (the octets must be
// the same) and prints it as a JSON line. The one argument is the schema.
"use strict";
const fs = require("fs");
const protobuf = require("protobufjs");

const root = new protobuf.Root().loadSync(process.argv[2], { keepCase: true });
for (const line of fs.readFileSync(0, "utf8").split("\n").filter((text) => text)) {
  const [name, hex] = line.split(" ");
  const type = root.lookupType("syncbus.v1." + name);
  const message = type.decode(Buffer.from(hex, "hex"));
  const again = Buffer.from(type.encode(message).finish()).toString("hex");
  if (again !== hex) throw new Error(name + " came back as other octets");
  console.log(JSON.stringify(type.toObject(message, { longs: String, enums: String, bytes: String })));
}
