//! The data of a server in a storm: few keys, so that they are often overwritten.

use super::node::Dataset;

/// All keys of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data {
    pub cells: [u32; 6],
    /// Set by transactions alone, to equal numbers.
    pub pair: (u32, u32),
    /// The writes for which clients wait, a bit each.
    pub writes: u64,
}

impl Dataset for Data {
    fn keys(&self) -> u64 {
        let cells = self.cells.iter().filter(|&&cell| cell > 0).count() as u64;
        cells + u64::from(self.writes.count_ones())
    }

    fn text(&self) -> String {
        let Data {
            cells,
            pair: (x, y),
            writes,
        } = self;
        let mut text = format!("x {x}\ny {y}\nw {writes}\n");
        for (at, cell) in cells.iter().enumerate() {
            text += &format!("{at} {cell}\n");
        }
        text
    }

    fn set(&mut self, name: &[u8], value: u64) {
        match name {
            b"x" => self.pair.0 = value as u32,
            b"y" => self.pair.1 = value as u32,
            b"w" => self.writes = value,
            b"bit" => self.writes |= 1 << (value % 64),
            [digit @ b'0'..=b'5'] => self.cells[usize::from(digit - b'0')] = value as u32,
            _ => {}
        }
    }
}
