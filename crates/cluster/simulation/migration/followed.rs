//! A replica follows its primary's imports, also imports that the primary has forgotten.
//!
//! A replica's machine, without a network: its primary's stream brings ESTABLISH and FINISH, and
//! a hand-set view of the cluster shows the slots' owner. Each test compares the actions: which
//! slots are hidden, shown, dropped or reclaimed.

use super::world::*;
use crate::migration::*;
use russet_config::Config;

/// A replica of the target, to which its primary's stream announces imports of slots 0 to 10.
struct Replica {
    machine: Migrations,
    view: View,
}

impl Replica {
    fn new() -> Replica {
        let mut view = View::new(2);
        (view.is_primary, view.follows) = (false, TARGET);
        Replica {
            machine: Migrations::new(Settings::of(&Config::default())),
            view,
        }
    }

    fn receive_words(&mut self, name: u8, words: &[&[u8]]) {
        let (source, name) = (id(SOURCE), [name; 40]);
        let mut all: Vec<&[u8]> = vec![words[0]];
        match words[0] {
            b"ESTABLISH" => {
                let rest: [&[u8]; 7] = [
                    b"SOURCE",
                    source.as_bytes(),
                    b"NAME",
                    &name,
                    b"SLOTSRANGE",
                    b"0",
                    b"10",
                ];
                all.extend(rest);
            }
            _ => all.extend([&b"NAME"[..], &name].into_iter().chain(words[1..].to_vec())),
        }
        let sender = Sender {
            link: MigrationLink::Client(1),
            is_internal: false,
            is_primary: true,
            node: None,
        };
        self.machine.request(&self.view, &sender, &all);
    }

    /// The actions, without lines for the log.
    fn actions(&mut self) -> Vec<Action> {
        let all = std::iter::from_fn(|| self.machine.pop());
        let is_shown = |action: &Action| !matches!(action, Action::Log { .. });
        all.filter(is_shown).collect()
    }

    /// Changes the view, reports the routes and ticks. Returns the slots dropped.
    fn sees(&mut self, change: impl FnOnce(&mut View)) -> Vec<Ranges> {
        change(&mut self.view);
        self.machine.routes_changed(&self.view);
        self.machine.tick(&self.view);
        let mut dropped = Vec::new();
        while let Some(action) = self.machine.pop() {
            if let Action::Drop(slots) = action {
                dropped.push(slots);
            }
        }
        dropped
    }
}

/// The primary was killed in the middle of the import, came back without it, and imported the slots
/// again; the replica, promoted long after, dropped them.
#[test]
fn a_promotion_keeps_what_the_primary_has_imported_since_it_forgot_an_import() {
    let mut replica = Replica::new();
    replica.receive_words(b'x', &[b"ESTABLISH"]);
    replica.receive_words(b'y', &[b"ESTABLISH"]);
    replica.receive_words(b'y', &[b"FINISH", b"STATE", b"SUCCESS"]);
    assert_eq!(replica.sees(|view| view.owner = TARGET), []);
    let dropped = replica.sees(|view| (view.owner, view.is_primary) = (2, true));
    assert_eq!(dropped, []);
    assert!(replica.machine.is_idle(), "nothing is remembered");
}

#[test]
fn a_promotion_keeps_slots_whose_import_was_never_seen_to_end() {
    let mut replica = Replica::new();
    replica.receive_words(b'x', &[b"ESTABLISH"]);
    assert_eq!(
        replica.sees(|view| (view.owner, view.is_primary) = (2, true)),
        []
    );
    assert!(replica.machine.is_idle());
}

/// The primary was killed in the middle of the import and came back without it: the replica hid the
/// slots for good.
#[test]
fn what_a_restarted_primary_has_forgotten_is_hidden_no_longer() {
    let mut replica = Replica::new();
    replica.receive_words(b'x', &[b"ESTABLISH"]);
    replica.actions();
    replica.machine.history_changed(&replica.view);
    let slots = Ranges::of_slots(0..11);
    assert_eq!(
        replica.actions(),
        [Action::Show(slots)],
        "the stream deletes"
    );
    assert!(replica.machine.is_idle());
}

/// The primary died right after its claim, before the cluster had shown it to its replica.
#[test]
fn a_promoted_replica_claims_what_its_primary_has_claimed() {
    let mut replica = Replica::new();
    replica.receive_words(b'x', &[b"ESTABLISH"]);
    replica.receive_words(b'x', &[b"FINISH", b"STATE", b"SUCCESS"]);
    let slots = Ranges::of_slots(0..11);
    assert_eq!(
        replica.actions(),
        [Action::Hide(slots.clone()), Action::Show(slots.clone())]
    );
    // A new id of the history is that of a primary that has saved its claim.
    replica.machine.history_changed(&replica.view);
    assert_eq!(replica.actions(), []);
    replica.view.is_primary = true;
    replica.machine.routes_changed(&replica.view);
    assert_eq!(replica.actions(), [Action::Reclaim(slots)]);
    assert!(replica.machine.is_idle());
}

#[test]
fn a_promoted_replica_claims_nothing_that_has_moved_on() {
    let mut replica = Replica::new();
    replica.receive_words(b'x', &[b"ESTABLISH"]);
    replica.receive_words(b'x', &[b"FINISH", b"STATE", b"SUCCESS"]);
    replica.actions();
    replica.view.owner = 3;
    replica.machine.routes_changed(&replica.view);
    replica.view.is_primary = true;
    replica.machine.routes_changed(&replica.view);
    assert_eq!(replica.actions(), []);
}

#[test]
fn a_promotion_in_the_middle_of_an_import_drops_what_is_the_sources() {
    let mut replica = Replica::new();
    replica.receive_words(b'x', &[b"ESTABLISH"]);
    assert_eq!(replica.sees(|_| ()), []);
    let dropped = replica.sees(|view| view.is_primary = true);
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0].pairs(), [(0, 10)]);
}
