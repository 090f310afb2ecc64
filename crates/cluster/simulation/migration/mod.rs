//! Sources against targets of both ways, without a network: the words on the wire, and that each
//! slot ends on exactly one side whatever breaks.

mod faults;
mod followed;
mod kept;
mod storms;
mod words;
mod world;
