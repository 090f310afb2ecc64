//! One database as one command sees it: look up, decide, write.

pub(super) mod change;
pub(super) mod db;
pub(super) mod info;
pub(super) mod new_value;
#[cfg(test)]
pub(super) mod opened;
pub(super) mod place;
pub(super) mod relocate;
pub(super) mod restore;
pub(super) mod value;
pub(super) mod view;
pub(super) mod walk;
