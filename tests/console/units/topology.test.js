/** Verdicts of the nodes and groups that the picture of the topology draws. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { RespError } from "../../../console/resp.js";
import { clusterPicture, quorumPicture, rangesText, replicationPicture, sentinelGroup, sentinelPicture } from "../../../console/topology.js";

const node = (id, role, health = "online", offset = 0) => ["id", id, "port", 7000, "ip", "::1", "endpoint", "h", "role", role, "replication-offset", offset, "health", health];
const line = (id, flags, link = "connected") => `${id} h:7000@17000 ${flags} - 0 0 1 ${link}\n`;
const fine = { cluster_state: "ok", cluster_slots_ok: "16384" };

test("a cluster whose primaries have replicas is well", () => {
  const { verdict, groups } = clusterPicture(fine, [["slots", [0, 16383], "nodes", [node("a", "master", "online", 9), node("b", "replica", "online", 5)]]], line("a", "myself,master") + line("b", "slave"));
  assert.equal(verdict.tone, "ok");
  assert.deepEqual(groups[0].primaries.map(({ name, text, self }) => [name, text, self]), [["h:7000", "serves", true]]);
  assert.deepEqual(groups[0].replicas.map(({ tone, text }) => [tone, text]), [["ok", "4 B after its primary"]]);
  assert.equal(groups[0].verdict.text, "1 replica can take over");
});

test("a node's verdict follows its flags, then its health", () => {
  const verdictOf = (flags, health, link) => clusterPicture(fine, [["slots", [0, 16383], "nodes", [node("a", "replica", health)]]], line("a", flags, link)).groups[0].replicas[0];
  assert.deepEqual(["slave,fail", "slave,fail?", "slave,handshake", "slave,noaddr", "slave"].map((flags) => verdictOf(flags, "online").tone), ["bad", "warn", "warn", "bad", "ok"]);
  assert.equal(verdictOf("slave", "loading").text, "has not synchronised yet");
  assert.equal(verdictOf("slave", "online", "disconnected").text, "no link from this node");
  assert.equal(clusterPicture(fine, [["slots", [], "nodes", [node("a", "replica", "fail")]]], "").groups[0].replicas[0].tone, "bad");
});

test("a shard without a primary or a replica is named, and slots without a server", () => {
  const shard = (...nodes) => clusterPicture(fine, [["slots", [0, 16383], "nodes", nodes]], "");
  assert.match(shard(node("a", "master")).verdict.text, /^Shard 1: no replica/);
  assert.match(shard(node("a", "master", "fail"), node("b", "replica")).verdict.text, /^Shard 1: no primary; a replica should/);
  assert.match(shard(node("a", "master", "fail")).verdict.text, /no replica that could/);
  assert.match(shard(node("a", "master"), node("b", "replica", "loading")).verdict.text, /no replica is ready/);
  assert.match(shard(node("a", "master"), node("b", "replica", "loading"), node("c", "replica")).verdict.text, /1 of 2 replicas/);
  assert.match(clusterPicture({ cluster_state: "fail", cluster_slots_ok: "16383" }, [], "").verdict.text, /1 slot of 16,384 is not served/);
  assert.match(clusterPicture({ cluster_state: "fail", cluster_slots_ok: "16384" }, [], "").verdict.text, /does not reach/);
  assert.deepEqual([[], [[5, 5]], [[0, 2], [9, 9]]].map(rangesText), ["no slots", "slot 5", "slots 0-2 9"]);
});

const watched = (flags, more = []) => ["name", "g", "ip", "h", "port", "1", "flags", flags, "last-ok-ping-reply", "90", "quorum", "2", ...more];
const replica = (link = "ok", offset = "5", priority = "100", flags = "slave") => watched(flags, ["master-link-status", link, "slave-repl-offset", offset, "slave-priority", priority]);

test("a group's verdict follows its quorum, its primary, its replicas and its Sentinels", () => {
  const group = (top, replicas, others, quorum = "OK") => sentinelGroup(top, replicas, others, quorum, "here:26379").verdict;
  const two = [watched("sentinel"), watched("sentinel")];
  assert.deepEqual(group(watched("master"), [replica()], two), { tone: "ok", text: "1 replica can take over" });
  assert.match(group(watched("master"), [replica()], two, new RespError("NOQUORUM not enough")).text, /no failover is possible: NOQUORUM/);
  assert.match(group(watched("master,o_down"), [replica()], two).text, /choose a replica/);
  assert.match(group(watched("master,s_down"), [replica("err")], two).text, /no replica is ready/);
  assert.match(group(watched("master"), [replica("ok", "5", "0")], two).text, /no replica is ready/);
  assert.match(group(watched("master"), [replica()], []).text, /^1 Sentinel:/);
  assert.match(group(watched("master"), [replica()], [watched("sentinel,s_down"), watched("sentinel")]).text, /not all/);
  assert.equal(sentinelPicture([]).verdict.tone, "warn");
});

test("replication is drawn from either end, and not where there is one server", () => {
  assert.equal(replicationPicture({ role: "master", master_repl_offset: "0" }, "h:1"), null);
  const above = replicationPicture({ role: "master", master_repl_offset: "9", slave0: "ip=h,port=2,state=online,offset=9,lag=0", slave1: "ip=h,port=3,state=wait_bgsave,offset=0,lag=0" }, "h:1");
  assert.equal(above.verdict.text, "1 of 2 replicas could take over, by hand or by Sentinels.");
  assert.deepEqual(above.groups[0].replicas.map(({ text }) => text), ["has all of its primary", "takes a copy of its primary"]);
  const below = replicationPicture({ role: "slave", master_host: "h", master_port: "1", master_link_status: "down", master_sync_in_progress: "0", master_last_io_seconds_ago: "-1" }, "h:2");
  assert.deepEqual([below.verdict.tone, below.groups[0].primaries[0].text], ["bad", "not reached from here"]);
});

test("a group of sync-quorum says who is away and why writes wait", () => {
  assert.equal(quorumPicture({ role: "master", sync_group: "" }, "h:1"), null);
  const leader = {
    role: "master",
    master_repl_offset: "100",
    sync_group: "aa",
    sync_state: "ok",
    sync_ballot: "7:ab",
    sync_acknowledgements: "1",
    sync_member0: "id=a,ip=h,port=1,state=self,offset=100,lag_ms=-1",
    sync_member1: "id=b,ip=h,port=2,state=linked,offset=100,lag_ms=3",
    sync_member2: "id=c,ip=h,port=3,state=linked,offset=90,lag_ms=4",
    slave2: "ip=h,port=9,state=online,offset=100,lag=0,sync=outsider",
  };
  const well = replicationPicture(leader, "h:1");
  assert.equal(well.verdict.tone, "ok");
  assert.deepEqual(well.groups[0].replicas.map(({ name, role }) => [name, role]), [["h:2", "member"], ["h:3", "member"], ["h:9", "no member"]]);
  assert.equal(well.groups[0].note, "3 members, each write at 2");
  const away = quorumPicture({ ...leader, sync_member2: "id=c,ip=h,port=3,state=unlinked,offset=0,lag_ms=-1,missing_ms=61000" }, "h:1");
  assert.equal(away.verdict.text, "1 of 2 other members is connected.");
  assert.match(away.groups[0].replicas[1].text, /^away for 1 min/);
  const lost = quorumPicture({ ...leader, sync_state: "lost" }, "h:1");
  assert.equal(lost.verdict.tone, "bad");
  const asks = quorumPicture({ role: "slave", sync_group: "aa", sync_state: "taking-over", sync_promised: "8:ab", sync_obstacle: "NOQUORUM Taking over needs promises." }, "h:2");
  assert.equal(asks.verdict.text, "This server: asks the members for their promises. NOQUORUM Taking over needs promises.");
});
