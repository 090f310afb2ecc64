//! Runs the commands of a call: each passes the gates of any client, and the client is the
//! session's.
//!
//! A call's share of a turn is a pipeline's share ([`BUDGET`], [`OUTPUT_BUDGET`]); an atomic call,
//! and a call with conditions, runs in a single turn. Replies are limited to [`REPLY_BYTES_MAX`] of
//! JSON in all.

use crate::clients::batch::{BUDGET, OUTPUT_BUDGET};
use crate::clients::client::ClientFlags;
use crate::clients::ending::EndReason;
use crate::clients::session::Session;
use crate::console::answer::{NO_AUTH, bad};
use crate::execution::dispatch::Outcome;
use crate::parts::console::{Job, RunningSession};
use crate::state::call::CommandTable;
use crate::state::world::Engine;
use russet_base::clock;
use russet_command::Facts;
use russet_console::calls::Command;
use russet_console::http::{self, Answer};
use russet_console::json;
use russet_resp::OwnedArgs;

/// Bytes of all replies of a call as JSON.
const REPLY_BYTES_MAX: usize = 8 << 20;
/// A buffer of a session that is kept between its commands.
const BUFFER_BYTES_KEPT: usize = 64 * 1024;

const TOO_LARGE: &[u8] = b"{\"e\":\"CONSOLE reply is larger than 8 MiB: ask for a part of it\"}";
const NO_REPLY: &[u8] = b"{\"e\":\"CONSOLE the command has no single reply\"}";

/// How a command has ended.
enum Ran {
    Done,
    /// The command must wait: it is tried again.
    Waits,
    /// The session is over.
    Over,
}

impl Job {
    /// `began`: when the call came, ticks.
    pub fn new(
        session: russet_keyspace::ClientId,
        call: russet_console::calls::CommandCall,
        began: u64,
    ) -> Job {
        Job {
            session,
            call,
            at: 0,
            replies: Vec::new(),
            micros: Vec::new(),
            ticks: clock::cycles().wrapping_sub(began),
            began: 0,
            stands_in: false,
            waits: false,
        }
    }
}

impl Engine {
    /// Continues a call; the answer when it is complete.
    pub(crate) fn continue_call(&mut self, job: &mut Job) -> Option<Answer> {
        (job.waits, job.began) = (false, clock::cycles());
        if u64::from(job.call.db) >= self.keyspace.databases() as u64 {
            return Some(bad("there is no such database"));
        }
        let id = job.session;
        let ran = self.with_console_session(id, |engine, session| engine.run_turn(session, job));
        let over = || Some(Answer::error(http::UNAUTHORIZED, NO_AUTH));
        let answer = ran.unwrap_or_else(over);
        let spent = clock::cycles().wrapping_sub(job.began);
        job.ticks = job.ticks.wrapping_add(spent);
        answer
    }

    fn run_turn(&mut self, session: &mut Session, job: &mut Job) -> Option<Answer> {
        if self
            .server
            .acl
            .has_to_wait(&self.server.now, &session.client)
        {
            job.waits = true;
            return None;
        }
        if let Err(refused) = self.server.select_in_console(session, job.call.db) {
            return Some(refused);
        }
        job.stands_in = session.client.id != job.session;
        if job.stands_in {
            return self.run_aside(session, job);
        }
        let running = RunningSession::of(&session.client);
        let console = &mut self.server.connections.console;
        // A script's guest may run a call of another session meanwhile.
        let outer = console.running.replace(running);
        let answer = self.run_aside(session, job);
        let running = std::mem::replace(&mut self.server.connections.console.running, outer);
        if let (Some(of), Some(running)) = (&mut session.client.console, running) {
            of.is_locked = running.is_locked;
        }
        answer
    }

    fn run_aside(&mut self, session: &mut Session, job: &mut Job) -> Option<Answer> {
        // A console's reads do not count as use of the data.
        let reads = (self.keyspace.stats.hits, self.keyspace.stats.misses);
        self.keyspace.set_uses_counted(false);
        let answer = self.run_share(session, job);
        self.keyspace.set_uses_counted(true);
        (self.keyspace.stats.hits, self.keyspace.stats.misses) = reads;
        let client = &mut session.client;
        if client.flags.contains(ClientFlags::MULTI) {
            client.leave_transaction(&mut self.keyspace.watchers);
        }
        if client.flags.contains(ClientFlags::CLOSE_AFTER_REPLY) {
            self.server.turn.close_soon(session, EndReason::User);
        }
        answer
    }

    fn run_share(&mut self, session: &mut Session, job: &mut Job) -> Option<Answer> {
        self.server.turn.timing.begin();
        if let Some(stop) = self.check_conditions(session, job) {
            job.waits = stop.is_none();
            return stop;
        }
        if job.call.atomic {
            return self.run_atomically(session, job);
        }
        let is_whole = !job.call.checks.is_empty();
        let (first, already) = (job.at, job.replies.len());
        while job.at < job.call.commands.len() {
            let command = std::mem::take(&mut job.call.commands[job.at]);
            let began = clock::cycles();
            let ran = self.run_to_json(session, &command, &mut job.replies);
            job.call.commands[job.at] = command;
            match ran {
                Ran::Done => {}
                Ran::Waits => {
                    job.waits = true;
                    return None;
                }
                Ran::Over => return Some(Answer::error(http::UNAUTHORIZED, NO_AUTH)),
            }
            let ticks = clock::cycles().wrapping_sub(began);
            job.micros.push(self.server.cycles.micros(ticks));
            job.at += 1;
            let share = job.at - first >= BUDGET || job.replies.len() - already >= OUTPUT_BUDGET;
            if share && !is_whole && job.at < job.call.commands.len() {
                return None;
            }
        }
        Some(self.answer(job))
    }

    /// Runs the conditions. `Some`: the call ends here, or waits.
    fn check_conditions(&mut self, session: &mut Session, job: &Job) -> Option<Option<Answer>> {
        if job.at > 0 {
            return None;
        }
        for (at, check) in job.call.checks.iter().enumerate() {
            let mut reply = Vec::new();
            match self.run_to_json(session, &check.command, &mut reply) {
                Ran::Done => {}
                Ran::Waits => return Some(None),
                Ran::Over => return Some(Some(Answer::error(http::UNAUTHORIZED, NO_AUTH))),
            }
            let now: Option<serde_json::Value> = serde_json::from_slice(&reply).ok();
            if now.as_ref() != Some(&check.reply) {
                let mut body = json::object().number("changed", at as u64);
                body.name("now").append(&mut reply);
                return Some(Some(Answer::json(body.end())));
            }
        }
        None
    }

    /// As MULTI, the commands, EXEC. Each command's reply is its own, or the reason why no command
    /// has run.
    fn run_atomically(&mut self, session: &mut Session, job: &mut Job) -> Option<Answer> {
        let began = clock::cycles();
        let mut reported: Vec<Vec<u8>> = Vec::new();
        for command in [vec![b"MULTI".to_vec()]].iter().chain(&job.call.commands) {
            let mut reply = Vec::new();
            let is_refused = !reported.is_empty() && self.refuses_in_console(command, &mut reply);
            let ran = if is_refused {
                Ran::Done
            } else {
                self.run_command(session, command, &mut reply)
            };
            match ran {
                Ran::Done => reported.push(reply),
                Ran::Waits => {
                    job.waits = true;
                    return None;
                }
                Ran::Over => return Some(Answer::error(http::UNAUTHORIZED, NO_AUTH)),
            }
        }
        let is_error = |reply: &&Vec<u8>| reply.starts_with(b"{\"e\":");
        if let Some(error) = reported.iter().find(is_error).cloned() {
            // Each command without an error of its own has the first command's error.
            let own = reported[1..].iter().map(|reply| {
                if is_error(&reply) {
                    reply.clone()
                } else {
                    error.clone()
                }
            });
            job.replies = own.collect::<Vec<_>>().join(&b',');
            return Some(self.answer(job));
        }
        let mut reply = Vec::new();
        match self.run_command(session, &vec![b"EXEC".to_vec()], &mut reply) {
            Ran::Done => {}
            Ran::Waits => {
                job.waits = true;
                return None;
            }
            Ran::Over => return Some(Answer::error(http::UNAUTHORIZED, NO_AUTH)),
        }
        job.replies = match reply.as_slice() {
            [b'[', inside @ .., b']'] => inside.to_vec(),
            // All of the call has failed, for a single reason.
            _ => vec![reply; job.call.commands.len()].join(&b','),
        };
        let ticks = clock::cycles().wrapping_sub(began);
        job.micros.push(self.server.cycles.micros(ticks));
        Some(self.answer(job))
    }

    /// `{"r":[...],"us":[...],"cost":..}`.
    fn answer(&self, job: &mut Job) -> Answer {
        let mut body = b"{\"r\":[".to_vec();
        body.append(&mut job.replies);
        body.extend_from_slice(b"],\"us\":");
        json::list(&job.micros, &mut body, |&micros, out| {
            out.extend_from_slice(itoa::Buffer::new().format(micros).as_bytes());
        });
        let ticks = job.ticks + clock::cycles().wrapping_sub(job.began);
        let micros = self.server.cycles.micros(ticks);
        body.extend_from_slice(format!(",\"cost\":{micros}}}").as_bytes());
        Answer::json(body)
    }

    /// Runs a command and appends its reply to a list.
    fn run_to_json(&mut self, session: &mut Session, command: &Command, list: &mut Vec<u8>) -> Ran {
        let before = list.len();
        if before > 0 {
            list.push(b',');
        }
        if self.refuses_in_console(command, list) {
            return Ran::Done;
        }
        let ran = self.run_command(session, command, list);
        if !matches!(ran, Ran::Done) {
            list.truncate(before);
        }
        ran
    }

    /// Runs a command through the gates, and appends its reply.
    fn run_command(&mut self, session: &mut Session, command: &Command, out: &mut Vec<u8>) -> Ran {
        let args: OwnedArgs = command.iter().map(Vec::as_slice).collect();
        let row = self.server.table.find(&command[0]).map(|row| row.id);
        let room = REPLY_BYTES_MAX.saturating_sub(out.len());
        session.reply.set_limit(room);
        let now_ms = self.server.now.mono_ms;
        session.client.traffic.bytes_in += args.args().bytes() as u64;
        if session.client.flags.contains(ClientFlags::BUDGETED) {
            let bytes = args.args().bytes() as u64;
            self.server
                .acl
                .charge_received(&self.server.now, &mut session.client, bytes);
        }
        session.client.traffic.last_active_ms = now_ms;
        let outcome = self.dispatch(session, row, args.args(), &[]);
        let waited = session.client.flags.contains(ClientFlags::BLOCKED);
        if waited {
            // No command of a session may wait, as none in MULTI may.
            let (turn, clients) = (&mut self.server.turn, &mut self.server.clients);
            turn.stop_waiting(clients, &mut self.keyspace, &mut session.client);
        }
        session.client.flags.remove(ClientFlags::POSTPONED);
        let reply = session.reply.pending();
        session.reply.advance(reply.len());
        let is_full = session.reply.is_full();
        session.reply.clear(BUFFER_BYTES_KEPT);
        if session.client.flags.contains(ClientFlags::CLOSE_ASAP) {
            return Ran::Over;
        }
        if outcome == Outcome::Postponed {
            return Ran::Waits;
        }
        session.client.traffic.bytes_out += reply.len() as u64;
        if session.client.flags.contains(ClientFlags::BUDGETED) {
            self.server
                .acl
                .charge_sent(&self.server.now, &mut session.client, reply.len());
        }
        let before = out.len();
        if waited && reply.is_empty() {
            // Work that the command has begun continues: a backup is listed when it is complete.
            out.extend_from_slice(b"null");
        } else if is_full {
            out.extend_from_slice(TOO_LARGE);
        } else if json::write_reply(&reply, out).is_err() {
            out.truncate(before);
            out.extend_from_slice(NO_REPLY);
        } else if out.len() > REPLY_BYTES_MAX {
            out.truncate(before);
            out.extend_from_slice(TOO_LARGE);
        }
        Ran::Done
    }

    /// Refuses commands that no session may run, with an error as the reply.
    fn refuses_in_console(&self, command: &Command, out: &mut Vec<u8>) -> bool {
        let Some(name) = refused_in_console(&self.server.table, command) else {
            return false;
        };
        let text = format!("CONSOLE '{name}' needs a connection of its own");
        out.extend_from_slice(&json::object().text("e", text).end());
        true
    }
}

fn refused_in_console(table: &CommandTable, command: &Command) -> Option<&'static str> {
    let next = command.get(1).map(|arg| &arg[..]);
    let row = table.find_with(&command[0], next)?;
    let is_refused = row.spec.facts.contains(Facts::NOT_IN_CONSOLE);
    is_refused.then_some(row.full_name)
}
