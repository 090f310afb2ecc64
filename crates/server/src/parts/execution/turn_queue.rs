//! Commands that continue in slices on the loop, because they need the keyspace: which command is
//! next, and how long all of them together may hold a turn of the loop.
//!
//! A command whose slice is over leaves its work here and blocks; in a later turn it runs again and
//! takes the work back. Commands take turns. The command that has waited longest comes first, but
//! commands whose time is up (TIMEOUT) come before all others, because they only reply with the
//! results they have.
//!
//! Invariants
//!   1. All slices of a turn together take about [`TURN_NANOS`], however many clients wait; the
//!      next turn continues. A command's first slice may take [`FIRST_NANOS`], so that short
//!      commands need not wait.
//!   2. In each turn at least a single command continues.
//!   3. The work of a client that is gone is freed in the next turn.
//!
//! Cost: O(waiting commands) a turn, some nanoseconds each.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clients::blocked::Ticket;
use russet_keyspace::ClientId;

/// Time of a turn for commands that continue.
pub const TURN_NANOS: u64 = 2_000_000;
/// Time of a turn until which commands begin.
pub const FIRST_NANOS: u64 = 4_000_000;

/// A command that waits for its turn.
pub struct WaitingCommand {
    pub client: ClientId,
    /// The command's work so far.
    pub task: Box<dyn Any + Send>,
    number: u64,
    is_dropped: Arc<AtomicBool>,
    /// Monotonic milliseconds at which the command's time is up.
    until_ms: Option<u64>,
}

impl WaitingCommand {
    /// Whether the command belongs to the holder of this ticket.
    pub fn is_for(&self, ticket: &Ticket) -> bool {
        self.number == ticket.number()
    }
}

/// See the module.
#[derive(Default)]
pub struct TurnQueue {
    waiting: VecDeque<WaitingCommand>,
    /// The turn of the loop, and the ticks of it that slices have taken.
    turn: u64,
    spent: u64,
}

impl TurnQueue {
    /// Ticks that slices have taken in a turn.
    pub fn spent(&mut self, turn: u64) -> u64 {
        if self.turn != turn {
            (self.turn, self.spent) = (turn, 0);
        }
        self.spent
    }

    /// Counts ticks of a turn that a slice has taken.
    pub fn spend(&mut self, turn: u64, ticks: u64) {
        self.spent = self.spent(turn).saturating_add(ticks);
    }

    /// Adds the work of a client that waits with a ticket, last in line.
    pub fn add(
        &mut self,
        client: ClientId,
        ticket: &Ticket,
        task: Box<dyn Any + Send>,
        until_ms: Option<u64>,
    ) {
        self.waiting.push_back(WaitingCommand {
            client,
            task,
            number: ticket.number(),
            is_dropped: ticket.is_dropped(),
            until_ms,
        });
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Begins a turn: frees the work of clients that are gone, and puts commands whose time is up
    /// first. Returns how many commands wait.
    pub fn begin_turn(&mut self, now_ms: u64) -> usize {
        let is_dropped = |its: &WaitingCommand| its.is_dropped.load(Ordering::Relaxed);
        self.waiting.retain(|its| !is_dropped(its));
        let is_late =
            |its: &WaitingCommand| its.until_ms.is_some_and(|until_ms| until_ms <= now_ms);
        if self.waiting.iter().any(is_late) {
            let all = std::mem::take(&mut self.waiting);
            let (late, others): (VecDeque<_>, VecDeque<_>) = all.into_iter().partition(is_late);
            self.waiting = late;
            self.waiting.extend(others);
        }
        self.waiting.len()
    }

    /// The next command.
    pub fn take_next(&mut self) -> Option<WaitingCommand> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(of: &[(u64, Option<u64>)]) -> (TurnQueue, Vec<Ticket>) {
        let mut queue = TurnQueue::default();
        let tickets = of.iter().map(|&(number, until_ms)| {
            let ticket = Ticket::new(number);
            queue.add(ClientId(number), &ticket, Box::new(()), until_ms);
            ticket
        });
        let tickets = tickets.collect();
        (queue, tickets)
    }

    fn order(queue: &mut TurnQueue) -> Vec<u64> {
        std::iter::from_fn(|| queue.take_next().map(|its| its.client.0)).collect()
    }

    #[test]
    fn late_commands_come_first_and_the_others_in_order() {
        let (mut queue, _tickets) = queue(&[(1, None), (2, Some(50)), (3, Some(9)), (4, Some(10))]);
        assert_eq!(queue.begin_turn(10), 4);
        assert_eq!(order(&mut queue), [3, 4, 1, 2]);
    }

    #[test]
    fn the_work_of_clients_that_are_gone_is_freed() {
        let (mut queue, mut tickets) = queue(&[(1, None), (2, None), (3, None)]);
        drop(tickets.remove(1));
        assert_eq!(queue.begin_turn(0), 2);
        assert_eq!(order(&mut queue), [1, 3]);
    }

    #[test]
    fn each_turn_has_its_own_time() {
        let mut queue = TurnQueue::default();
        queue.spend(1, 5);
        queue.spend(1, 6);
        assert_eq!((queue.spent(1), queue.spent(2)), (11, 0));
    }
}
