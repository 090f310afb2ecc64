//! Answers to the questions of other nodes (`surveys`): a command that another node asks for passes
//! the same gates as a client's command.
//!
//!     question -> a command that asks nodes itself? -> its arity -> a user with the asker's rights
//!              -> the gates -> the user's budget of elements -> the handler, in slices
//!
//! Only members' questions come here (`russet_cluster`, `members`).
//!
//! Invariants
//!   1. A question can do no more than russet's own questions, of which each row says that it asks
//!      them ([`Facts::ASKS_NODES`]), and no more than the user for whom it is asked.
//!   2. The question's command is judged before its first slice; the rights are checked in each
//!      slice.
//!
//! Cost: the command, and parsing the rules of a user that may not do everything.

use crate::clients::blocked::Until;
use crate::clients::client::Client;
use crate::execution::execute::Author;
use crate::execution::gates::{self, GatedCommand, Stop, work};
use crate::origin::Origin;
#[cfg(feature = "testing")]
use crate::parts::cluster::BrokenRule;
use crate::parts::cluster::{
    ANSWER_BYTES_MAX, Asker, Message, OTHER_SLOTS, ParsedQuestion, PendingQuestion, ShardQueries,
    TOO_LONG, parse_question,
};
use crate::parts::execution::tasks::TaskResult;
use crate::state::call::{Call, Effect};
use crate::state::world::{Engine, World};
use russet_acl::{User, UserId};
use russet_cluster::NodeId;
use russet_command::{CommandError, Facts, Flags};
use russet_config::PubsubDefault;
use russet_keyspace::ClientId;
use russet_resp::{Args, Reply};

use super::surveys::BUSY;

pub const NOT_ASKED: CommandError =
    CommandError::Text("ERR Nodes do not ask each other for this command");
const NO_RIGHTS: CommandError =
    CommandError::Text("NOPERM The rights of the user that asks cannot be read here");

/// How a question was answered.
enum Outcome {
    /// The bytes are no question.
    Nothing,
    Answer(Vec<u8>),
    /// The answer comes later: the command continues, or waits for this node's view of the slots,
    /// or at a gate.
    Later(PendingQuestion),
}

impl Engine {
    /// Answers the questions of other nodes, and runs the commands again whose questions have been
    /// answered. Of the answers that take long, a single answer continues in each turn.
    pub(crate) fn serve_surveys(&mut self) {
        while let Some(driver) = &mut self.server.cluster
            && let Some(message) = driver.surveys.next_message()
        {
            match message {
                Message::Question(from, payload) if payload.starts_with(&[0; 8]) => {
                    self.server
                        .take_definitions(&mut self.keyspace, from, &payload[8..]);
                }
                Message::Question(from, payload)
                    if driver.surveys.is_at_work_on(from, &payload) => {}
                Message::Question(from, payload) => {
                    let pending = ShardQueries::pending(from, payload, self.server.now.mono_ms);
                    self.answer_node(pending);
                }
                Message::Answer(from, payload) => self.take_answer(from, &payload),
                Message::Unread(node, 0) => {
                    self.server.send_definitions_note(&mut self.keyspace, node);
                }
                Message::Unread(node, number) => self.ask_again(node, number),
            }
        }
        let waiting = self.server.cluster.as_ref();
        let waiting = waiting.map_or(0, |driver| driver.surveys.pending_len());
        for _ in 0..waiting {
            let driver = self.server.cluster.as_mut();
            let Some(pending) = driver.and_then(|driver| driver.surveys.next_pending()) else {
                return;
            };
            let has_begun = pending.task.is_some();
            self.answer_node(pending);
            if has_begun {
                break;
            }
        }
    }

    /// Asks a node again that has not read a question.
    fn ask_again(&mut self, node: NodeId, number: u64) {
        let driver = self.server.cluster.as_ref();
        let question = driver.and_then(|driver| driver.surveys.unread(node, number));
        if let Some(question) = question.map(<[u8]>::to_vec) {
            self.server.with_cluster(&mut self.keyspace, |driver, _| {
                driver.core.ask(node, false, &question)
            });
        }
    }

    /// Answers a question, or continues its command.
    pub fn answer_node(&mut self, pending: PendingQuestion) {
        let from = pending.from;
        let answer = match self.answer_question(pending) {
            Outcome::Nothing => return,
            Outcome::Answer(answer) => answer,
            Outcome::Later(pending) => {
                let number = pending.payload.first_chunk::<8>().copied();
                let driver = self.server.cluster.as_mut();
                if driver.is_none_or(|driver| driver.surveys.put(pending)) {
                    return;
                }
                [&number.unwrap_or_default(), &b"-"[..], BUSY.as_bytes()].concat()
            }
        };
        let driver = self.server.cluster.as_ref();
        if driver.is_some_and(|driver| driver.core.my_id() == from) {
            return self.take_answer(from, &answer);
        }
        self.server.with_cluster(&mut self.keyspace, |driver, _| {
            driver.core.ask(from, true, &answer)
        });
    }

    fn take_answer(&mut self, from: NodeId, payload: &[u8]) {
        let driver = self.server.cluster.as_mut();
        let ended = driver.and_then(|driver| driver.surveys.take_answer(from, payload));
        if let Some((client, number)) = ended {
            self.end_survey(client, number);
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

    /// Whether the question's slots are exactly this node's slots.
    fn has_slots(&self, slots: &[(u16, u16)]) -> bool {
        #[cfg(feature = "testing")]
        if self.server.debug.broken_rule == Some(BrokenRule::AnswersForOthers) {
            return true;
        }
        let core = self.server.cluster.as_ref().map(|driver| &driver.core);
        slots.is_empty() || core.is_some_and(|core| core.slots_of_mine() == slots)
    }

    fn answer_question(&mut self, mut pending: PendingQuestion) -> Outcome {
        let Some(question) = parse_question(&pending.payload) else {
            return Outcome::Nothing;
        };
        let number = question.number.to_be_bytes();
        let has_begun = pending.task.is_some();
        if !self.has_slots(&question.slots) {
            if has_begun || self.server.now.mono_ms >= pending.waits_until_ms {
                return Outcome::Answer([&number, OTHER_SLOTS].concat());
            }
            return Outcome::Later(pending);
        }
        if let Some(task) = pending.task.take() {
            self.server.tasks.put_result(TaskResult::Done(task));
        }
        let ran = self.run_question(&question, has_begun);
        // Left over if the command has not taken it.
        self.server.tasks.take_result();
        let driver = self.server.cluster.as_mut();
        if let Some(task) = driver.and_then(|driver| driver.surveys.take_left()) {
            pending.task = Some(task);
            return Outcome::Later(pending);
        }
        let answer = match ran {
            Ok(answer) => answer,
            Err(Stop::Postponed(_)) => return Outcome::Later(pending),
            Err(Stop::Refused(error) | Stop::Elsewhere(error)) => [b"-", &*error.line()].concat(),
        };
        if !self.has_slots(&question.slots) {
            return Outcome::Answer([&number, OTHER_SLOTS].concat());
        }
        Outcome::Answer([&number[..], &answer].concat())
    }

    /// Runs the command of a question as a user with the asking user's rights.
    pub fn run_question(
        &mut self,
        question: &ParsedQuestion,
        has_begun: bool,
    ) -> Result<Vec<u8>, Stop> {
        let (args, asker) = (question.args.args(), &question.asker);
        let name = args.get(0).ok_or(NOT_ASKED)?;
        let row = self.server.table.find(name).ok_or(NOT_ASKED)?;
        let (id, spec) = (row.id, row.spec);
        let is_asked = spec.facts.contains(Facts::ASKS_NODES) && spec.keys.is_empty();
        if !is_asked || question.db.0 as usize >= self.keyspace.databases() {
            return Err(NOT_ASKED.into());
        }
        if !spec.arity.admits(args.len()) {
            return Err(CommandError::WrongArity(row.full_name.to_owned()).into());
        }
        let user = self.lend_user(asker)?;
        let mut client = Client::fake(ClientId(u64::MAX - 2));
        (client.db, client.user) = (question.db, user);
        self.server.acl.update_restricted_flag(&mut client);
        self.set_answering(true);
        let judged = if has_begun {
            Ok(())
        } else {
            self.judge_question(&mut client, (id, args), asker.work)
        };
        let answered = judged.map(|()| self.run_asked(&mut client, (id, args)));
        self.set_answering(false);
        self.server.acl.users.take_back(user);
        answered
    }

    fn set_answering(&mut self, is_answering: bool) {
        if let Some(driver) = &mut self.server.cluster {
            driver.surveys.is_answering = is_answering;
        }
    }

    /// A user with the asking user's rights, for as long as the question's command runs.
    fn lend_user(&mut self, asker: &Asker) -> Result<UserId, CommandError> {
        let acl = &mut self.server.acl;
        let mut user = User::new(PubsubDefault::ResetChannels);
        let rules = asker.rights.iter().map(Vec::as_slice);
        let applied = if asker.rights.is_empty() {
            user = User::default_user(&acl.commands);
            Ok(())
        } else {
            user.apply_all(rules, acl.terms(&self.server.config))
        };
        applied.map_err(|_| NO_RIGHTS)?;
        Ok(acl.users.lend(user))
    }

    /// The gates of a client's command, and the budget of the user that asks.
    fn judge_question(
        &mut self,
        client: &mut Client,
        (id, args): (usize, Args<'_>),
        work_max: u64,
    ) -> Result<(), Stop> {
        let mut unused = Reply::new();
        let mut world = World::new(&mut self.keyspace, &mut self.server, client, &mut unused);
        let asked = GatedCommand::new(world.server, id, args, Origin::TimeUp);
        gates::pass(&mut world, &asked)?;
        if work_max > 0 && work::count(&mut world, (id, args)) > work_max {
            let text = format!(
                "ERR over budget: another node's user may touch {work_max} elements by one command"
            );
            return Err(CommandError::owned(text).into());
        }
        Ok(())
    }

    /// Runs the handler; the bytes of the answer.
    fn run_asked(&mut self, client: &mut Client, (id, args): (usize, Args<'_>)) -> Vec<u8> {
        let row = self.server.table.row(id);
        let (spec, name) = (row.spec, row.full_name);
        let is_write = spec.flags.contains(Flags::WRITE);
        let mut reply = Reply::new();
        // The words were looked at for the client's protocol before.
        reply.set_resp3(spec.categories.contains(russet_command::Category::SEARCH));
        let mut call = Call {
            args,
            reply: &mut reply,
            db: self.keyspace.db(client.db),
            client,
            server: &mut self.server,
            effect: Effect::Nothing,
            name,
            row: id,
            origin: Origin::TimeUp,
            script: None,
        };
        let outcome = (spec.handler)(&mut call);
        if is_write && self.keyspace.has_news() {
            let Engine {
                keyspace, server, ..
            } = self;
            server.notify_changes(keyspace, Author::Server);
        }
        if is_write {
            self.server.repeat_effects(&mut self.keyspace);
        }
        match outcome {
            Ok(()) if reply.pending_len() <= ANSWER_BYTES_MAX => reply.pending().to_vec(),
            Ok(()) => TOO_LONG.to_vec(),
            Err(error) => [b"-", &*error.line()].concat(),
        }
    }
}
