#!/usr/bin/env node
// SPDX-License-Identifier: MPL-2.0
//
// Prints what is published under a topic, one JSON line each. A plain subscriber: it needs no registration.
// Usage: subscriber.js [TOPIC [ENDPOINT [COUNT]]], by default market_data. tcp://127.0.0.1:5571 and no end.
// Needs the npm packages zeromq and protobufjs. 64-bit numbers are printed as texts: times do not fit a double.
"use strict";
const path = require("path");
const protobuf = require("protobufjs");
const zmq = require("zeromq");

const SCHEMAS = process.env.SYNCBUS_SCHEMAS || path.join(__dirname, "../../schemas");

async function main(topic = "market_data.", endpoint = "tcp://127.0.0.1:5571", count = "0") {
  const root = await new protobuf.Root().load(path.join(SCHEMAS, "syncbus.proto"), { keepCase: true });
  const Publication = root.lookupType("syncbus.v1.Publication");
  const socket = new zmq.Subscriber();
  socket.connect(endpoint);
  socket.subscribe(topic);
  let left = Number(count);
  for await (const [frame] of socket) {
    const end = frame.indexOf(0);
    const publication = Publication.toObject(Publication.decode(frame.subarray(end + 1)), {
      longs: String,
      enums: String,
      bytes: String,
    });
    console.log(JSON.stringify({ topic: frame.toString("utf8", 0, end), ...publication }));
    if (--left === 0) break;
  }
  socket.close();
}

main(...process.argv.slice(2, 5)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
