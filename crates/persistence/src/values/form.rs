//! The form of a value that is being written.

/// How a value is written: chosen before its first byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueForm {
    /// RDB's number of the form.
    pub kind: u8,
    /// The earliest expiry within the value.
    pub(crate) first_expiry: Option<u64>,
    /// The part that the form leaves out because the version cannot hold it.
    pub lost: Option<&'static str>,
    /// A file may leave out the lost part, which is no data of the value's own; else the key is
    /// refused.
    pub(crate) may_lose: bool,
    /// The lost part is the type alone: all of the content is there, of an older type.
    pub(crate) is_plain: bool,
}

impl ValueForm {
    /// A form that holds everything, and without expiries.
    pub const fn of(kind: u8) -> ValueForm {
        ValueForm {
            kind,
            first_expiry: None,
            lost: None,
            may_lose: false,
            is_plain: false,
        }
    }
}
