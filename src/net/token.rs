//! Tokens: what an event of the poll belongs to.
//!
//! A client's token carries its slot and the slot's generation, so that an event for a
//! connection that was closed earlier in the same turn is told from one for its successor.

use mio::Token;

/// The pipe that signals and helper threads wake the loop with.
pub const CONTROL: Token = Token(0);
/// Tokens from 1 up to here are listeners.
pub const LISTENERS_MAX: usize = 64;

/// What a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Control,
    Listener(usize),
    Client { slot: u32, generation: u32 },
}

pub fn listener_token(index: usize) -> Token {
    assert!(index < LISTENERS_MAX);
    Token(1 + index)
}

pub fn client_token(slot: u32, generation: u32) -> Token {
    Token((generation as usize) << 32 | (slot as usize + 1 + LISTENERS_MAX))
}

pub fn target_of(token: Token) -> Target {
    let low = token.0 & 0xffff_ffff;
    match low {
        0 => Target::Control,
        n if n <= LISTENERS_MAX => Target::Listener(n - 1),
        n => Target::Client {
            slot: (n - 1 - LISTENERS_MAX) as u32,
            generation: (token.0 >> 32) as u32,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_what_they_were() {
        assert_eq!(target_of(CONTROL), Target::Control);
        assert_eq!(target_of(listener_token(3)), Target::Listener(3));
        let token = client_token(0xfff_ffff, 0xffff_ffff);
        assert_eq!(
            target_of(token),
            Target::Client {
                slot: 0xfff_ffff,
                generation: 0xffff_ffff
            }
        );
    }
}
