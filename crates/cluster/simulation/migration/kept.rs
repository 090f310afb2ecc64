//! A source's copy of slots that another node has claimed: when it is deleted, and when it returns.
//!
//! One source's machine, without a network, after the claim of slots 0 to 10. Greetings of the
//! claimer and its replica, the slots' owner and the clock are set by hand. Each test compares the
//! actions.

use super::world::*;
use crate::migration::*;
use russet_base::Millis;
use russet_config::Config;

const GRACE_MS: i64 = 5000;

/// The source, after the target has claimed slots 0 to 10.
struct Source {
    machine: Migrations,
    view: View,
}

impl Source {
    fn new() -> Source {
        let settings = Settings {
            keep_grace: Millis::of_ms(GRACE_MS as u64),
            ..Settings::of(&Config::default())
        };
        let mut source = Source {
            machine: Migrations::new(settings),
            view: View::new(SOURCE),
        };
        (source.view.owner, source.view.epoch) = (TARGET, 2);
        source.receive(TARGET, |_| ());
        let slots = Ranges::of_slots(0..11);
        source.machine.lost(&source.view, &slots);
        assert_eq!(source.actions(), [Action::Keep(slots)]);
        source
    }

    /// A node greets: it knows of the claim, and has all that the claimer had.
    fn receive(&mut self, node: usize, change: impl FnOnce(&mut Greeting)) {
        let mut received = Greeting {
            at_ms: self.view.now.monotonic_ms,
            owner: TARGET,
            epoch: 2,
            offset: 100,
            is_primary: node < REPLICAS[SOURCE],
            follows: TARGET,
        };
        change(&mut received);
        self.view.received.insert(node, received);
    }

    /// The actions, without lines for the log and greetings.
    fn actions(&mut self) -> Vec<Action> {
        let all = std::iter::from_fn(|| self.machine.pop());
        let shown =
            |action: &Action| !matches!(action, Action::Log { .. } | Action::AskReplicas(_));
        all.filter(shown).collect()
    }

    fn pass(&mut self, ms: i64) -> Vec<Action> {
        self.view.now.monotonic_ms += ms;
        self.view.now_ms = self.view.now.monotonic_ms;
        self.machine.tick(&self.view);
        self.actions()
    }

    fn review(&mut self) -> Vec<Action> {
        self.machine.review_kept(&self.view);
        self.actions()
    }
}

fn slots() -> Ranges {
    Ranges::of_slots(0..11)
}

#[test]
fn a_copy_goes_when_every_replica_of_the_claimer_shows_the_claim_and_its_offset() {
    let mut source = Source::new();
    assert_eq!(source.pass(100), []);
    source.receive(REPLICAS[TARGET], |received| received.offset = 99);
    assert_eq!(source.pass(100), [], "it lacks a byte");
    source.receive(REPLICAS[TARGET], |received| {
        (received.owner, received.epoch) = (SOURCE, 1)
    });
    assert_eq!(source.pass(100), [], "it does not know of the claim");
    source.receive(REPLICAS[TARGET], |_| ());
    assert_eq!(source.pass(100), [Action::Forget(slots())]);
    assert!(source.machine.is_idle());
}

#[test]
fn a_copy_goes_after_the_grace() {
    let mut source = Source::new();
    assert_eq!(source.pass(GRACE_MS - 1), []);
    assert_eq!(source.pass(1), [Action::Forget(slots())]);
    assert!(source.machine.is_idle());
}

#[test]
fn a_copy_goes_when_memory_is_short_when_all_is_flushed_and_before_an_import() {
    let mut source = Source::new();
    source.machine.give_up_kept("memory is short");
    assert_eq!(source.actions(), [Action::Forget(slots())]);
    let mut source = Source::new();
    source.machine.flushed(&source.view);
    assert_eq!(source.actions(), [Action::Forget(slots())]);
    let mut source = Source::new();
    let words: [&[u8]; 2] = [b"5", b"7"];
    let begun = source.machine.import(&source.view, &words);
    begun.expect("begun");
    let actions = source.actions();
    assert_eq!(actions[0], Action::Forget(Ranges::of_slots(5..8)));
    let rest = Ranges::of_slots((0..5).chain(8..11));
    assert_eq!(source.pass(GRACE_MS).first(), Some(&Action::Forget(rest)));
}

#[test]
fn a_copy_returns_when_the_slots_do_and_their_claimer_is_gone() {
    let mut source = Source::new();
    source.pass(2000);
    source.view.owner = SOURCE;
    assert_eq!(source.review(), [Action::Return(slots())]);
    assert!(source.machine.is_idle());
}

/// The claimer may have acknowledged newer writes.
#[test]
fn a_copy_does_not_return_from_a_claimer_that_works() {
    let mut source = Source::new();
    source.view.owner = SOURCE;
    assert_eq!(source.review(), [Action::Forget(slots())]);
}

#[test]
fn slots_that_were_lost_with_their_claimer_are_reclaimed() {
    let mut source = Source::new();
    source.pass(2000);
    assert_eq!(
        source.pass(1000),
        [],
        "a failure alone is none: it may come back"
    );
    source.receive(REPLICAS[TARGET], |received| {
        (received.owner, received.epoch) = (SOURCE, 1);
        (received.is_primary, received.follows) = (true, REPLICAS[TARGET]);
    });
    assert_eq!(source.pass(100), [], "it may say that it has the slots");
    source.receive(REPLICAS[TARGET], |received| received.is_primary = true);
    assert_eq!(source.pass(1000), [Action::Reclaim(slots())]);
    source.view.owner = SOURCE;
    assert_eq!(source.review(), [Action::Return(slots())]);
}

#[test]
fn a_replica_that_took_the_claimers_place_with_the_slots_has_a_claim_of_its_own() {
    let mut source = Source::new();
    source.pass(2000);
    (source.view.owner, source.view.epoch) = (REPLICAS[TARGET], 3);
    source.receive(REPLICAS[TARGET], |received| {
        (received.owner, received.is_primary) = (REPLICAS[TARGET], true)
    });
    assert_eq!(source.review(), []);
    assert_eq!(source.pass(1100), []);
    source.receive(TARGET, |received| {
        (received.owner, received.epoch) = (REPLICAS[TARGET], 3);
        (received.is_primary, received.follows) = (false, REPLICAS[TARGET]);
    });
    assert_eq!(source.pass(100), [Action::Forget(slots())]);
}

#[test]
fn without_a_grace_nothing_is_kept() {
    let mut machine = Migrations::new(Settings {
        keep_grace: Millis::of_ms(0),
        ..Settings::of(&Config::default())
    });
    let mut view = View::new(SOURCE);
    view.owner = TARGET;
    machine.lost(&view, &slots());
    assert_eq!(machine.pop(), Some(Action::Forget(slots())));
    assert!(machine.is_idle());
}
