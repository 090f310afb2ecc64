//! Accounts: the use by connections of a user with budgets (`acl::Budgets`), the connections that
//! are held, and the figures that are reported.
//!
//!     command, bytes --charge--> Bucket, below zero at most a debt
//!     next command or read --ask--> within | held until the buckets are above zero | refused
//!     held: first in, first out; a resumed connection runs its share, then the next one
//!
//! A [`Bucket`] holds up to one second's worth and is refilled by the loop's clock. A command that
//! runs is never stopped: a bucket may be overdrawn, and the next commands wait until the debt is
//! paid. Commands of a transaction are charged as they are queued, commands of a script when the
//! script has ended, a command's reply when the command has run, other messages when they are
//! written.
//!
//! Invariants
//!   1. A user has an account if and only if it has budgets ([`Accounts::renew`]).
//!   2. A connection has the flag `BUDGETED` if and only if it counts in its user's account. A
//!      connection that has yet to authenticate or to end its TLS handshake does not count, nor
//!      does a link between servers (`BETWEEN_SERVERS`).
//!   3. A connection has the flag `HELD` if and only if it is in its account's queue.
//!
//! Cost: a connection without the flag is never looked up here. A connection with the flag costs
//! O(1) for each command, read and write, O(log n) to hold and to resume.

use std::collections::BTreeMap;

use crate::clients::client::Client;
use crate::clients::held::{Budget, QueuePlace};
use russet_acl::{Budgets, OverBudget, UserId, Users};
use russet_keyspace::ClientId;

/// A bucket counts in thousandths, so that a millisecond's refill is exact.
const PARTS: i64 = 1000;
/// The longest debt, seconds: of a user whose commands are held, and of a user whose commands are
/// refused.
const DEBT_S: i64 = 60;
const DEBT_REFUSED_S: i64 = 1;
/// Connections that are held continue when so much time's worth is free, milliseconds. Otherwise
/// each command would cost the other clients a turn of the loop, and a packet for its reply.
const QUANTUM_MS: i64 = 10;
/// Bytes of replies that need not be charged with each command: the most, and the share of a
/// second's worth. They are charged when they are sent, at the latest.
const SETTLED_LATER_MAX: u64 = 4096;
const SETTLED_LATER_SHARE: u64 = 64;
/// More than any debt; a thousand times as much fits 63 bits.
const TAKEN_MAX: u64 = 1 << 50;

/// Units that are used up by commands and come back with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Units a second, at most 2^40; 0: no limit.
    per_s: i64,
    /// Thousandths of units; without a limit the greatest number, as `least` is.
    level: i64,
    /// The longest debt, as a level.
    least: i64,
}

impl Bucket {
    /// A full bucket.
    fn new(per_s: u64, debt_s: i64) -> Bucket {
        let per_s = i64::try_from(per_s).expect("figures have a bound");
        if per_s == 0 {
            return Bucket {
                per_s,
                level: i64::MAX,
                least: i64::MAX,
            };
        }
        Bucket {
            per_s,
            level: per_s * PARTS,
            least: -debt_s * per_s * PARTS,
        }
    }

    /// Refills the bucket for the time that has passed.
    fn refill(&mut self, passed_ms: u64) {
        let longest_ms = (DEBT_S + 1) as u64 * 1000;
        let passed_ms = passed_ms.min(longest_ms) as i64;
        self.give(passed_ms * self.per_s);
    }

    #[inline]
    fn take(&mut self, units: u64) {
        let units = units.min(TAKEN_MAX) as i64;
        self.level = (self.level - units * PARTS).max(self.least);
    }

    /// Gives back thousandths of units.
    fn give(&mut self, parts: i64) {
        if self.per_s > 0 {
            self.level = (self.level + parts).min(self.per_s * PARTS);
        }
    }

    #[inline]
    fn is_open(&self) -> bool {
        self.level > 0
    }

    /// How long until the bucket is open again, if nothing is taken.
    fn opens_in_ms(&self) -> u64 {
        if self.is_open() {
            0
        } else {
            (-self.level / self.per_s + 1) as u64
        }
    }

    /// How long until connections that are held continue: a quantum is free then.
    fn goes_on_in_ms(&self) -> u64 {
        match self.per_s {
            0 => 0,
            per_s => {
                let missing = QUANTUM_MS * per_s - self.level;
                missing.max(0).unsigned_abs().div_ceil(per_s.unsigned_abs())
            }
        }
    }
}

/// The verdict on a connection's next command or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The command may run.
    Within,
    /// The command waits for its turn.
    Hold(Budget),
    /// The command is refused; the budget is free again in so many milliseconds.
    Refuse(Budget, u64),
}

/// Counts of a user's delayed and refused commands, for INFO and the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Commands and reads that waited, and the total wait of the commands and reads that have
    /// continued.
    pub(crate) delayed: u64,
    pub(crate) delayed_ms: u64,
    /// Commands refused for the rate or the bytes (`over=error`).
    pub refused: u64,
    /// Replies replaced by an error.
    pub(crate) large_replies: u64,
    /// Commands refused for the elements they would touch.
    pub(crate) much_work: u64,
    /// Connections refused.
    pub clients: u64,
}

impl Figures {
    /// Everything that was refused.
    pub(crate) fn refusals(&self) -> u64 {
        self.refused + self.large_replies + self.much_work + self.clients
    }
}

fn debt_s(over: OverBudget) -> i64 {
    match over {
        OverBudget::Delay => DEBT_S,
        OverBudget::Error => DEBT_REFUSED_S,
    }
}

/// The account of a user.
#[derive(Debug)]
pub struct Account {
    pub budgets: Budgets,
    /// How long a reply may be, bytes.
    pub(crate) reply_most: usize,
    /// Replies are charged before they are sent if so many bytes of them wait.
    pub(crate) settles_from: usize,
    rate: Bucket,
    received: Bucket,
    sent: Bucket,
    /// When the buckets were last refilled, monotonic milliseconds: at each check, and before the
    /// loop sleeps while a connection is held.
    at_ms: u64,
    /// Connections.
    pub clients: u64,
    /// Connections that are held, in the order of their tickets.
    held: BTreeMap<u64, ClientId>,
    next_ticket: u64,
    /// The budget that was used up last.
    last: Budget,
    /// Commands that the resumed connection may still run before the next connection's turn.
    share: Option<u64>,
    pub figures: Figures,
}

impl Account {
    fn new(budgets: Budgets, now_ms: u64) -> Account {
        let debt_s = debt_s(budgets.over);
        Account {
            budgets,
            reply_most: reply_most(&budgets),
            settles_from: settles_from(&budgets),
            rate: Bucket::new(budgets.rate, debt_s),
            received: Bucket::new(budgets.bytes_in, debt_s),
            sent: Bucket::new(budgets.bytes_out, debt_s),
            at_ms: now_ms,
            clients: 0,
            held: BTreeMap::new(),
            next_ticket: 0,
            last: Budget::default(),
            share: None,
            figures: Figures::default(),
        }
    }

    /// Takes over changed budgets; a bucket whose figure has changed is full.
    fn renew(&mut self, budgets: Budgets, now_ms: u64) {
        self.refill(now_ms);
        let old = std::mem::replace(&mut self.budgets, budgets);
        self.reply_most = reply_most(&budgets);
        self.settles_from = settles_from(&budgets);
        let debt_s = debt_s(budgets.over);
        for (bucket, old, new) in [
            (&mut self.rate, old.rate, budgets.rate),
            (&mut self.received, old.bytes_in, budgets.bytes_in),
            (&mut self.sent, old.bytes_out, budgets.bytes_out),
        ] {
            let full = Bucket::new(new, debt_s);
            if old == new {
                bucket.least = full.least
            } else {
                *bucket = full
            }
        }
    }

    #[inline]
    fn refill(&mut self, now_ms: u64) {
        if self.at_ms < now_ms {
            self.refill_to(now_ms);
        }
    }

    #[cold]
    fn refill_to(&mut self, now_ms: u64) {
        let passed_ms = now_ms - self.at_ms;
        self.at_ms = now_ms;
        for bucket in [&mut self.rate, &mut self.received, &mut self.sent] {
            bucket.refill(passed_ms);
        }
    }

    /// The budget that is used up, if any.
    #[inline]
    fn used_up(&self) -> Option<Budget> {
        if !self.rate.is_open() {
            Some(Budget::Rate)
        } else if !self.received.is_open() {
            Some(Budget::In)
        } else if !self.sent.is_open() {
            Some(Budget::Out)
        } else {
            None
        }
    }

    fn opens_in_ms(&self) -> u64 {
        self.longest_ms(Bucket::opens_in_ms)
    }

    /// How long until connections that are held continue.
    fn goes_on_in_ms(&self) -> u64 {
        self.longest_ms(Bucket::goes_on_in_ms)
    }

    fn longest_ms(&self, wait: impl Fn(&Bucket) -> u64) -> u64 {
        let buckets = [&self.rate, &self.received, &self.sent];
        buckets.map(wait).into_iter().max().unwrap_or(0)
    }

    /// Whether a command may run, without a look at the queue: it is charged if so.
    /// Otherwise [`Accounts::ask_to_run`] decides.
    #[inline]
    pub fn admits(&mut self, now_ms: u64) -> bool {
        self.refill(now_ms);
        let is_open = self.rate.is_open() & self.received.is_open() & self.sent.is_open();
        let continues = is_open && self.held.is_empty() && self.share.is_none();
        if continues {
            self.rate.take(1);
        }
        continues
    }

    /// Whether a command may run; if so, the command is charged. `waits`: the command is held
    /// rather than refused.
    fn ask(&mut self, waits: bool, now_ms: u64) -> Verdict {
        self.refill(now_ms);
        if let Some(budget) = self.used_up() {
            self.last = budget;
            if waits || self.budgets.over == OverBudget::Delay {
                return Verdict::Hold(budget);
            }
            self.figures.refused += 1;
            return Verdict::Refuse(budget, self.opens_in_ms());
        }
        match &mut self.share {
            // The connection's turn lasts as long as its share and the buckets.
            Some(0) => return Verdict::Hold(self.last),
            Some(left) => *left -= 1,
            // Other connections came before.
            None if !self.held.is_empty() => return Verdict::Hold(self.last),
            None => {}
        }
        self.rate.take(1);
        Verdict::Within
    }

    /// Commands for each connection that waits, so that all of them get on. Without a rate only the
    /// buckets of bytes end a turn.
    fn fair_share(&self) -> u64 {
        let waiting = self.held.len().max(1) as i64;
        let level = self.rate.level / PARTS;
        match self.rate.per_s {
            0 => u64::MAX,
            _ => (level / waiting).max(1).unsigned_abs(),
        }
    }

    /// Connections that wait.
    pub fn waiting(&self) -> usize {
        self.held.len()
    }
}

fn reply_most(budgets: &Budgets) -> usize {
    match usize::try_from(budgets.reply) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(most) => most,
    }
}

fn settles_from(budgets: &Budgets) -> usize {
    match budgets.bytes_out {
        0 => usize::MAX,
        per_s => (per_s / SETTLED_LATER_SHARE).min(SETTLED_LATER_MAX) as usize,
    }
}

/// The accounts of all users with budgets, by user.
#[derive(Debug, Default)]
pub struct Accounts {
    all: Vec<Option<Box<Account>>>,
    /// Connections that are held, of all users.
    waiting: usize,
}

impl Accounts {
    /// Users with budgets.
    pub fn len(&self) -> usize {
        self.all.iter().flatten().count()
    }

    #[inline]
    pub fn of(&self, user: UserId) -> Option<&Account> {
        self.all.get(user.index())?.as_deref()
    }

    #[inline]
    pub(crate) fn of_mut(&mut self, user: UserId) -> Option<&mut Account> {
        self.all.get_mut(user.index())?.as_deref_mut()
    }

    /// Users have changed: an account for each with budgets and no other. Afterwards no connection
    /// counts, and no connection is held: the caller counts all connections again and resumes the
    /// returned connections.
    pub fn renew(&mut self, users: &Users, now_ms: u64) -> Vec<ClientId> {
        let mut freed = Vec::new();
        for account in self.all.iter_mut().flatten() {
            freed.extend(std::mem::take(&mut account.held).into_values());
            account.clients = 0;
        }
        self.waiting = 0;
        let mut before = std::mem::take(&mut self.all);
        for (_, id) in users.iter() {
            let budgets = *users.get(id).budgets();
            if !budgets.any() {
                continue;
            }
            let at = id.index();
            if self.all.len() <= at {
                self.all.resize_with(at + 1, || None);
            }
            let mut account = match before.get_mut(at).and_then(Option::take) {
                Some(account) => account,
                None => Box::new(Account::new(budgets, now_ms)),
            };
            account.renew(budgets, now_ms);
            self.all[at] = Some(account);
        }
        freed
    }

    // --- commands ---

    /// Whether the connection's next command may run; if so, the command is charged. `waits`: the
    /// command is held rather than refused.
    pub(crate) fn ask_to_run(&mut self, client: &Client, waits: bool, now_ms: u64) -> Verdict {
        match self.of_mut(client.user) {
            Some(account) => account.ask(waits, now_ms),
            None => Verdict::Within,
        }
    }

    /// Whether nothing of this user may run now, by `over=delay`.
    pub fn is_over(&mut self, user: UserId, now_ms: u64) -> bool {
        self.of_mut(user).is_some_and(|account| {
            account.refill(now_ms);
            account.used_up().is_some() && account.budgets.over == OverBudget::Delay
        })
    }

    /// Returns the charge for a command that was permitted and has not run.
    pub(crate) fn give_back(&mut self, user: UserId) {
        if let Some(account) = self.of_mut(user) {
            account.rate.give(PARTS);
            account.share = account.share.map(|left| left.saturating_add(1));
        }
    }

    /// Charges commands that ran without [`Accounts::ask_to_run`]: a script's, or the console's.
    pub(crate) fn charge(&mut self, user: UserId, commands: u64, now_ms: u64) {
        if let Some(account) = self.of_mut(user) {
            account.refill(now_ms);
            account.rate.take(commands);
        }
    }

    /// Charges received bytes. `Some`: nothing more is read for now.
    pub(crate) fn receive(&mut self, user: UserId, bytes: u64, now_ms: u64) -> Option<Budget> {
        let account = self.of_mut(user)?;
        account.refill(now_ms);
        account.received.take(bytes);
        let is_over = !account.received.is_open() && account.budgets.over == OverBudget::Delay;
        is_over.then_some(Budget::In)
    }

    /// Charges bytes that are about to be sent.
    pub fn send(&mut self, user: UserId, bytes: u64, now_ms: u64) {
        if let Some(account) = self.of_mut(user) {
            account.refill(now_ms);
            account.sent.take(bytes);
        }
    }

    // --- held connections ---

    /// The connection joins its user's queue.
    pub fn hold(&mut self, client: &Client, budget: Budget, now_ms: u64) -> Option<QueuePlace> {
        let account = self.all.get_mut(client.user.index())?.as_deref_mut()?;
        let ticket = account.next_ticket;
        account.next_ticket += 1;
        account.held.insert(ticket, client.id);
        account.figures.delayed += 1;
        self.waiting += 1;
        Some(QueuePlace {
            ticket,
            budget,
            since_ms: now_ms,
        })
    }

    /// The connection has left the queue of this user.
    pub fn resume(&mut self, user: UserId, held: &QueuePlace) {
        let Some(account) = self
            .all
            .get_mut(user.index())
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        account.figures.delayed_ms += account.at_ms.saturating_sub(held.since_ms);
        if account.held.remove(&held.ticket).is_some() {
            self.waiting -= 1;
        }
    }

    /// How long until the next connection may be resumed; `None`: none is held.
    #[inline]
    pub fn next_in_ms(&mut self, now_ms: u64) -> Option<u64> {
        if self.waiting == 0 {
            return None;
        }
        self.next_of_held_in_ms(now_ms)
    }

    #[inline(never)]
    fn next_of_held_in_ms(&mut self, now_ms: u64) -> Option<u64> {
        let held = self.all.iter_mut().flatten();
        let held = held.filter(|account| !account.held.is_empty());
        let waits = held.map(|account| {
            account.refill(now_ms);
            account.goes_on_in_ms()
        });
        waits.min()
    }

    /// Users whose connections may be resumed, with how many wait.
    #[inline]
    pub fn due(&mut self, now_ms: u64) -> Vec<(usize, usize)> {
        if self.waiting == 0 {
            return Vec::new();
        }
        self.due_of_held(now_ms)
    }

    #[inline(never)]
    fn due_of_held(&mut self, now_ms: u64) -> Vec<(usize, usize)> {
        let mut due = Vec::new();
        for (at, account) in self.all.iter_mut().enumerate() {
            let Some(account) = account.as_deref_mut().filter(|a| !a.held.is_empty()) else {
                continue;
            };
            account.refill(now_ms);
            if account.goes_on_in_ms() == 0 {
                due.push((at, account.held.len()));
            }
        }
        due
    }

    /// The turn of the connection that has waited longest: until [`Accounts::end_turn`] the
    /// connection's commands are checked against its share. `None`: the budgets are used up, or no
    /// connection waits.
    pub(crate) fn begin_turn(&mut self, at: usize) -> Option<ClientId> {
        let account = self.all.get_mut(at)?.as_deref_mut()?;
        if account.used_up().is_some() {
            return None;
        }
        let share = account.fair_share();
        let (_, first) = account.held.pop_first()?;
        account.share = Some(share);
        self.waiting -= 1;
        Some(first)
    }

    pub(crate) fn end_turn(&mut self, at: usize) {
        if let Some(account) = self.all.get_mut(at).and_then(Option::as_deref_mut) {
            account.share = None;
        }
    }

    // --- the number of connections ---

    /// Whether the user has no room for another connection. `Some`: the budget of connections,
    /// which is used up.
    pub(crate) fn lacks_room(&self, user: UserId) -> Option<u64> {
        let account = self.of(user)?;
        let most = account.budgets.clients;
        (most > 0 && account.clients >= most).then_some(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_second_and_opens_to_the_millisecond() {
        let mut bucket = Bucket::new(10, DEBT_S);
        for _ in 0..10 {
            assert!(bucket.is_open());
            bucket.take(1);
        }
        assert!(!bucket.is_open());
        assert_eq!(bucket.opens_in_ms(), 1);
        bucket.refill(1);
        assert!(bucket.is_open());
        bucket.take(1);
        assert_eq!(bucket.opens_in_ms(), 100);
        bucket.refill(99);
        assert!(!bucket.is_open());
        bucket.refill(1);
        assert!(bucket.is_open());
        bucket.refill(1_000_000);
        assert_eq!(bucket.level, 10 * PARTS);
    }

    /// A flood of a thousand a second had the loop wake up, and send a reply, a thousand times a
    /// second.
    #[test]
    fn those_that_wait_go_on_when_a_quantum_is_free() {
        for (per_s, commands) in [(1000, 10), (100_000, 1000), (50, 1), (1, 1)] {
            let mut bucket = Bucket::new(per_s, DEBT_S);
            bucket.take(per_s);
            let wait_ms = bucket.goes_on_in_ms();
            assert_eq!(wait_ms, QUANTUM_MS as u64);
            bucket.refill(wait_ms - 1);
            assert_eq!(bucket.goes_on_in_ms(), 1);
            bucket.refill(1);
            assert_eq!(bucket.goes_on_in_ms(), 0);
            let ran = (1..).find(|_| {
                bucket.take(1);
                !bucket.is_open()
            });
            assert_eq!(ran, Some(commands));
        }
        assert_eq!(Bucket::new(0, DEBT_S).goes_on_in_ms(), 0);
    }

    #[test]
    fn a_debt_has_an_end() {
        for (per_s, debt_s) in [(1, 60), (1 << 40, 60), (7, 1), (1 << 40, 1)] {
            let mut bucket = Bucket::new(per_s, debt_s);
            bucket.take(u64::MAX);
            assert_eq!(bucket.opens_in_ms(), debt_s as u64 * 1000 + 1);
            bucket.refill(debt_s as u64 * 1000 + 1);
            assert!(bucket.is_open());
        }
    }

    #[test]
    fn no_limit_is_never_used_up() {
        let mut bucket = Bucket::new(0, DEBT_S);
        bucket.take(u64::MAX);
        bucket.refill(u64::MAX);
        assert!(bucket.is_open());
        assert_eq!(bucket.opens_in_ms(), 0);
    }

    #[test]
    fn those_that_wait_share_what_there_is() {
        let budgets = Budgets {
            rate: 100,
            ..Budgets::default()
        };
        let mut account = Account::new(budgets, 0);
        for id in 0..4 {
            account.held.insert(id, ClientId(id));
        }
        assert_eq!(account.fair_share(), 25);
        account.share = Some(account.fair_share());
        for _ in 0..25 {
            assert_eq!(account.ask(false, 0), Verdict::Within);
        }
        assert_eq!(account.ask(false, 0), Verdict::Hold(Budget::Rate));
        // A command that did not run after all gives its part of the share back.
        let mut accounts = Accounts {
            all: vec![Some(Box::new(account))],
            waiting: 4,
        };
        accounts.give_back(UserId::DEFAULT);
        let mut account = accounts.all[0].take().expect("just made");
        assert_eq!(account.ask(false, 0), Verdict::Within);
        assert_eq!(account.ask(false, 0), Verdict::Hold(Budget::Rate));
        account.share = None;
        // A newcomer comes after the waiting connections, although the bucket is open.
        assert_eq!(account.ask(false, 0), Verdict::Hold(Budget::Rate));
        account.held.clear();
        assert_eq!(account.ask(false, 0), Verdict::Within);
    }
}
