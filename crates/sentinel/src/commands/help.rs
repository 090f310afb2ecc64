//! SENTINEL HELP.

use super::{Call, CallResult, ReplyCondition};

const LINES: &[&str] = &[
    "SENTINEL <subcommand> [<arg> ...]. Subcommands are:",
    "CKQUORUM <primary-name>",
    "    Whether enough Sentinels answer to agree on a failover, and to elect who leads it.",
    "CONFIG GET <pattern> [<pattern> ...]",
    "    Directives of this Sentinel that concern no single primary.",
    "CONFIG SET <name> <value> [<name> <value> ...]",
    "    Sets such directives.",
    "DEBUG [<name> <milliseconds> ...]",
    "    The internal periods, or new values for them.",
    "EXPLAIN <primary-name> [COUNT <count> | FINDINGS]",
    "    Why the last failovers of a primary happened or did not, newest first; or what is found now.",
    "FAILOVER <primary-name> [COORDINATED]",
    "    Replaces a primary now, without a vote of the other Sentinels.",
    "    COORDINATED: by the primary itself, which waits for the replica first.",
    "FLUSHCONFIG",
    "    Writes the configuration file anew.",
    "GET-PRIMARY-ADDR-BY-NAME <primary-name>, GET-MASTER-ADDR-BY-NAME <primary-name>",
    "    The address that clients should use now.",
    "INFO-CACHE <primary-name> [<primary-name> ...]",
    "    What INFO last said on these primaries and their replicas.",
    "IS-PRIMARY-DOWN-BY-ADDR <ip> <port> <epoch> <runid>, IS-MASTER-DOWN-BY-ADDR ...",
    "    Whether the primary seems down from here; with a run id, asks for the vote too.",
    "MONITOR <primary-name> <ip> <port> <quorum>",
    "    Begins to watch a primary.",
    "MYID",
    "    The id of this Sentinel.",
    "PENDING-SCRIPTS",
    "    Scripts that run or wait.",
    "PRIMARIES, MASTERS",
    "    All primaries with their fields.",
    "PRIMARY <primary-name>, MASTER <primary-name>",
    "    One primary with its fields.",
    "REMOVE <primary-name>",
    "    Ends the watch of a primary.",
    "REPLICAS <primary-name>",
    "    The replicas of a primary with their fields.",
    "RESET <pattern>",
    "    Forgets what has been found out about primaries whose names match.",
    "SENTINELS <primary-name>",
    "    The other Sentinels of a primary with their fields.",
    "SET <primary-name> <option> <value> [<option> <value> ...]",
    "    Sets options of a primary.",
    "SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]",
    "    Lets this Sentinel end at a chosen point of a failover, for tests.",
    "HELP",
    "    Print this help.",
];

pub(super) fn help(call: &mut Call<'_>) -> CallResult {
    call.reply.array(LINES.len());
    for line in LINES {
        call.reply.simple(line);
    }
    Ok(ReplyCondition::Send)
}
