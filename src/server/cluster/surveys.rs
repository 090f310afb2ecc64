//! Commands that read keys of all shards: the node that a client asks asks the primaries of the
//! others over the bus, and the client waits for its one reply.
//!
//!     handler: ask_shards -> questions -> blocked ... answers -> the handler runs again, with them
//!     another node:  question -> its handler, as `is_for_other_node` -> answer
//!
//! Nothing partial is replied: a shard that cannot be asked, or has not answered in time, is an
//! error. What an answer holds is the command's own. Users and their rules are of the node that the
//! client asks.

use crate::server::clients::blocked::{OnTimeout, Until};
use crate::server::clients::client::Client;
use crate::server::origin::Origin;
use crate::server::parts::cluster::{ANSWER_BYTES_MAX, Message, asked, question};
use crate::server::state::call::{Call, Effect};
use crate::server::state::world::Engine;
use russet_cluster::Unanswered;
use russet_command::{Category, CommandError, Flags};
use russet_keyspace::ClientId;
use russet_resp::Reply;

/// Milliseconds until all shards must have answered.
const SURVEY_MS: u64 = 5000;

const IN_TRANSACTION: &str = "ERR Can not run multi sharded command inside a multi exec, lua, or \
                              when blocking is not allowed";
const NO_OWNER: &str = "CLUSTERDOWN Hash slot not served";
const UNREACHABLE: &str = "CLUSTERDOWN A shard cannot be asked";
const LATE: &str = "ERR A multi-shard command failed because a shard did not answer in time";
const BUSY: &str = "ERR Too many multi-shard commands are under way";
const TOO_LONG: &str = "ERR A multi-shard command failed because the answer of a shard is too \
                        large: ask for less at a time";

impl Call<'_> {
    /// Whether this is a node of a cluster, of which a command may ask the other shards.
    pub fn is_in_cluster(&self) -> bool {
        self.server.cluster.is_some()
    }

    /// Whether the command runs to answer another node, in bytes of its own.
    pub fn is_for_other_node(&self) -> bool {
        let cluster = self.server.cluster.as_deref();
        cluster.is_some_and(|driver| driver.surveys.is_answering)
    }

    /// The answers of the other shards, none without any. The inner `None`: they are asked, and the
    /// client is blocked until the command runs again.
    pub fn ask_shards(&mut self) -> Result<Option<Vec<Vec<u8>>>, CommandError> {
        let (now_ms, client, db) = (self.server.now.mono_ms, self.client.id, self.db.index());
        let Some(driver) = self.server.cluster.as_deref_mut() else {
            return Ok(Some(Vec::new()));
        };
        if self.origin == Origin::Retry
            && let Some(answers) = driver.surveys.take_complete()
        {
            let error = answers.iter().find(|answer| answer.first() == Some(&b'-'));
            return match error {
                Some(error) => Err(CommandError::Bytes(error[1..].to_vec())),
                None => Ok(Some(answers)),
            };
        }
        if self.origin == Origin::TimeUp {
            return Err(CommandError::Text(LATE));
        }
        let shards = driver.core.other_shards().map_err(|error| match error {
            Unanswered::Slot => CommandError::Text(NO_OWNER),
            Unanswered::Shard => CommandError::Text(UNREACHABLE),
        })?;
        if shards.is_empty() {
            return Ok(Some(Vec::new()));
        }
        if !self.origin.may_block() {
            return Err(CommandError::Text(IN_TRANSACTION));
        }
        let times = (now_ms, now_ms + SURVEY_MS);
        let number = driver.surveys.begin(client, shards.clone(), times);
        let number = number.ok_or(CommandError::Text(BUSY))?;
        let question = question(number, db, self.args);
        let world = self.world();
        let are_asked = world.server.with_cluster(world.keyspace, |driver, _| {
            let mut shards = shards.into_iter();
            let are_asked = shards.all(|shard| driver.core.ask(shard, false, &question));
            if !are_asked {
                driver.surveys.give_up(number);
            }
            are_asked
        });
        if are_asked != Some(true) {
            return Err(CommandError::Text(UNREACHABLE));
        }
        self.block_until(Until::Survey { number }, SURVEY_MS, OnTimeout::Handler);
        Ok(None)
    }
}

impl Engine {
    /// Answers the questions of other nodes, and runs the commands again whose questions have been
    /// answered.
    pub(in crate::server) fn serve_surveys(&mut self) {
        while let Some(driver) = &mut self.server.cluster
            && let Some(message) = driver.surveys.next_message()
        {
            match message {
                Message::Question(from, payload) => {
                    if let Some(answer) = self.answer_question(&payload) {
                        self.server.with_cluster(&mut self.keyspace, |driver, _| {
                            driver.core.ask(from, true, &answer)
                        });
                    }
                }
                Message::Answer(from, payload) => {
                    if let Some((client, number)) = driver.surveys.take_answer(from, &payload) {
                        self.end_survey(client, number);
                    }
                }
            }
        }
    }

    fn end_survey(&mut self, client: ClientId, number: u64) {
        let waits = self.server.clients.get_mut(client).is_some_and(|session| {
            let blocked = session.client.blocked.as_deref();
            blocked.is_some_and(
                |blocked| matches!(blocked.until, Until::Survey { number: its } if its == number),
            )
        });
        if waits {
            self.retry_by_id(client);
        }
        // Left over if the client is gone, or a gate has refused the command.
        if let Some(driver) = &mut self.server.cluster {
            driver.surveys.take_complete();
        }
    }

    /// The answer to a question. `None`: it is none.
    fn answer_question(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let (number, db, args) = asked(payload)?;
        let mut answer = number.to_be_bytes().to_vec();
        let id = self.server.table.find(args.args().get(0)?)?.id;
        let row = self.server.table.row(id);
        let (spec, name) = (row.spec, row.full_name);
        // Reads of series by their labels, which name no keys.
        let is_asked = spec.categories.contains(Category::TIMESERIES)
            && spec.flags.contains(Flags::READONLY)
            && spec.keys.is_empty();
        if !is_asked || db.0 as usize >= self.keyspace.databases() {
            return None;
        }
        let mut client = Client::fake(ClientId(u64::MAX - 2));
        client.db = db;
        let mut reply = Reply::new();
        if let Some(driver) = &mut self.server.cluster {
            driver.surveys.is_answering = true;
        }
        let mut call = Call {
            args: args.args(),
            reply: &mut reply,
            db: self.keyspace.db(db),
            client: &mut client,
            server: &mut self.server,
            effect: Effect::Nothing,
            name,
            row: id,
            origin: Origin::TimeUp,
            script: None,
        };
        let outcome = (spec.handler)(&mut call);
        if let Some(driver) = &mut self.server.cluster {
            driver.surveys.is_answering = false;
        }
        match outcome {
            Ok(()) if reply.pending_len() <= ANSWER_BYTES_MAX => {
                answer.extend_from_slice(&reply.pending());
            }
            Ok(()) => answer.extend_from_slice(&[b"-", TOO_LONG.as_bytes()].concat()),
            Err(error) => answer.extend_from_slice(&[b"-", &*error.line()].concat()),
        }
        Some(answer)
    }
}
