//! `CLUSTER subcommand ...`: the subcommands that read or change the state of this core.
//!
//! A subcommand is one event, and its `CommandOutcome` decides when the reply leaves: at once,
//! after the save (`ReplyCondition::Persist`), or when a replica has acknowledged the command
//! (`ReplyCondition::Acknowledged`: then it is called again, and has changed nothing yet).
//!
//! Elsewhere: the number of arguments, ACLs and subcommands on keys and migrations (the rows in
//! `commands::cluster` of the server), sending the reply (the driver).

mod failover;
mod info;
mod links;
mod membership;
mod nodes;
mod setslot;
mod shards;
mod slots;
mod slots_cache;
mod slots_reply;

pub(super) use slots_cache::SlotsReplies;

use super::core::{Cluster, Host, ReplyCondition};
use super::membership::nodes::NodeIndex;
use russet_host::Now;
use russet_resp::Reply;

/// The outcome of a subcommand; an error is the reply's line.
type Answer = Result<CommandOutcome, String>;

/// See [`Answer`].
enum CommandOutcome {
    /// The subcommand has replied by itself.
    Replied,
    /// The subcommand has replied by itself, and the reply waits for the save.
    Noticed,
    /// `+OK`, once the change is saved.
    Changed,
    /// Not yet: see [`ReplyCondition::Acknowledged`].
    Waits { timeout_ms: i64 },
}

const NOT_SAVED: &[u8] = b"-ERR error saving the cluster node config\r\n";

/// The error of a subcommand, as the client wrote it, with a wrong number of arguments.
fn misused(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    format!("ERR unknown subcommand or wrong number of arguments for '{name}'. Try CLUSTER HELP.")
}

impl Cluster {
    /// `CLUSTER subcommand ...`, if the core has the subcommand; `args` begins with CLUSTER. The
    /// subcommand's row has checked the number of arguments. No reply: the subcommand is not the
    /// core's.
    pub fn command(
        &mut self,
        now: Now,
        args: &[&[u8]],
        host: &Host<'_>,
        reply: &mut Reply,
    ) -> ReplyCondition {
        self.begin(now);
        let after = match self.answer(args, host, reply) {
            Err(line) => {
                reply.error_line(line.as_bytes());
                ReplyCondition::Send
            }
            Ok(CommandOutcome::Replied) => ReplyCondition::Send,
            Ok(CommandOutcome::Waits { timeout_ms }) => ReplyCondition::Acknowledged { timeout_ms },
            Ok(done @ (CommandOutcome::Changed | CommandOutcome::Noticed)) => {
                if let CommandOutcome::Changed = done {
                    reply.ok();
                }
                if self.out.is_saved() {
                    ReplyCondition::Send
                } else {
                    ReplyCondition::Persist {
                        otherwise: NOT_SAVED.to_vec(),
                    }
                }
            }
        };
        self.end();
        after
    }

    fn answer(&mut self, args: &[&[u8]], host: &Host<'_>, reply: &mut Reply) -> Answer {
        let Some((name, rest)) = args.get(1..).and_then(|args| args.split_first()) else {
            return Err("ERR wrong number of arguments for 'cluster' command".into());
        };
        match name.to_ascii_uppercase().as_slice() {
            b"MEET" => self.do_meet(rest),
            b"FORGET" => self.do_forget(rest),
            b"REPLICATE" => self.do_replicate(rest, host),
            b"RESET" => self.do_reset(name, rest),
            b"FAILOVER" => self.do_failover(name, rest, host),
            b"ADDSLOTS" => self.do_slots(rest, true),
            b"DELSLOTS" => self.do_slots(rest, false),
            b"ADDSLOTSRANGE" => self.do_slot_ranges(rest, true),
            b"DELSLOTSRANGE" => self.do_slot_ranges(rest, false),
            b"FLUSHSLOTS" => self.do_flush_slots(),
            b"FLUSHSLOT" => self.do_flush_slot(rest),
            b"SETSLOT" => self.do_setslot(rest, host),
            b"BUMPEPOCH" => Ok(self.do_bump_epoch(reply)),
            b"SET-CONFIG-EPOCH" => self.do_set_config_epoch(rest),
            b"SAVECONFIG" => {
                self.save();
                Ok(CommandOutcome::Changed)
            }
            b"NODES" => Ok(self.show_nodes(reply)),
            b"REPLICAS" | b"SLAVES" => self.show_replicas(rest, reply),
            b"MYID" => Ok(bulk(reply, self.me().id.as_bytes())),
            b"MYSHARDID" => Ok(bulk(reply, self.me().shard.as_bytes())),
            b"COUNT-FAILURE-REPORTS" => self.count_reports(rest, reply),
            b"INFO" => {
                reply.verbatim("txt", self.info().as_bytes());
                Ok(CommandOutcome::Replied)
            }
            b"SLOTS" => Ok(self.show_slots(host.viewer, reply)),
            b"SHARDS" => Ok(self.show_shards(host.viewer, reply)),
            b"LINKS" => Ok(self.show_links(host, reply)),
            b"EXPLAIN" => {
                let is_for_programs = match rest {
                    [] => false,
                    [word] if word.eq_ignore_ascii_case(b"findings") => true,
                    _ => return Err("ERR syntax error".into()),
                };
                self.show_findings(is_for_programs, reply);
                Ok(CommandOutcome::Replied)
            }
            _ => Ok(CommandOutcome::Replied),
        }
    }

    /// The node that an argument names.
    fn named(&self, id: &[u8]) -> Result<NodeIndex, String> {
        let unknown = || format!("ERR Unknown node {}", String::from_utf8_lossy(id));
        self.find_text(id).ok_or_else(unknown)
    }
}

fn bulk(reply: &mut Reply, bytes: &[u8]) -> CommandOutcome {
    reply.bulk(bytes);
    CommandOutcome::Replied
}

/// A number as Redis reads arguments.
fn number(text: &[u8]) -> Option<i64> {
    russet_base::numbers::number::parse_i64(text)
}
