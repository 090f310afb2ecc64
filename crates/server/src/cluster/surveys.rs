//! Commands that read keys of all shards: the node that receives the command asks the primaries of
//! all other shards over the bus, and the client waits for a single reply.
//!
//!     handler: ask_shards -> questions -> blocked ... answers -> the handler runs again, with them
//!     another node:  question -> its handler, as `is_for_other_node` -> answer
//!
//! Nothing partial is replied: a shard that cannot be asked, or has not answered in time, is an
//! error. Each command defines its own answers. The node that the client asked knows its user: each
//! question carries the user's rules, and the other nodes judge by these rules (`answers`).
//!
//! **Questions about slots** (FT.*) go to this node, too, so that all shards answer in the same
//! way. Each question names the slots that its node is asked for. A node with other slots does not
//! answer, so every slot is counted once, by the node that has it at the time of the answer. Nodes
//! answer such questions in slices, one slice a turn.
//!
//! **Changes of definitions** (FT.CREATE and the like) are questions as well: the other primaries
//! make the change first, then this node.

use crate::clients::blocked::{OnTimeout, Until};
use crate::clients::client::ClientFlags;
use crate::origin::Origin;
#[cfg(feature = "testing")]
use crate::parts::cluster::BrokenRule;
use crate::parts::cluster::{Asker, Complete, OTHER_SLOTS, question};
use crate::state::Server;
use crate::state::call::Call;
use russet_cluster::{Shard, ShardError};
use russet_command::{CommandError, Flags};
use russet_keyspace::Keyspace;
use russet_resp::Args;

/// Milliseconds until all shards must have answered.
const SURVEY_MS: u64 = 5000;

const IN_TRANSACTION: &str = "ERR Can not run multi sharded command inside a multi exec, lua, or \
                              when blocking is not allowed";
const NO_OWNER: &str = "CLUSTERDOWN Hash slot not served";
const UNREACHABLE: &str = "CLUSTERDOWN A shard cannot be asked";
const LATE: &str = "ERR A multi-shard command failed because a shard did not answer in time";
pub(super) const BUSY: &str = "ERR Too many multi-shard commands are under way";
const MOVING: &str = "TRYAGAIN Slots moved between shards while they were asked";

fn refusal(error: ShardError) -> CommandError {
    match error {
        ShardError::Slot => CommandError::Text(NO_OWNER),
        ShardError::Shard => CommandError::Text(UNREACHABLE),
    }
}

/// How far a question to all shards is.
pub enum ShardAnswers {
    /// The question is to be asked, or asked anew because slots have moved; it must be answered by
    /// this time.
    NotYet { until_ms: u64 },
    Complete {
        answers: Vec<Vec<u8>>,
        until_ms: u64,
        /// Kept by the asker with its question.
        kept: Vec<u8>,
    },
}

impl Call<'_> {
    /// Whether this is a node of a cluster, of which a command may ask the other shards.
    pub fn is_in_cluster(&self) -> bool {
        self.server.cluster.is_some()
    }

    /// Whether the command runs to answer another node, in the form for nodes.
    pub fn is_for_other_node(&self) -> bool {
        self.server.answers_node()
    }

    /// Whether other nodes may have slots, so that a command about all keys asks all shards.
    /// O(slots).
    ///
    /// # Errors
    ///
    /// If a shard cannot be asked.
    pub fn is_of_many_shards(&self) -> Result<bool, CommandError> {
        if self.is_for_other_node() || self.was_taken_before() {
            return Ok(false);
        }
        let Some(driver) = &self.server.cluster else {
            return Ok(false);
        };
        let shards = driver.core.shards(true).map_err(refusal)?;
        Ok(!matches!(&shards[..], [only] if only.node == driver.core.my_id()))
    }

    /// The answers of the other shards; empty if there are no other shards. The inner `None`: the
    /// shards are asked, and the client is blocked until the command runs again.
    pub fn ask_shards(&mut self) -> Result<Option<Vec<Vec<u8>>>, CommandError> {
        if self.server.cluster.is_none() {
            return Ok(Some(Vec::new()));
        }
        if let Some(complete) = self.take_answers()? {
            return Ok(Some(complete.answers));
        }
        let core = self.server.cluster.as_deref().map(|driver| &driver.core);
        let shards = core.map_or(Ok(Vec::new()), |core| core.other_shards());
        let shards = shards.map_err(refusal)?;
        let shards = shards.into_iter();
        let shards = shards.map(|node| Shard {
            node,
            slots: Vec::new(),
        });
        let until_ms = self.server.now.mono_ms + SURVEY_MS;
        let are_asked = self.ask(shards.collect(), self.args, until_ms, Vec::new())?;
        Ok((!are_asked).then(Vec::new))
    }

    /// The answers of all shards, including this shard, to a question of other words, in the order
    /// of their nodes' ids. `None`: the shards are asked, and the client is blocked until the
    /// command runs again, `wait_ms` at most.
    ///
    /// # Errors
    ///
    /// If a shard cannot be asked, has not answered in time, or answers with an error.
    pub fn ask_all_shards(
        &mut self,
        words: Args<'_>,
        wait_ms: u64,
    ) -> Result<Option<Vec<Vec<u8>>>, CommandError> {
        match self.answers_of_all(wait_ms)? {
            ShardAnswers::Complete { answers, .. } => Ok(Some(answers)),
            ShardAnswers::NotYet { until_ms } => {
                self.ask_all(words, until_ms, Vec::new())?;
                Ok(None)
            }
        }
    }

    /// The answers of all shards to the question of [`Call::ask_all`] for which the command runs
    /// again, in the order of their nodes' ids.
    ///
    /// # Errors
    ///
    /// If a shard has not answered in time, or answers with an error.
    pub fn answers_of_all(&mut self, wait_ms: u64) -> Result<ShardAnswers, CommandError> {
        let now_ms = self.server.now.mono_ms;
        let Some(complete) = self.take_answers()? else {
            let until_ms = now_ms + wait_ms;
            return Ok(ShardAnswers::NotYet { until_ms });
        };
        let is_other = |answer: &Vec<u8>| answer == OTHER_SLOTS;
        if !complete.answers.iter().any(is_other) {
            let Complete {
                answers,
                until_ms,
                kept,
            } = complete;
            return Ok(ShardAnswers::Complete {
                answers,
                until_ms,
                kept,
            });
        }
        let until_ms = complete.until_ms;
        if until_ms <= now_ms {
            return Err(CommandError::Text(MOVING));
        }
        Ok(ShardAnswers::NotYet { until_ms })
    }

    /// Asks all shards, including this shard, and blocks the client until the command runs again.
    /// The command then gets `kept` with the answers.
    ///
    /// # Errors
    ///
    /// If a shard cannot be asked.
    pub fn ask_all(
        &mut self,
        words: Args<'_>,
        until_ms: u64,
        kept: Vec<u8>,
    ) -> Result<(), CommandError> {
        let reads_here = self.client.flags.contains(ClientFlags::READS_HERE);
        let core = self.server.cluster.as_deref().map(|driver| &driver.core);
        let core = core.ok_or(CommandError::Text(NO_OWNER))?;
        let shards = core.shards(reads_here).map_err(refusal)?;
        self.ask(shards, words, until_ms, kept)?;
        Ok(())
    }

    /// Asks the other primaries with slots to make a change of definitions first. `true`: all have
    /// made the change, or there are no others; `false`: they are asked, and the client is blocked
    /// until the command runs again.
    ///
    /// # Errors
    ///
    /// If a shard cannot be asked, has not answered in time, or refuses. Some shards may have made
    /// the change then: it spreads later (`server::search::spread`).
    pub fn spread(&mut self) -> Result<bool, CommandError> {
        if self.is_for_other_node() || self.was_taken_before() {
            return Ok(true);
        }
        self.ask_shards().map(|answers| answers.is_some())
    }

    /// Whether the other primaries have made the change of definitions for which the command runs
    /// again.
    pub fn is_spread(&self) -> bool {
        let cluster = self.server.cluster.as_deref();
        self.origin == Origin::Retry && cluster.is_some_and(|driver| driver.surveys.has_complete())
    }

    /// The answers for which the command runs again, and when their time would have ended; `None`:
    /// no question was asked yet.
    fn take_answers(&mut self) -> Result<Option<Complete>, CommandError> {
        if self.origin == Origin::TimeUp && !self.is_for_other_node() {
            return Err(CommandError::Text(LATE));
        }
        let complete = match &mut self.server.cluster {
            Some(driver) if self.origin == Origin::Retry => driver.surveys.take_complete(),
            _ => None,
        };
        let Some(complete) = complete else {
            return Ok(None);
        };
        let mut answers = complete.answers.iter();
        match answers.find(|answer| answer.first() == Some(&b'-')) {
            Some(error) => Err(CommandError::Bytes(error[1..].to_vec())),
            None => Ok(Some(complete)),
        }
    }

    /// Asks shards, and blocks the client. `false`: there are none.
    fn ask(
        &mut self,
        shards: Vec<Shard>,
        words: Args<'_>,
        until_ms: u64,
        kept: Vec<u8>,
    ) -> Result<bool, CommandError> {
        if shards.is_empty() {
            return Ok(false);
        }
        if !self.origin.may_block() {
            return Err(CommandError::Text(IN_TRANSACTION));
        }
        let (now_ms, client, db) = (self.server.now.mono_ms, self.client.id, self.db.index());
        let Some(driver) = self.server.cluster.as_deref_mut() else {
            return Ok(false);
        };
        let nodes = shards.iter().map(|shard| shard.node).collect();
        let number = driver
            .surveys
            .begin(client, nodes, (now_ms, until_ms), kept);
        let number = number.ok_or(CommandError::Text(BUSY))?;
        let asker = self.asker();
        // A change that was made is not made again.
        let flags = self.server.table.row(self.row).spec.flags;
        let may_repeat = !flags.contains(Flags::WRITE);
        let world = self.world();
        let are_asked = world.server.with_cluster(world.keyspace, |driver, _| {
            let my_id = driver.core.my_id();
            let mut questions = Vec::new();
            let are_asked = shards.iter().all(|shard| {
                let question = question(number, db, &asker, words, &shard.slots);
                if shard.node == my_id {
                    driver.surveys.receive(my_id, false, question);
                    return true;
                }
                let is_asked = driver.core.ask(shard.node, false, &question);
                questions.push((shard.node, question));
                is_asked
            });
            if !are_asked {
                driver.surveys.give_up(number);
            } else {
                let now_ms = may_repeat.then_some(now_ms);
                driver.surveys.keep(number, questions, now_ms);
            }
            are_asked
        });
        if are_asked != Some(true) {
            return Err(CommandError::Text(UNREACHABLE));
        }
        let wait_ms = until_ms.saturating_sub(now_ms).max(1);
        self.block_until(Until::Survey { number }, wait_ms, OnTimeout::Handler);
        Ok(true)
    }

    /// The rights of the client, for a question.
    fn asker(&self) -> Asker {
        let (acl, user) = (&self.server.acl, self.client.user);
        let account = acl.accounts.of(user);
        let work = account.map_or(0, |account| account.budgets.work);
        let user = acl.users.get(user);
        let rights = if user.allows_all() {
            Vec::new()
        } else {
            user.rights()
        };
        Asker { rights, work }
    }
}

impl Server {
    /// Whether a command runs to answer another node.
    pub fn answers_node(&self) -> bool {
        let cluster = self.cluster.as_deref();
        cluster.is_some_and(|driver| driver.surveys.is_answering)
    }

    /// Ends surveys whose time is over, and asks nodes again that have not answered. Called at each
    /// tick of the cluster's core.
    pub(crate) fn repeat_questions(&mut self, keyspace: &mut Keyspace) {
        let now_ms = self.now.mono_ms;
        #[cfg(feature = "testing")]
        let ends = self.debug.broken_rule != Some(BrokenRule::KeepsSurveys);
        #[cfg(not(feature = "testing"))]
        let ends = true;
        if let Some(driver) = self.cluster.as_mut().filter(|_| ends) {
            driver.surveys.end_late(now_ms);
        }
        let driver = self.cluster.as_mut();
        let again = driver.map_or(Vec::new(), |driver| driver.surveys.unanswered(now_ms));
        if !again.is_empty() {
            self.with_cluster(keyspace, |driver, _| {
                for (node, question) in &again {
                    driver.core.ask(*node, false, question);
                }
            });
        }
    }
}
