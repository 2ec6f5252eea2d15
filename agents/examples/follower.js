#!/usr/bin/env node
// SPDX-License-Identifier: MPL-2.0
//
// Keeps an exact copy of a category with nothing but SUB and REQ, and says what happens to it. No registration.
// Usage: follower.js [CATEGORY [PUBLISH_ENDPOINT [COMMAND_ENDPOINT]]], by default market_data on 127.0.0.1.
// Joins without a gap, fetches what was lost from history, or the state anew when history has dropped some of it, and
// starts over with a broker that began anew. Prints a state hash after changes: that of `syncbus state-hash CATEGORY`.
// Needs the npm packages zeromq and protobufjs (with its long: 64-bit numbers do not fit a double). Ends with 1 when there
// can be no such category.
"use strict";
const crypto = require("crypto");
const path = require("path");
const protobuf = require("protobufjs");
const zmq = require("zeromq");

const SCHEMAS = process.env.SYNCBUS_SCHEMAS || path.join(__dirname, "../../schemas");
const ANSWER_MS = 2000;
const SILENCE_MS = 3000;
const REPLY_MS = 5000;
const KINDS = ["", "number", "integer", "decimal", "boolean", "text", "bytes"];
const wide = (number) => BigInt(number.toString());
const say = (what, facts = {}) =>
  console.log([what, ...Object.entries(facts).map(([name, value]) => `${name}=${value}`)].join(" "));

// The broker is another one, or began anew: what is known of it means nothing.
class StartOver extends Error {}

// One field's part of the state hash; see "State hash" in PROTOCOL.md.
function term(topic, name, value, quality, sequence) {
  const octets = Buffer.alloc(12);
  const held = value[value.kind];
  const encode = {
    number: () => octets.subarray(0, octets.writeDoubleLE(held)),
    integer: () => octets.subarray(0, octets.writeBigInt64LE(wide(held))),
    decimal: () => octets.subarray(0, octets.writeInt32LE(held.exponent, octets.writeBigInt64LE(wide(held.unscaled)))),
    boolean: () => Buffer.from([held ? 1 : 0]),
    text: () => Buffer.from(held),
    bytes: () => held,
  };
  const tail = Buffer.alloc(9, quality);
  tail.writeBigUInt64LE(BigInt(sequence), 1);
  const kind = Buffer.from([0, KINDS.indexOf(value.kind)]);
  let h = 0xcbf29ce484222325n;
  for (const octet of Buffer.concat([Buffer.from(`${topic}\0${name}`), kind, encode[value.kind](), tail]))
    h = BigInt.asUintN(64, (h ^ BigInt(octet)) * 0x100000001b3n);
  for (const factor of [0xff51afd7ed558ccdn, 0xc4ceb9fe1a85ec53n]) h = BigInt.asUintN(64, (h ^ (h >> 33n)) * factor);
  return h ^ (h >> 33n);
}

class Follower {
  constructor(schema, category, publish, command) {
    Object.assign(this, { schema, category, publish, command, isJoined: false });
    this.subscriber = new zmq.Subscriber({ receiveHighWaterMark: 100000 });
    this.subscriber.connect(publish);
    this.subscriber.subscribe("_beat.", `${category}.`);
  }

  async receive() {
    const [frame] = await this.subscriber.receive();
    const end = frame.indexOf(0);
    return [frame.toString("utf8", 0, end), this.schema.Publication.decode(frame.subarray(end + 1))];
  }

  // Asks for one page after the other.
  async *pages(command, parameters) {
    for (let cursor = ""; cursor !== null; ) {
      const given = cursor ? { ...parameters, cursor } : parameters;
      const request = {
        commandId: crypto.randomUUID(),
        command,
        protocol: 1,
        issuer: "follower",
        timeoutMs: REPLY_MS,
        parameters: Object.entries(given).map(([name, value]) => ({
          name,
          value: typeof value === "string" ? { text: value } : { integer: value },
        })),
      };
      const asker = new zmq.Request({ linger: 0, receiveTimeout: REPLY_MS, sendTimeout: REPLY_MS });
      let reply;
      try {
        asker.connect(this.command);
        await asker.send(this.schema.CommandRequest.encode(request).finish());
        reply = this.schema.CommandReply.decode((await asker.receive())[0]);
      } catch (error) {
        throw new StartOver(`no answer from ${this.command}: ${error.message}`);
      } finally {
        asker.close();
      }
      const { REASON_BAD_PARAMETER, REASON_UNKNOWN_CATEGORY } = this.schema.Reason.values;
      if (!this.isJoined && [REASON_BAD_PARAMETER, REASON_UNKNOWN_CATEGORY].includes(reply.code))
        throw new Error(`follower.js: category ${this.category}: ${reply.message}`);
      if (reply.code) throw new StartOver(reply.message);
      if (`${reply.streamId} ${reply.epoch}` !== this.stream) throw new StartOver("the broker began anew");
      yield reply;
      cursor = reply.nextCursor || null;
    }
  }

  // Learns that the subscriptions are live, and where the category then stands; then fetches the state.
  async join() {
    let answer = null;
    const silence = setTimeout(() => {
      say("waiting:", { why: `no answer from ${this.publish}: is syncbusd running there?` });
    }, SILENCE_MS);
    while (!answer) {
      const join = `~join.${crypto.randomUUID()}.`;
      this.subscriber.subscribe(join);
      // What came before the answer is in the state that is fetched after it. The beats wake this up.
      for (const end = Date.now() + ANSWER_MS; !answer && Date.now() < end; ) {
        const [topic, publication] = await this.receive();
        if (topic === join) answer = publication;
      }
      this.subscriber.unsubscribe(join);
    }
    clearTimeout(silence);
    this.stream = `${answer.streamId} ${answer.epoch}`;
    this.position = this.head(answer);
    await this.fetchState();
    this.isJoined = true;
    say("joined", { category: this.category, position: this.position, fields: this.fields.size });
  }

  // The category's head, as a beat or the answer to a join says it.
  head(publication) {
    const changes = publication.updates.flatMap((update) => update.changes);
    const heads = new Map(changes.map((change) => [change.name, Number(change.value.integer)]));
    this.sequence = heads.get("sequence");
    return heads.get(`head.${this.category}`) || 0;
  }

  // What was published since the question is still to come, and is applied by the fields' sequences.
  async fetchState() {
    this.fields = new Map();
    this.quality = new Map();
    for await (const reply of this.pages("get_state", { category: this.category })) {
      for (const { topic, name, value, sequence, quality } of reply.fields) {
        this.fields.set(`${topic}\0${name}`, { topic, name, value, sequence: Number(sequence) });
        this.quality.set(topic, quality);
      }
      this.wholeAt = Number(reply.sequence);
    }
  }

  apply(topic, publication) {
    const sequence = Number(publication.sequence);
    for (const { name, value } of publication.updates.flatMap((update) => update.changes)) {
      const key = `${topic}\0${name}`;
      // Equal: an update before this one of the same publication.
      if (sequence < (this.fields.get(key)?.sequence || 0)) continue;
      if (value) this.fields.set(key, { topic, name, value, sequence });
      else this.fields.delete(key);
    }
    this.quality.set(topic, publication.quality);
    this.position = Number(publication.categorySequence);
  }

  // Makes good what was lost up to that category_sequence.
  async recover(through) {
    const { category, position } = this;
    say("lost", { category, first: position + 1, last: through, count: through - position });
    const entries = [];
    let evicted = false;
    for await (const reply of this.pages("history", { category, after: position, through })) {
      const record = new Map(reply.records[0].columns.map((column) => [column.name, column.value]));
      evicted = evicted || record.get("evicted").boolean;
      entries.push(...reply.publications);
      if (evicted || record.get("end").boolean) break;
    }
    if (evicted) await this.fetchState();
    else for (const entry of entries) this.apply(entry.topic, entry.publication);
    this.position = through;
    say("recovered", { by: evicted ? "state" : "history", count: evicted ? 0 : entries.length });
  }

  async handle(topic, publication) {
    if (`${publication.streamId} ${publication.epoch}` !== this.stream) throw new StartOver("the broker began anew");
    if (topic === "_beat..") {
      const head = this.head(publication);
      if (head > this.position) await this.recover(head);
      else if (this.sequence >= this.wholeAt && this.told !== `${this.stream} ${this.position}`) this.tell();
      return;
    }
    const sequence = Number(publication.categorySequence);
    if (!topic.startsWith(`${this.category}.`) || sequence <= this.position) return;
    if (sequence > this.position + 1) await this.recover(sequence - 1);
    this.apply(topic, publication);
  }

  tell() {
    let hash = 0n;
    for (const { topic, name, value, sequence } of this.fields.values())
      hash = BigInt.asUintN(64, hash + term(topic, name, value, this.quality.get(topic), sequence));
    const { position, sequence, fields } = this;
    say("state", { position, sequence, fields: fields.size, hash: hash.toString(16).padStart(16, "0") });
    this.told = `${this.stream} ${position}`;
  }

  async follow() {
    for (;;) {
      try {
        await this.join();
        for (;;) await this.handle(...(await this.receive()));
      } catch (error) {
        if (!(error instanceof StartOver)) throw error;
        say("starting over:", { why: error.message });
        await new Promise((resume) => setTimeout(resume, 1000));
      }
    }
  }
}

async function main(category = "market_data", publish = "tcp://127.0.0.1:5571", command = "tcp://127.0.0.1:5572") {
  const root = await new protobuf.Root().load(path.join(SCHEMAS, "syncbus.proto"));
  const names = ["Publication", "CommandRequest", "CommandReply"];
  const schema = Object.fromEntries(names.map((name) => [name, root.lookupType(`syncbus.v1.${name}`)]));
  schema.Reason = root.lookupEnum("syncbus.v1.Reason");
  await new Follower(schema, category, publish, command).follow();
}

const HELP = `Usage: follower.js [CATEGORY [PUBLISH_ENDPOINT [COMMAND_ENDPOINT]]]
Keeps an exact copy of a category (market_data) with SUB (tcp://127.0.0.1:5571) and REQ (tcp://127.0.0.1:5572) alone.`;

if (process.argv.slice(2).some((word) => word === "-h" || word === "--help")) {
  console.log(HELP);
  process.exit(0);
}
main(...process.argv.slice(2, 5)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
