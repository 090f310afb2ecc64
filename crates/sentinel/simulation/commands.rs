//! Replies to commands, as Redis 8.0.6 gives them.
//!
//! A table of requests with their replies, byte for byte; then the fields of SENTINEL MASTER,
//! REPLICAS and SENTINELS in their order, and the forms of INFO, ROLE, MYID, DEBUG, HELP and
//! INFO-CACHE. Texts of EXPLAIN, our own command, are `explained`'s.

use super::world::World;

/// Requests and Redis 8.0.6's replies, with one primary on 10.0.0.1:6379 and no other Sentinel.
const REPLIES: &[(&str, &str)] = &[
    (
        "SENTINEL",
        "-ERR wrong number of arguments for 'sentinel' command",
    ),
    (
        "sentinel foo",
        "-ERR unknown subcommand 'foo'. Try SENTINEL HELP.",
    ),
    (
        "sentinel master",
        "-ERR wrong number of arguments for 'sentinel|master' command",
    ),
    ("sentinel master nope", "-ERR No such master with that name"),
    (
        "sentinel replicas nope",
        "-ERR No such master with that name",
    ),
    (
        "sentinel sentinels nope",
        "-ERR No such master with that name",
    ),
    ("sentinel get-master-addr-by-name nope", "*-1"),
    (
        "sentinel is-master-down-by-addr 10.0.0.1 x 0 *",
        "-ERR value is not an integer or out of range",
    ),
    (
        "sentinel is-master-down-by-addr 10.0.0.1 99999 0 *",
        "*3\r\n:0\r\n$1\r\n*\r\n:0",
    ),
    ("sentinel reset nope", ":0"),
    (
        "sentinel failover nope",
        "-ERR No such master with that name",
    ),
    (
        "sentinel failover mymaster bogus",
        "-ERR Unknown failover option specified",
    ),
    (
        "sentinel failover mymaster coordinated",
        "-NOGOODPRIMARY Primary does not support FAILOVER command",
    ),
    (
        "sentinel failover mymaster",
        "-NOGOODSLAVE No suitable replica to promote",
    ),
    ("sentinel pending-scripts", "*0"),
    ("sentinel monitor a b c d", "-ERR Invalid quorum"),
    ("sentinel monitor a b x 1", "-ERR Invalid port"),
    (
        "sentinel monitor a b 1 0",
        "-ERR Quorum must be 1 or greater.",
    ),
    (
        "sentinel monitor a localhost 1 1",
        "-ERR Invalid IP address or hostname specified",
    ),
    (
        "sentinel monitor mymaster 127.0.0.1 1 1",
        "-ERR Duplicate master name.",
    ),
    (
        "sentinel monitor a 127.0.0.1 99999 1",
        "-ERR Invalid port number.",
    ),
    ("sentinel monitor a 127.0.0.1 0 1", "+OK"),
    ("sentinel remove a", "+OK"),
    ("sentinel remove a", "-ERR No such master with that name"),
    (
        "sentinel set mymaster quorum",
        "-ERR wrong number of arguments for 'sentinel|set' command",
    ),
    (
        "sentinel set nope quorum 1",
        "-ERR No such master with that name",
    ),
    (
        "sentinel set mymaster quorum x",
        "-ERR Invalid argument 'x' for SENTINEL SET 'quorum'",
    ),
    (
        "sentinel set mymaster quorum 0",
        "-ERR Invalid argument '0' for SENTINEL SET 'quorum'",
    ),
    ("sentinel set mymaster quorum 2", "+OK"),
    (
        "sentinel set mymaster foo bar",
        "-ERR Unknown option or number of arguments for SENTINEL SET 'foo'",
    ),
    (
        "sentinel set mymaster notification-script /bin/ls",
        "-ERR Reconfiguration of scripts path is denied for security reasons. Check the \
         deny-scripts-reconfig configuration directive in your Sentinel configuration",
    ),
    (
        "sentinel set mymaster rename-command a",
        "-ERR Unknown option or number of arguments for SENTINEL SET 'rename-command'",
    ),
    ("sentinel set mymaster rename-command config guess2", "+OK"),
    (
        "sentinel set mymaster master-reboot-down-after-period -1",
        "-ERR Invalid argument '-1' for SENTINEL SET 'master-reboot-down-after-period'",
    ),
    (
        "sentinel set mymaster parallel-syncs 2 quorum x",
        "-ERR Invalid argument 'x' for SENTINEL SET 'quorum'",
    ),
    (
        "sentinel config get",
        "-ERR wrong number of arguments for 'sentinel|config' command",
    ),
    ("sentinel config get nope", "*0"),
    (
        "sentinel config get announce-p* announce-port",
        "*2\r\n$13\r\nannounce-port\r\n$1\r\n0",
    ),
    (
        "sentinel config set announce-port",
        "-ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...] / SET <param> <value> \
         [<param> <value> ...] are supported.",
    ),
    (
        "sentinel config set announce-port x",
        "-ERR Invalid value 'x' to SENTINEL CONFIG SET 'announce-port'",
    ),
    ("sentinel config set announce-port 0", "+OK"),
    (
        "sentinel config set announce-port 1 announce-port 2",
        "-ERR Duplicate argument 'announce-port' to SENTINEL CONFIG SET",
    ),
    (
        "sentinel config set foo 1",
        "-ERR Invalid argument 'foo' to SENTINEL CONFIG SET",
    ),
    (
        "sentinel config set loglevel foo",
        "-ERR Invalid value 'foo' to SENTINEL CONFIG SET 'loglevel'",
    ),
    ("sentinel config set loglevel debug", "+OK"),
    ("sentinel info-cache nope", "*0"),
    (
        "sentinel simulate-failure",
        "-ERR wrong number of arguments for 'sentinel|simulate-failure' command",
    ),
    (
        "sentinel simulate-failure foo",
        "-ERR Unknown failure simulation specified",
    ),
    (
        "sentinel simulate-failure help",
        "*2\r\n$20\r\ncrash-after-election\r\n$21\r\ncrash-after-promotion",
    ),
    (
        "sentinel debug foo 1",
        "-ERR Unknown option or number of arguments for SENTINEL DEBUG 'foo'",
    ),
    (
        "sentinel debug info-period",
        "-ERR Unknown option or number of arguments for SENTINEL DEBUG 'info-period'",
    ),
    (
        "sentinel debug info-period 0",
        "-ERR Invalid argument '0' for SENTINEL DEBUG 'info-period'",
    ),
    ("sentinel debug info-period 10000", "+OK"),
    ("sentinel flushconfig", "+OK"),
    (
        "sentinel flushconfig x",
        "-ERR wrong number of arguments for 'sentinel|flushconfig' command",
    ),
    (
        "sentinel ckquorum mymaster",
        "-NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the specified \
         quorum for this master",
    ),
    (
        "sentinel get-primary-addr-by-name mymaster",
        "*2\r\n$8\r\n10.0.0.1\r\n$4\r\n6379",
    ),
];

#[test]
fn replies_are_those_of_redis() {
    let mut world = World::new(1, 1, 2, 1);
    for (line, reply) in REPLIES {
        assert_eq!(world.command(0, line), format!("{reply}\r\n"), "{line}");
    }
}

/// The names of the fields of a map.
fn names(reply: &str) -> Vec<&str> {
    let mut values = reply.split("\r\n").filter(|word| !word.is_empty());
    values.next();
    let values: Vec<&str> = values.collect();
    values.chunks(4).map(|pair| pair[1]).collect()
}

#[test]
fn instances_are_shown_with_redis_fields_in_its_order() {
    let mut world = World::new(2, 2, 2, 1);
    world.run_ms(15_000);
    let common = [
        "name",
        "ip",
        "port",
        "runid",
        "flags",
        "link-pending-commands",
        "link-refcount",
        "last-ping-sent",
        "last-ok-ping-reply",
        "last-ping-reply",
        "down-after-milliseconds",
    ];
    let role = ["info-refresh", "role-reported", "role-reported-time"];
    let primary = [
        "config-epoch",
        "num-slaves",
        "num-other-sentinels",
        "quorum",
        "failover-timeout",
        "parallel-syncs",
    ];
    let replica = [
        "master-link-down-time",
        "master-link-status",
        "master-host",
        "master-port",
        "slave-priority",
        "slave-repl-offset",
        "replica-announced",
    ];
    let peer = ["last-hello-message", "voted-leader", "voted-leader-epoch"];
    let shown = world.command(0, "sentinel master mymaster");
    assert_eq!(names(&shown), [&common[..], &role, &primary].concat());
    assert!(shown.contains("\r\n$6\r\nmaster\r\n"), "the flags: {shown}");
    let shown = world.command(0, "sentinel slaves mymaster");
    let one = shown.strip_prefix("*1\r\n").expect("one replica");
    assert_eq!(names(one), [&common[..], &role, &replica].concat());
    let shown = world.command(0, "sentinel sentinels mymaster");
    let one = shown.strip_prefix("*1\r\n").expect("one other");
    assert_eq!(names(one), [&common[..], &peer].concat());
}

#[test]
fn info_role_and_the_rest_have_redis_form() {
    let mut world = World::new(1, 1, 1, 1);
    let info = "# Sentinel\r\nsentinel_masters:1\r\nsentinel_tilt:0\r\n\
        sentinel_tilt_since_seconds:-1\r\nsentinel_running_scripts:0\r\n\
        sentinel_scripts_queue_length:0\r\nsentinel_simulate_failure_flags:0\r\n\
        master0:name=mymaster,status=ok,address=10.0.0.1:6379,slaves=0,sentinels=1\r\n";
    assert_eq!(
        String::from_utf8(world.core(0).info()).expect("UTF-8"),
        info
    );
    let mut reply = russet_resp::Reply::new();
    world.core(0).role(&mut reply);
    assert_eq!(
        reply.take_text(),
        b"*2\r\n$8\r\nsentinel\r\n*1\r\n$8\r\nmymaster\r\n"
    );
    let id = world.command(0, "sentinel myid");
    assert!(id.starts_with("$40\r\n") && id.len() == 47, "{id}");
    let debug = world.command(0, "sentinel debug");
    assert!(
        debug.starts_with("*26\r\n$11\r\nINFO-PERIOD\r\n$5\r\n10000\r\n"),
        "{debug}"
    );
    assert!(debug.ends_with("$18\r\nSCRIPT-RETRY-DELAY\r\n$5\r\n30000\r\n"));
    let help = world.command(0, "sentinel help");
    assert!(
        help.starts_with("*46\r\n+SENTINEL <subcommand> [<arg> "),
        "{help}"
    );
    let cache = world.command(0, "sentinel info-cache mymaster");
    assert_eq!(cache, "*2\r\n$8\r\nmymaster\r\n*1\r\n*2\r\n:0\r\n$-1\r\n");
    assert_eq!(world.command(0, "sentinel reset my*"), ":1\r\n");
    assert_eq!(world.channels(0, 0), ["+monitor", "+reset-master"]);
}
