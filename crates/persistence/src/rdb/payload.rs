//! DUMP payloads: one value with its type, the version, a checksum of everything before it.
//!
//!     type | value | version: u16le | checksum: u64le

use super::fault::Fault;
use super::format::{RdbOrigin, opcode};
use super::input::Input;
use super::module;
use super::parse;
use super::rules::Rules;
use super::templates::Templates;
use russet_base::hashing::crc64;
use russet_keyspace::OwnedValue;
use russet_types::Limits;

/// Bytes of version and checksum.
const FOOTER: usize = 2 + 8;

/// Ends a payload: appends the version and the checksum.
pub fn seal(payload: &mut Vec<u8>, version: u32) {
    seal_after(payload, version, 0, 0);
}

/// As [`seal`], with the checksum of the first `summed` bytes.
pub(super) fn seal_after(payload: &mut Vec<u8>, version: u32, sum: u64, summed: usize) {
    payload.extend_from_slice(&(version as u16).to_le_bytes());
    let sum = crc64::update(sum, &payload[summed..]);
    payload.extend_from_slice(&sum.to_le_bytes());
}

/// A payload with a correct checksum and a known version.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    body: &'a [u8],
    dialect: RdbOrigin,
}

impl<'a> Payload<'a> {
    /// `None`: wrong version, or a wrong checksum if `looks` is set. In a version of Redis's 0
    /// means that there is none.
    pub fn verify(payload: &'a [u8], looks: bool) -> Option<Payload<'a>> {
        let split = payload.len().checked_sub(FOOTER)?;
        let (body, footer) = payload.split_at(split);
        let version = u16::from_le_bytes([footer[0], footer[1]]);
        let stated = u64::from_le_bytes(footer[2..].try_into().expect("eight bytes"));
        let dialect = RdbOrigin::of_version(version)?;
        let found = crc64::update(0, &payload[..split + 2]);
        let has_none = stated == 0 && dialect == RdbOrigin::Redis;
        (stated == found || has_none || !looks).then_some(Payload { body, dialect })
    }

    /// The code of the libraries that FUNCTION DUMP has written; or an error reply.
    pub fn functions(&self) -> Result<Vec<Vec<u8>>, &'static str> {
        const TRUNCATED: &str = "ERR failed loading the given functions payload";
        let mut input = Input::of_bytes(self.body);
        let mut codes = Vec::new();
        while input.left() > 0 {
            match input.byte() {
                Ok(opcode::FUNCTION2) => {}
                Ok(opcode::FUNCTION_PRE_GA) => {
                    return Err("ERR Pre-GA function format not supported");
                }
                Ok(_) => return Err("ERR given type is not a function"),
                Err(_) => return Err("ERR can not read data type"),
            }
            let mut code = Vec::new();
            input.string_to(&mut code).map_err(|_| TRUNCATED)?;
            codes.push(code);
        }
        Ok(codes)
    }

    /// The value's type, after metadata that may be ignored.
    fn kind(&self, input: &mut Input<'_>) -> Result<u8, Fault> {
        match input.byte()? {
            opcode::KEY_META if self.dialect == RdbOrigin::Redis => {
                module::skip_metadata(input)?;
                input.byte()
            }
            kind => Ok(kind),
        }
    }

    /// Passes the value to `take`; an error is the offset of the damage.
    pub fn read<R>(
        &self,
        limits: &Limits,
        deep: bool,
        take: impl FnOnce(OwnedValue<'_>) -> R,
    ) -> Result<R, (u64, Fault)> {
        let rules = Rules {
            limits: *limits,
            deep,
            dialect: self.dialect,
            // A payload has its names in it.
            templates: Templates::default(),
        };
        let mut input = Input::of_bytes(self.body);
        let read = self
            .kind(&mut input)
            .and_then(|kind| parse::value(&mut input, kind, &rules).map(take));
        read.map_err(|fault| (input.offset(), fault))
    }
}
