//! A scenario: steps over several connections, and their text form.

use std::fmt::{self, Display, Formatter};

/// Number of connections.
pub const CLIENTS: usize = 4;

/// An action of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends a command. `{id:N}` and `{addr:N}` are the server's id and address of connection N.
    Send(Vec<String>),
    /// Closes the connection and opens a new connection in its place.
    Reconnect,
}

/// A step of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub client: usize,
    pub act: Act,
    /// Sent without waiting for the effects of the previous step: in the same write if the
    /// connection is the same, otherwise directly after it.
    pub joined: bool,
}

/// The steps, and how to play them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    pub seed: u64,
    pub steps: Vec<Step>,
    /// Time after each step, long enough for every short timeout and time to live.
    pub gap_ms: u64,
}

impl Scenario {
    /// The end of the group of steps that are played together from `from` on: joined steps, until a
    /// connection occurs again after another connection. Such a step would leave to chance which
    /// commands the server reads at once.
    pub fn group_end(&self, from: usize) -> usize {
        let mut done = vec![self.steps[from].client];
        let mut until = from + 1;
        while let Some(step) = self.steps.get(until)
            && step.joined
        {
            if done.last() != Some(&step.client) {
                if done.contains(&step.client) {
                    break;
                }
                done.push(step.client);
            }
            until += 1;
        }
        until
    }

    /// The group of steps that ends with the step at `last`.
    pub fn group_of(&self, last: usize) -> &[Step] {
        let mut from = 0;
        while self.group_end(from) <= last {
            from = self.group_end(from);
        }
        &self.steps[from..=last]
    }
}

impl Step {
    /// The command's words; empty if the step is no command.
    pub fn words(&self) -> &[String] {
        match &self.act {
            Act::Send(words) => words,
            Act::Reconnect => &[],
        }
    }

    /// Whether the command begins with these words.
    pub fn is(&self, line: &str) -> bool {
        let wanted: Vec<&str> = line.split(' ').collect();
        let words = self.words();
        words.len() >= wanted.len()
            && wanted
                .iter()
                .zip(words)
                .all(|(wanted, word)| wanted.eq_ignore_ascii_case(word))
    }
}

impl Display for Scenario {
    /// A line for each step: the connection's number, `+` if it is joined to the previous step, and
    /// the command in redis-cli syntax.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "# seed {}", self.seed)?;
        if self.gap_ms > 0 {
            writeln!(f, "# {} ms after each step", self.gap_ms)?;
        }
        for step in &self.steps {
            let joined = if step.joined { '+' } else { ' ' };
            match &step.act {
                Act::Send(words) => writeln!(f, "{joined}{}> {}", step.client, words.join(" "))?,
                Act::Reconnect => {
                    writeln!(f, "{joined}{}> (closes, and connects anew)", step.client)?
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_steps_are_one_group_until_a_connections_turn_comes_again() {
        let steps = [
            (0, false),
            (0, true),
            (1, true),
            (0, true),
            (0, true),
            (2, false),
        ];
        let step = |&(client, joined): &(usize, bool)| Step {
            client,
            act: Act::Reconnect,
            joined,
        };
        let scenario = Scenario {
            seed: 1,
            steps: steps.iter().map(step).collect(),
            gap_ms: 0,
        };
        assert_eq!(scenario.group_end(0), 3);
        assert_eq!(scenario.group_end(3), 5);
        assert_eq!(scenario.group_end(5), 6);
        assert_eq!(scenario.group_of(4).len(), 2);
        assert_eq!(scenario.group_of(5).len(), 1);
    }
}
